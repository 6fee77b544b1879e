//! Clips longer than a model's window: denoised window by window, the overlaps averaged.
use super::{Condition, VideoModel};
use anyhow::Result;
use tch::Tensor;

/// First frames of the windows over `frames`: each overlaps the one before by at least `overlap`, the last ends with the
/// clip. One window if the clip fits.
///
/// # Panics
/// If windows do not move on: `overlap` must be less than `window`.
pub fn starts(frames: i64, window: i64, overlap: i64) -> Vec<i64> {
    if frames <= window {
        return vec![0];
    }
    assert!((0..window).contains(&overlap), "an overlap of {overlap} frames in windows of {window}");
    let last = frames - window;
    let mut starts: Vec<i64> = (0..last).step_by((window - overlap) as usize).collect();
    starts.push(last);
    starts
}

/// v of a clip of any length: the mean over the windows that hold a frame (as MultiDiffusion, Bar-Tal et al. 2023).
///
/// # Errors
/// What the model says.
pub fn velocity(
    model: &dyn VideoModel,
    latents: &Tensor,
    timestep: i64,
    condition: &Condition,
    guidance: f64,
    overlap: i64,
) -> Result<Tensor> {
    let frames = latents.size()[0];
    let starts = starts(frames, model.window(), overlap);
    if starts.len() == 1 {
        return model.velocity(latents, timestep, condition, guidance);
    }
    let sum = latents.zeros_like();
    let mut count = vec![0f32; frames as usize];
    for start in starts {
        let window = model.window();
        let part = condition.window(start, window);
        let v = model.velocity(&latents.narrow(0, start, window), timestep, &part, guidance)?;
        let _ = sum.narrow(0, start, window).g_add_(&v);
        count[start as usize..(start + window) as usize].iter_mut().for_each(|n| *n += 1.0);
    }
    let count = Tensor::from_slice(&count).to_device(latents.device()).view([-1, 1, 1, 1]);
    Ok(sum / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_the_clip_and_overlap() {
        assert_eq!(starts(8, 16, 4), [0]);
        assert_eq!(starts(16, 16, 4), [0]);
        assert_eq!(starts(17, 16, 4), [0, 1]);
        assert_eq!(starts(40, 16, 4), [0, 12, 24]);
        assert_eq!(starts(41, 16, 4), [0, 12, 24, 25]);
        for frames in 1..60 {
            let s = starts(frames, 8, 3);
            assert!(s.windows(2).all(|w| w[1] > w[0] && w[1] <= w[0] + 5), "{frames}");
            assert!(s[s.len() - 1] + 8 >= frames);
        }
    }
}

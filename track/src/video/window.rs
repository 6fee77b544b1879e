//! The frames about the present one: those before and after it for the smoothing, and those that wait for it.
use super::VideoTime;
use super::follow;
use super::rows::Ready;
use super::smooth::{self, MOST_NEIGHBORS, Sample, SmoothConfig};
use super::work::Snapshot;
use std::collections::VecDeque;

/// Holds at most [`MOST_NEIGHBORS`] frames with pixels, and as many more without.
pub struct Window {
    config: SmoothConfig,
    /// As they were fitted, in order.
    samples: Vec<Sample>,
    waiting: VecDeque<Ready>,
    /// Ends of chunks that wait for the frames before them.
    ends: VecDeque<Snapshot>,
}

/// What comes next.
pub enum Next {
    /// A frame, smoothed.
    Frame(Box<Ready>),
    /// All frames before the snapshot have come.
    Chunk(Box<Snapshot>),
}

impl Window {
    /// After these samples.
    pub fn new(samples: Vec<Sample>, config: SmoothConfig) -> Self {
        Window { config, samples, waiting: VecDeque::new(), ends: VecDeque::new() }
    }

    /// The last ones, which smoothing needs after the present frame.
    pub fn samples(&self) -> &[Sample] {
        let from = self.samples.len().saturating_sub(MOST_NEIGHBORS as usize);
        &self.samples[from..]
    }

    /// The next frame with a face.
    pub fn push(&mut self, sample: Sample, ready: Ready) {
        self.samples.push(sample);
        self.waiting.push_back(ready);
    }

    /// The frames pushed so far end a chunk.
    pub fn end_chunk(&mut self, snapshot: Snapshot) {
        self.ends.push_back(snapshot);
    }

    /// Whatever waits for nothing more; `now` is the newest frame, `None` after the last.
    pub fn next(&mut self, now: Option<VideoTime>) -> Option<Next> {
        let first = self.waiting.front().map(|ready| (ready.number, ready.seconds));
        if let Some(end) = self.ends.front()
            && first.is_none_or(|(number, _)| number >= end.next)
        {
            return self.ends.pop_front().map(|end| Next::Chunk(Box::new(end)));
        }
        let (number, seconds) = first?;
        let is_ripe =
            |now: VideoTime| now.number - number >= MOST_NEIGHBORS || now.seconds - seconds > self.config.reach_s();
        if now.is_some_and(|now| !is_ripe(now)) {
            return None;
        }
        let mut ready = self.waiting.pop_front()?;
        let i = self.samples.iter().position(|sample| sample.number == number)?;
        ready.view = follow::view_of(&smooth::smoothed(&self.samples, i, &self.config), 0.0);
        self.samples.retain(|sample| sample.number + MOST_NEIGHBORS >= number);
        Some(Next::Frame(Box::new(ready)))
    }
}

//! From rows of a dataset to tensors, and color curves on tensors.
use crate::Error;
use formats::FrameRow;
use formats::image::{Decoded, gray8_from_png, gray16_from_png, rgb8_from_encoded};
use tch::{Kind, Tensor};

/// `[3, H, W]` sRGB in 0..=1 from an encoded picture.
///
/// # Errors
/// [`Error::Formats`] if it cannot be decoded.
pub fn rgb_from_encoded(bytes: &[u8]) -> Result<Tensor, Error> {
    Ok(tensor_from_decoded(&rgb8_from_encoded(bytes)?))
}

/// `[C, H, W]` in 0..=1 from 8-bit pixels.
pub fn tensor_from_decoded(image: &Decoded<u8>) -> Tensor {
    let size = [image.height as i64, image.width as i64, image.channels as i64];
    Tensor::from_slice(&image.data).view(size).permute([2, 0, 1]).to_kind(Kind::Float) / 255.0
}

/// `[1, H, W]` in 0..=1 from a gray PNG: alpha.
///
/// # Errors
/// [`Error::Formats`] if it cannot be decoded.
pub fn mask_from_png(bytes: &[u8]) -> Result<Tensor, Error> {
    Ok(tensor_from_decoded(&gray8_from_png(bytes)?))
}

/// `[H, W]` i64 class ids, see [`formats::segmentation`].
///
/// # Errors
/// [`Error::Formats`] if it cannot be decoded.
pub fn classes_from_png(bytes: &[u8]) -> Result<Tensor, Error> {
    let image = gray8_from_png(bytes)?;
    Ok(Tensor::from_slice(&image.data).view([image.height as i64, image.width as i64]).to_kind(Kind::Int64))
}

/// `[1, H, W]` meters along the camera's z; 0 where nothing is hit.
///
/// # Errors
/// [`Error::Formats`] if it cannot be decoded.
pub fn depth_from_png(bytes: &[u8]) -> Result<Tensor, Error> {
    let image = gray16_from_png(bytes)?;
    let meters: Vec<f32> = image.data.iter().map(|&tenths| f32::from(tenths) * 1e-4).collect();
    Ok(Tensor::from_slice(&meters).view([1, image.height as i64, image.width as i64]))
}

/// `[3, H, W]` world-space normals, about unit length; zero where nothing is hit.
///
/// # Errors
/// [`Error::Formats`] if it cannot be decoded.
pub fn normal_from_png(bytes: &[u8]) -> Result<Tensor, Error> {
    let codes = tensor_from_decoded(&rgb8_from_encoded(bytes)?);
    let hit = codes.amax([0i64].as_slice(), true).gt(0.0).to_kind(Kind::Float);
    Ok((codes * 2.0 - 1.0) * hit)
}

/// `[L, 2]` pixels.
pub fn landmarks_2d(row: &FrameRow) -> Tensor {
    Tensor::from_slice(row.landmarks_2d.as_flattened()).view([-1, 2])
}

/// Linear light from sRGB (IEC 61966-2-1), elementwise. Differentiable.
pub fn linear_from_srgb(srgb: &Tensor) -> Tensor {
    let curved = ((srgb.clamp_min(0.04045) + 0.055) / 1.055).pow_tensor_scalar(2.4);
    (srgb / 12.92).where_self(&srgb.le(0.04045), &curved)
}

/// sRGB from linear light (IEC 61966-2-1), elementwise. Differentiable; below 0 it goes on as a line, above 1 as the
/// curve, so that a renderer that leaves the range still gets a gradient.
pub fn srgb_from_linear(linear: &Tensor) -> Tensor {
    let curved = linear.clamp_min(0.0031308).pow_tensor_scalar(1.0 / 2.4) * 1.055 - 0.055;
    (linear * 12.92).where_self(&linear.le(0.0031308), &curved)
}

/// `[3, H, W]` sRGB in 0..=1 as 8-bit RGB rows, for encoding.
///
/// # Panics
/// If the tensor has another number of dimensions or channels.
pub fn rgb8_from_tensor(image: &Tensor) -> Decoded<u8> {
    let (channels, height, width) = image.size3().expect("[3, H, W]");
    assert_eq!(channels, 3, "RGB");
    let codes = (image.detach().to_device(tch::Device::Cpu).clamp(0.0, 1.0) * 255.0).round().to_kind(Kind::Uint8);
    let data = Vec::try_from(codes.permute([1, 2, 0]).contiguous().flatten(0, -1)).expect("u8 on the CPU");
    Decoded { width: width as usize, height: height as usize, channels: 3, data }
}

#[cfg(test)]
mod tests {
    use super::*;
    use formats::image::{png_from_gray16, png_from_rgb8};

    #[test]
    fn curves_are_inverse_and_agree_with_the_scalar_ones() {
        let x = Tensor::linspace(0.0, 1.0, 101, (Kind::Float, tch::Device::Cpu));
        let there = linear_from_srgb(&x);
        assert!(srgb_from_linear(&there).allclose(&x, 1e-4, 1e-4, false));
        for i in [0, 3, 4, 50, 100] {
            let scalar = formats::image::linear_from_srgb(i as f32 / 100.0);
            assert!((there.double_value(&[i]) - f64::from(scalar)).abs() < 1e-6);
        }
        let dark = Tensor::zeros([2], (Kind::Float, tch::Device::Cpu)).set_requires_grad(true);
        srgb_from_linear(&dark).sum(Kind::Float).backward();
        assert!((dark.grad().double_value(&[0]) - 12.92).abs() < 1e-4, "finite at black");
    }

    #[test]
    fn pictures_become_tensors_and_back() {
        let rgb: Vec<u8> = (0..3 * 5 * 4).map(|i| (i * 4) as u8).collect();
        let t = rgb_from_encoded(&png_from_rgb8(5, 4, &rgb).unwrap()).unwrap();
        assert_eq!(t.size(), [3, 4, 5]);
        assert_eq!(rgb8_from_tensor(&t).data, rgb);
        let depth: Vec<u16> = (0..6).map(|i| i * 1000).collect();
        let t = depth_from_png(&png_from_gray16(3, 2, &depth).unwrap()).unwrap();
        assert!((t.double_value(&[0, 1, 2]) - 0.5).abs() < 1e-6);
        assert!(rgb_from_encoded(b"no picture").is_err());
    }
}

//! One frame made small: cut out, reduced, encoded anew; everything that is measured in its pixels follows.
use formats::image::{self, Decoded, Picture};
use formats::{Error, FrameRow};

/// Coverage is kept in steps of this: 16 levels, which deflate to half the bytes of 256.
const COVERAGE_STEP: f32 = 17.0;
/// Landmarks are rounded to a fraction of a pixel, and to 2^-14 m (0.06 mm): zstd then takes a third off their bytes.
const LANDMARK_STEPS: [f32; 2] = [64.0, 16384.0];

/// How frames are made small.
#[derive(Clone, Copy, Debug)]
pub struct Shrink {
    /// Longest side of the result, pixels.
    pub size: usize,
    /// Side of the square that is cut out, in extents of the landmarks; none: the whole frame.
    pub crop: Option<f64>,
    /// Of JPEG.
    pub quality: u8,
}

/// A part of a picture and the size it gets, pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Window {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
    new_width: usize,
    new_height: usize,
}

impl Shrink {
    /// The frame with small pictures, its camera and landmarks in their pixels.
    ///
    /// # Errors
    /// [`Error::Picture`] when a picture cannot be decoded, or has another size than the row says.
    pub fn frame(&self, mut frame: FrameRow) -> Result<FrameRow, Error> {
        let window = self.window(&frame);
        frame.image = self.jpeg(&window.cut(image::rgb8_from_encoded(&frame.image)?, &frame)?, &window)?;
        let coverage = |bytes: &Vec<u8>| window.coverage(&window.cut(image::gray8_from_png(bytes)?, &frame)?);
        let alpha = frame.alpha.as_ref().map(coverage).transpose()?;
        let valid = frame.valid.as_ref().map(coverage).transpose()?;
        let rgb = |bytes: &Vec<u8>| -> Result<Vec<u8>, Error> {
            let small = window.nearest(&window.cut(image::rgb8_from_encoded(bytes)?, &frame)?);
            image::png_from_rgb8(small.width, small.height, &small.data)
        };
        let rgb16 = |bytes: &Vec<u8>| -> Result<Vec<u8>, Error> {
            let small = window.nearest(&window.cut(image::rgb16_from_png(bytes)?, &frame)?);
            image::png_from_rgb16(small.width, small.height, &small.data)
        };
        let classes = |bytes: &Vec<u8>| -> Result<Vec<u8>, Error> {
            let small = window.nearest(&window.cut(image::gray8_from_png(bytes)?, &frame)?);
            image::small_png_from_gray8(small.width, small.height, &small.data)
        };
        let gray16 = |bytes: &Vec<u8>| -> Result<Vec<u8>, Error> {
            let small = window.nearest(&window.cut(image::gray16_from_png(bytes)?, &frame)?);
            image::png_from_gray16(small.width, small.height, &small.data)
        };
        let segmentation = frame.segmentation.as_ref().map(classes).transpose()?;
        let depth = frame.depth.as_ref().map(gray16).transpose()?;
        let [normal, albedo] = [&frame.normal, &frame.albedo].map(|map| map.as_ref().map(rgb).transpose());
        let [uv, position] = [&frame.uv, &frame.position].map(|map| map.as_ref().map(rgb16).transpose());
        let (normal, albedo, uv, position) = (normal?, albedo?, uv?, position?);
        let mut small = FrameRow { alpha, valid, segmentation, depth, normal, albedo, uv, position, ..frame };
        window.move_labels(&mut small);
        Ok(small)
    }

    /// An sRGB picture of any size, reduced to the longest side `size`: UV maps of people.
    ///
    /// # Errors
    /// As [`Shrink::frame`].
    pub fn map(&self, encoded: &[u8], size: usize) -> Result<Vec<u8>, Error> {
        let picture = image::rgb8_from_encoded(encoded)?;
        let window = Window::whole(picture.width, picture.height, size);
        self.jpeg(&picture, &window)
    }

    fn jpeg(&self, picture: &Decoded<u8>, window: &Window) -> Result<Vec<u8>, Error> {
        let (width, height) = (window.new_width, window.new_height);
        let small = Picture::linear_from_rgb8(picture).resized(width, height);
        image::jpeg_from_rgb8(width, height, &small.srgb8(), self.quality)
    }

    fn window(&self, frame: &FrameRow) -> Window {
        let (width, height) = (frame.width as usize, frame.height as usize);
        let whole = Window::whole(width, height, self.size);
        let (Some(factor), false) = (self.crop, frame.landmarks_2d.is_empty()) else { return whole };
        let range = |axis: usize| {
            let values = || frame.landmarks_2d.iter().map(|p| f64::from(p[axis]));
            (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max))
        };
        let (x, y) = (range(0), range(1));
        let extent = (x.1 - x.0).max(y.1 - y.0);
        if !extent.is_finite() || extent < 1.0 {
            return whole;
        }
        let side = ((factor * extent).ceil() as usize).clamp(1, width.min(height));
        // As far to the middle of the landmarks as the frame allows.
        let first = |(low, high): (f64, f64), end: usize| {
            ((0.5 * (low + high - side as f64)).round().max(0.0) as usize).min(end - side)
        };
        Window { left: first(x, width), top: first(y, height), ..Window::whole(side, side, self.size) }
    }
}

impl Window {
    /// All of it, its longest side at most `size`.
    fn whole(width: usize, height: usize, size: usize) -> Self {
        let longest = width.max(height).max(size);
        let new = |side: usize| ((side * size + longest / 2) / longest).max(1);
        Window { left: 0, top: 0, width, height, new_width: new(width), new_height: new(height) }
    }

    /// The part of a picture of `frame`.
    fn cut<T: Copy>(&self, picture: Decoded<T>, frame: &FrameRow) -> Result<Decoded<T>, Error> {
        let (width, height) = (frame.width as usize, frame.height as usize);
        if (picture.width, picture.height) != (width, height) {
            let (expected, got) = (format!("{width}x{height} pixels"), format!("{}x{}", picture.width, picture.height));
            return Err(Error::Picture { what: "image or map", expected, got });
        }
        let row = |y: usize| {
            let first = (y * width + self.left) * picture.channels;
            picture.data[first..first + self.width * picture.channels].iter().copied()
        };
        let data = (self.top..self.top + self.height).flat_map(row).collect();
        Ok(Decoded { width: self.width, height: self.height, channels: picture.channels, data })
    }

    /// Each pixel as the one of the old picture under its center: for what has no mean.
    fn nearest<T: Copy>(&self, cut: &Decoded<T>) -> Decoded<T> {
        let (width, height, channels) = (self.new_width, self.new_height, cut.channels);
        let old = |new: usize, to: usize, from: usize| (2 * new + 1) * from / (2 * to);
        let pixel =
            |i: usize| (old(i / width, height, cut.height) * cut.width + old(i % width, width, cut.width)) * channels;
        let data = (0..width * height).flat_map(|i| cut.data[pixel(i)..pixel(i) + channels].iter().copied()).collect();
        Decoded { width, height, channels, data }
    }

    /// Means over the area, in steps of [`COVERAGE_STEP`].
    fn coverage(&self, cut: &Decoded<u8>) -> Result<Vec<u8>, Error> {
        let small = Picture::raw_from_8bit(cut).resized(self.new_width, self.new_height);
        let step = |v: &f32| ((v * 255.0 / COVERAGE_STEP).round() * COVERAGE_STEP) as u8;
        image::small_png_from_gray8(self.new_width, self.new_height, &small.data.iter().map(step).collect::<Vec<_>>())
    }

    /// Size, camera and landmarks in pixels of the new picture.
    fn move_labels(&self, frame: &mut FrameRow) {
        let scale = [self.new_width as f32 / self.width as f32, self.new_height as f32 / self.height as f32];
        let first = [self.left as f32, self.top as f32];
        (frame.width, frame.height) = (self.new_width as u32, self.new_height as u32);
        let [[fx, skew, cx], [_, fy, cy], last] = frame.intrinsics;
        frame.intrinsics = [
            [fx * scale[0], skew * scale[0], (cx - first[0]) * scale[0]],
            [0.0, fy * scale[1], (cy - first[1]) * scale[1]],
            last,
        ];
        let [per_px, per_m] = LANDMARK_STEPS;
        let rounded = |v: f32, per: f32| (v * per).round() / per;
        for point in &mut frame.landmarks_2d {
            *point = std::array::from_fn(|k| rounded((point[k] - first[k]) * scale[k], per_px));
        }
        for point in &mut frame.landmarks_3d {
            *point = point.map(|v| rounded(v, per_m));
        }
        frame.landmark_spread.iter_mut().for_each(|spread| *spread = rounded(*spread * scale[0], per_px));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shrink(size: usize, crop: Option<f64>) -> Shrink {
        Shrink { size, crop, quality: 90 }
    }

    #[test]
    fn windows_are_square_and_inside() {
        let mut frame = FrameRow { width: 200, height: 100, ..FrameRow::default() };
        frame.landmarks_2d = vec![[150.0, 40.0], [170.0, 70.0]];
        let window = shrink(48, Some(2.0)).window(&frame);
        assert_eq!(window, Window { left: 130, top: 25, width: 60, height: 60, new_width: 48, new_height: 48 });
        frame.landmarks_2d = vec![[190.0, -20.0], [230.0, 30.0]];
        let window = shrink(192, Some(1.2)).window(&frame);
        assert_eq!(window, Window { left: 140, top: 0, width: 60, height: 60, new_width: 60, new_height: 60 });
        frame.landmarks_2d = vec![[0.0, f32::NAN], [f32::INFINITY, 30.0]];
        let whole = Window { left: 0, top: 0, width: 200, height: 100, new_width: 50, new_height: 25 };
        assert_eq!(shrink(50, Some(2.0)).window(&frame), whole, "no extent: the whole frame");
        assert_eq!(shrink(50, None).window(&frame), whole);
    }

    #[test]
    fn classes_are_never_mixed() {
        let picture = Decoded { width: 4, height: 4, channels: 1, data: (0..16u8).collect() };
        let window = Window { new_width: 2, new_height: 2, ..Window::whole(4, 4, 4) };
        assert_eq!(window.nearest(&picture).data, [5, 7, 13, 15]);
    }
}

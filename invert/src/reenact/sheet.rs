//! The contact sheet: the driver above, the avatar below.
use anyhow::Result;
use formats::image::{Decoded, Picture};
use nets::view::sheet_png;
use tch::{Device, Kind, Tensor};

/// Longer side of an image on the sheet, in pixels.
const LONGEST_PX: usize = 256;
/// Beside an image of another shape.
const GRAY: f64 = 0.5;

/// Columns, in order.
#[derive(Default)]
pub struct Sheet {
    driver: Vec<Tensor>,
    avatar: Vec<Tensor>,
}

impl Sheet {
    /// One more column; either all columns have a driver or none.
    pub fn add(&mut self, driver: Option<&Decoded<u8>>, avatar: &Decoded<u8>) {
        let shrink = (LONGEST_PX as f32 / avatar.width.max(avatar.height) as f32).min(1.0);
        let size = [avatar.width, avatar.height].map(|side| ((side as f32 * shrink).round() as usize).max(1));
        self.driver.extend(driver.map(|driver| cell(driver, size)));
        self.avatar.push(cell(avatar, size));
    }

    /// The rows one below the other.
    ///
    /// # Errors
    /// Encoding.
    pub fn png(self) -> Result<Vec<u8>> {
        let rows: Vec<Vec<Tensor>> = [self.driver, self.avatar].into_iter().filter(|row| !row.is_empty()).collect();
        sheet_png(&rows)
    }
}

/// `[3, height, width]` the image as large as it fits, in the middle.
fn cell(image: &Decoded<u8>, [width, height]: [usize; 2]) -> Tensor {
    let scale = (width as f32 / image.width as f32).min(height as f32 / image.height as f32);
    let side = |pixels: usize, most: usize| ((pixels as f32 * scale).round() as usize).clamp(1, most);
    let (w, h) = (side(image.width, width), side(image.height, height));
    let fitted = Picture::raw_from_8bit(image).resized(w, h);
    let fitted = Tensor::from_slice(&fitted.data).view([h as i64, w as i64, 3]).permute([2, 0, 1]);
    let cell = Tensor::full([3, height as i64, width as i64], GRAY, (Kind::Float, Device::Cpu));
    let (top, left) = ((height - h) / 2, (width - w) / 2);
    cell.narrow(1, top as i64, h as i64).narrow(2, left as i64, w as i64).copy_(&fitted);
    cell
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(width: usize, height: usize, code: u8) -> Decoded<u8> {
        Decoded { width, height, channels: 3, data: vec![code; width * height * 3] }
    }

    #[test]
    fn a_wide_driver_is_not_stretched() {
        let cell = cell(&image(64, 32, 255), [32, 32]);
        let at = |y: i64| cell.double_value(&[0, y, 16]);
        assert_eq!([at(4), at(16), at(28)], [0.5, 1.0, 0.5]);
    }

    #[test]
    fn there_is_a_row_for_the_driver_where_it_has_images() {
        for (driver, height) in [(Some(image(64, 64, 90)), 2 * 256), (None, 256)] {
            let mut sheet = Sheet::default();
            (0..3).for_each(|_| sheet.add(driver.as_ref(), &image(512, 512, 30)));
            assert_eq!(formats::image::size_of(&sheet.png().unwrap()).unwrap(), (3 * 256, height));
        }
    }
}

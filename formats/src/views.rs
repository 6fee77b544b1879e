//! Rows and pictures as `ndarray` views: shapes that are checked once, no copies.
use crate::identity::UvMap;
use crate::image::{Decoded, Picture};
use crate::{Error, FrameRow};
use ndarray::{ArrayView2, ArrayView3, aview2};

/// The arrays of a frame; `L` landmarks.
#[derive(Clone, Debug)]
pub struct FrameViews<'a> {
    /// `[5, 3]` axis-angle (radians): neck, head, jaw, left eye, right eye.
    pub pose: ArrayView2<'a, f32>,
    /// `[4, 4]` rigid world → camera (meters).
    pub camera_from_world: ArrayView2<'a, f32>,
    /// `[3, 3]` pixels.
    pub intrinsics: ArrayView2<'a, f32>,
    /// `[2, 3]` unit directions in world space: left, right eye.
    pub gaze: ArrayView2<'a, f32>,
    /// `[L, 2]` pixels.
    pub landmarks_2d: ArrayView2<'a, f32>,
    /// `[L, 3]` meters, world space.
    pub landmarks_3d: ArrayView2<'a, f32>,
}

impl FrameRow {
    /// Its arrays as views.
    /// ```
    /// let mut row = formats::FrameRow { landmarks_2d: vec![[10.0, 20.0], [30.0, 60.0]], ..Default::default() };
    /// let center = row.views().landmarks_2d.mean_axis(ndarray::Axis(0)).unwrap();
    /// assert_eq!(center.to_vec(), [20.0, 40.0]);
    /// ```
    pub fn views(&self) -> FrameViews<'_> {
        FrameViews {
            pose: aview2(&self.pose),
            camera_from_world: aview2(&self.camera_from_world),
            intrinsics: aview2(&self.intrinsics),
            gaze: aview2(&self.gaze),
            landmarks_2d: aview2(&self.landmarks_2d),
            landmarks_3d: aview2(&self.landmarks_3d),
        }
    }
}

impl UvMap {
    /// `[height, width, 3]`
    ///
    /// # Errors
    /// [`Error::Picture`] when the values are not so many.
    pub fn view(&self) -> Result<ArrayView3<'_, f32>, Error> {
        view("UV map", [self.height as usize, self.width as usize, 3], &self.values)
    }
}

impl<T> Decoded<T> {
    /// `[height, width, channels]`
    ///
    /// # Errors
    /// As [`UvMap::view`].
    pub fn view(&self) -> Result<ArrayView3<'_, T>, Error> {
        view("image", [self.height, self.width, self.channels], &self.data)
    }
}

impl Picture {
    /// `[height, width, channels]`
    ///
    /// # Errors
    /// As [`UvMap::view`].
    pub fn view(&self) -> Result<ArrayView3<'_, f32>, Error> {
        view("picture", [self.height, self.width, self.channels], &self.data)
    }
}

fn view<'a, T>(what: &'static str, shape: [usize; 3], values: &'a [T]) -> Result<ArrayView3<'a, T>, Error> {
    let expected = || format!("{shape:?}");
    ArrayView3::from_shape(shape, values).map_err(|_| Error::Picture {
        what,
        expected: expected(),
        got: format!("{} values", values.len()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_have_the_shapes_of_the_columns_and_share_the_memory() {
        let mut row = FrameRow { landmarks_3d: vec![[1.0, 2.0, 3.0]; 7], ..FrameRow::default() };
        row.camera_from_world[1][3] = 5.0;
        let views = row.views();
        assert_eq!((views.pose.dim(), views.gaze.dim(), views.intrinsics.dim()), ((5, 3), (2, 3), (3, 3)));
        assert_eq!((views.landmarks_2d.dim(), views.landmarks_3d.dim()), ((0, 2), (7, 3)));
        assert_eq!(views.camera_from_world[[1, 3]], 5.0);
        assert_eq!(views.landmarks_3d.as_ptr(), row.landmarks_3d.as_flattened().as_ptr());
        let picture = Picture::new(4, 2, 3);
        assert_eq!(picture.view().unwrap().dim(), (2, 4, 3));
        let map = UvMap { height: 2, width: 2, values: vec![0.0; 11] };
        assert!(map.view().unwrap_err().to_string().contains("expected [2, 2, 3], got 11 values"));
    }
}

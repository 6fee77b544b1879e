//! Values per vertex → UV maps as tensors take them.
use glam::Vec3;
use head::HeadModel;
use head::uv::{Padding, UvAtlas};

/// How far a chart is extended over its rim (texels), so that bilinear lookup at a seam finds the chart's own values.
const RIM_TEXELS: usize = 3;

/// The atlas of a head model at one size.
pub struct UvSpace {
    atlas: UvAtlas,
    padding: Padding,
}

impl UvSpace {
    /// `size` texels a side.
    pub fn new(model: &HeadModel, size: usize) -> Self {
        let atlas = UvAtlas::new(model, size);
        let padding = atlas.padding(RIM_TEXELS);
        UvSpace { atlas, padding }
    }

    /// `[V]` vectors → planes `[3, U, U]`, zero off the surface; row 0 is v = 1.
    pub fn planes(&self, per_vertex: &[Vec3]) -> Vec<f32> {
        let mut map = self.atlas.position_map(per_vertex);
        map.fill(&self.padding);
        (0..3).flat_map(|c| map.values.iter().map(move |v| v[c])).collect()
    }

    /// `[U, U]` 1 on the surface and its rim.
    pub fn mask(&self) -> Vec<f32> {
        let mut mask = self.atlas.mask();
        self.padding.apply(&mut mask);
        mask.into_iter().map(|on| if on { 1.0 } else { 0.0 }).collect()
    }
}

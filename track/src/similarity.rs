//! Similarity transforms of the picture plane: rotate, scale, shift; pixels in, pixels out.

/// `p ↦ [[a, -b], [b, a]]·p + t`. Pixel centres lie at +0.5, so the same transform serves points and pictures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Similarity {
    /// Scale times cosine.
    pub a: f32,
    /// Scale times sine (y is down: positive turns clockwise on screen).
    pub b: f32,
    /// Shift in pixels of the target.
    pub t: [f32; 2],
}

impl Similarity {
    /// Turns by `angle_rad` and scales about `from`, which lands on `to`.
    pub fn about(from: [f32; 2], to: [f32; 2], scale: f32, angle_rad: f32) -> Self {
        let (a, b) = (scale * angle_rad.cos(), scale * angle_rad.sin());
        Similarity { a, b, t: [to[0] - a * from[0] + b * from[1], to[1] - b * from[0] - a * from[1]] }
    }

    /// Maps a point.
    pub fn apply(&self, p: [f32; 2]) -> [f32; 2] {
        [self.a * p[0] - self.b * p[1] + self.t[0], self.b * p[0] + self.a * p[1] + self.t[1]]
    }

    /// Pixels of the target per pixel of the source.
    pub fn scale(&self) -> f32 {
        self.a.hypot(self.b)
    }

    /// The way back.
    pub fn inverse(&self) -> Self {
        let s2 = (self.a * self.a + self.b * self.b).max(1e-20);
        let (a, b) = (self.a / s2, -self.b / s2);
        Similarity { a, b, t: [-a * self.t[0] + b * self.t[1], -b * self.t[0] - a * self.t[1]] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inverse_undoes_and_the_anchor_lands() {
        let s = Similarity::about([10.0, 20.0], [64.0, 60.0], 1.7, 0.4);
        let p = s.apply([10.0, 20.0]);
        assert!((p[0] - 64.0).abs() < 1e-4 && (p[1] - 60.0).abs() < 1e-4);
        let q = s.inverse().apply(s.apply([3.0, -8.0]));
        assert!((q[0] - 3.0).abs() < 1e-3 && (q[1] + 8.0).abs() < 1e-3);
        assert!((s.scale() * s.inverse().scale() - 1.0).abs() < 1e-5);
    }
}

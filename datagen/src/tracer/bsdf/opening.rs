//! The gap between the lids: what of an eyeball is to be seen, and how far a point of it lies from either lid.
use crate::tracer::elementary::smoothstep;
use glam::Vec3;

/// Stations between the corners.
const STATIONS: usize = 32;
/// How broad the margins of the upper and the lower lid are, seen from ahead (meters).
const MARGIN_M: [f32; 2] = [5e-4, 9e-4];

/// The visible gap of one eye, seen along the head's own forward direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Opening {
    /// Corner beside the nose (world, meters).
    inner: Vec3,
    /// Unit, from the inner to the outer corner.
    along: Vec3,
    /// Unit, from the lower to the upper lid.
    up: Vec3,
    /// Inner to outer corner (meters).
    width_m: f32,
    /// Heights over the line between the corners at which the upper and the lower lid end (meters).
    edges_m: [[f32; STATIONS]; 2],
}

/// Where a point of the eyeball lies between the lids (meters).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Between {
    /// Down from the upper lid, along the ball's face.
    pub under_upper_m: f32,
    /// Up from the lower lid.
    pub over_lower_m: f32,
    /// From the corner beside the nose.
    pub from_inner_m: f32,
}

impl Opening {
    /// From the lids' landmarks, inner to outer corner, upper and lower (world, meters), and `forward`, a unit vector.
    pub fn new([upper, lower]: [[Vec3; 4]; 2], forward: Vec3) -> Self {
        let (inner, across) = (upper[0], upper[3] - upper[0]);
        let along = (across - forward * across.dot(forward)).normalize_or(Vec3::X);
        let up = along.cross(forward).normalize_or(Vec3::Y);
        // The inner corner lies left or right of the outer one.
        let up = if up.dot(upper[1] + upper[2] - lower[1] - lower[2]) < 0.0 { -up } else { up };
        let mut opening =
            Opening { inner, along, up, width_m: across.dot(along).max(1e-4), edges_m: [[0.0; STATIONS]; 2] };
        for (edge, lid) in [upper, lower].iter().enumerate() {
            let flat = lid.map(|p| opening.flat(p));
            opening.edges_m[edge] = std::array::from_fn(|i| height_at(&flat, opening.station(i)));
        }
        opening
    }

    /// That of an eyeball about `center` without lids: a meter each way.
    pub fn bare(center: Vec3) -> Self {
        let edges_m = [[1.0; STATIONS], [-1.0; STATIONS]];
        Opening { inner: center - Vec3::X, along: Vec3::X, up: Vec3::Y, width_m: 2.0, edges_m }
    }

    /// Moves the edges to where the skin's triangles end. `near` are the edges of triangles before the eyeball (world).
    pub fn trim(&mut self, near: impl Iterator<Item = [Vec3; 2]>) {
        let middle: [f32; STATIONS] = std::array::from_fn(|i| 0.5 * (self.edges_m[0][i] + self.edges_m[1][i]));
        let mut found = [[f32::MAX; STATIONS], [f32::MIN; STATIONS]];
        let step = self.width_m / (STATIONS - 1) as f32;
        for pair in near {
            let [a, b] = pair.map(|p| self.flat(p));
            let (left, right) = if a.0 < b.0 { (a, b) } else { (b, a) };
            let first = (left.0 / step).ceil().max(0.0) as usize;
            for i in (first..STATIONS).take_while(|&i| self.station(i) <= right.0) {
                let t = (self.station(i) - left.0) / (right.0 - left.0).max(1e-9);
                let y = left.1 + (right.1 - left.1) * t;
                if y > middle[i] {
                    found[0][i] = found[0][i].min(y);
                } else {
                    found[1][i] = found[1][i].max(y);
                }
            }
        }
        for (edges, found) in self.edges_m.iter_mut().zip(found) {
            for (edge, found) in edges.iter_mut().zip(found) {
                // Farther off than that it is not the margin: the mesh has a gap there.
                if (found - *edge).abs() < 0.003 {
                    *edge = found;
                }
            }
        }
    }

    /// Where `position` (world) lies.
    pub fn place(&self, position: Vec3) -> Between {
        let (x, y) = self.flat(position);
        let at = (x / self.width_m).clamp(0.0, 1.0) * (STATIONS - 1) as f32;
        let i = (at as usize).min(STATIONS - 2);
        let step = self.width_m / (STATIONS - 1) as f32;
        let distance = |edge: &[f32; STATIONS]| {
            let rise = edge[i + 1] - edge[i];
            let slope = rise / step;
            (y - edge[i] - rise * (at - i as f32)) / (1.0 + slope * slope).sqrt()
        };
        Between {
            under_upper_m: -distance(&self.edges_m[0]),
            over_lower_m: distance(&self.edges_m[1]),
            from_inner_m: x,
        }
    }

    /// 1 on the margin of a lid, which faces the other one, and on the flesh behind it; 0 on the lid's front.
    pub fn margin(&self, position: Vec3) -> f32 {
        let place = self.place(position);
        let within =
            smoothstep(-0.001, 0.0, place.from_inner_m) * smoothstep(-0.001, 0.0, self.width_m - place.from_inner_m);
        let edge = |over: f32, breadth: f32| smoothstep(-1.25 * breadth, -0.75 * breadth, over);
        // One sees down on the lower margin, and up at the upper one hardly.
        let (upper, lower) = (edge(place.under_upper_m, MARGIN_M[0]), edge(place.over_lower_m, MARGIN_M[1]));
        let depth = (position - self.inner).dot(self.along.cross(self.up).normalize_or(Vec3::Z)).abs();
        within * upper * lower * smoothstep(0.03, 0.02, depth)
    }

    /// From the lower to the upper lid (world, unit).
    pub fn up(&self) -> Vec3 {
        self.up
    }

    /// Along the line between the corners, and up from it (meters).
    fn flat(&self, p: Vec3) -> (f32, f32) {
        ((p - self.inner).dot(self.along), (p - self.inner).dot(self.up))
    }

    fn station(&self, i: usize) -> f32 {
        self.width_m * i as f32 / (STATIONS - 1) as f32
    }
}

/// Height of the polyline at `x`; its points lie from left to right.
fn height_at(points: &[(f32, f32); 4], x: f32) -> f32 {
    let i = (0..2).find(|&i| x <= points[i + 1].0).unwrap_or(2);
    let (a, b) = (points[i], points[i + 1]);
    a.1 + (b.1 - a.1) * ((x - a.0) / (b.0 - a.0).max(1e-9)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eye() -> Opening {
        let mm = |x: f32, y: f32| Vec3::new(1e-3 * x, 1e-3 * y, 0.0);
        let upper = [mm(0.0, 0.0), mm(10.0, 4.0), mm(20.0, 4.0), mm(30.0, 0.0)];
        let lower = [mm(0.0, 0.0), mm(10.0, -4.0), mm(20.0, -4.0), mm(30.0, 0.0)];
        Opening::new([upper, lower], Vec3::Z)
    }

    #[test]
    fn a_point_knows_how_far_the_lids_are() {
        let place = eye().place(Vec3::new(0.015, 0.001, 0.02));
        assert!((place.under_upper_m - 0.003).abs() < 1e-6, "{place:?}");
        assert!((place.over_lower_m - 0.005).abs() < 1e-6 && (place.from_inner_m - 0.015).abs() < 1e-6, "{place:?}");
        // the other eye is its mirror image
        let mirror = |p: Vec3| p * Vec3::new(-1.0, 1.0, 1.0);
        let lids = [[0.0, 4.0, 4.0, 0.0], [0.0, -4.0, -4.0, 0.0]]
            .map(|ys: [f32; 4]| std::array::from_fn(|i| mirror(Vec3::new(0.01 * i as f32, 1e-3 * ys[i], 0.0))));
        let other = Opening::new(lids, Vec3::Z).place(mirror(Vec3::new(0.015, 0.001, 0.02)));
        assert!((other.under_upper_m - place.under_upper_m).abs() < 1e-6, "{other:?}");
    }

    #[test]
    fn the_edge_is_where_the_skin_ends() {
        let mut opening = eye();
        let lid = [Vec3::new(0.005, 0.0048, 0.0), Vec3::new(0.025, 0.0048, 0.0)];
        let above = [Vec3::new(0.005, 0.008, 0.0), Vec3::new(0.025, 0.007, 0.0)];
        opening.trim([above, lid].into_iter());
        let place = opening.place(Vec3::new(0.015, 0.0, 0.0));
        assert!((place.under_upper_m - 0.0048).abs() < 1e-5, "{place:?}");
        assert!((place.over_lower_m - 0.004).abs() < 1e-5, "a lid without triangles stays: {place:?}");
    }
}

//! Gaussians that ride on the triangles of a person's mesh: [`Bound`] in tensors, and [`Rigged`], which lies in an
//! avatar's folder.
//!
//! Letters: `N` Gaussians, `T` triangles, `V` vertices. Local space is [`TriangleFrame`]'s: units of the triangle's size.
mod densify;
mod file;

use crate::bridge::render::{GaussianTensors, floats};
use crate::error::{Error, check_shape};
use glam::{Quat, Vec3};
use head::{PersonMesh, TriangleFrame};
use tch::{Device, Kind, Tensor};

pub use densify::{Change, Densify, GradientSums};
pub use file::NET;

/// Gaussians in the local spaces of triangles.
#[derive(Debug)]
pub struct Bound {
    /// Means in triangle units, quaternions in the triangle's axes, log scales in triangle units; opacities and colors
    /// as everywhere.
    pub local: GaussianTensors,
    /// `[N]` the triangle of each, int64.
    pub triangle: Tensor,
}

/// A drivable person: a mesh and what is bound to it.
#[derive(Debug)]
pub struct Rigged {
    /// The mesh.
    pub mesh: PersonMesh,
    /// What is seen.
    pub bound: Bound,
}

/// The frames of all triangles of one pose.
#[derive(Debug)]
pub struct Frames {
    /// `[T, 3]` meters.
    origin: Tensor,
    /// `[T, 3, 3]` columns are the axes.
    rotation: Tensor,
    /// `[T, 4]` the same as w x y z.
    quat: Tensor,
    /// `[T, 1]` meters.
    scale: Tensor,
}

impl Frames {
    /// In tensors on `device`.
    pub fn new(frames: &[TriangleFrame], device: Device) -> Self {
        let n = frames.len() as i64;
        let tensor = |values: Vec<f32>, size: &[i64]| Tensor::from_slice(&values).view(size).to_device(device);
        let quat = |f: &TriangleFrame| {
            let q = Quat::from_mat3(&f.rotation);
            [q.w, q.x, q.y, q.z]
        };
        // Row-major: element (row, column) is component `row` of axis `column`.
        let rows = |f: &TriangleFrame| f.rotation.transpose().to_cols_array();
        Frames {
            origin: tensor(frames.iter().flat_map(|f| f.origin.to_array()).collect(), &[n, 3]),
            rotation: tensor(frames.iter().flat_map(rows).collect(), &[n, 3, 3]),
            quat: tensor(frames.iter().flat_map(quat).collect(), &[n, 4]),
            scale: tensor(frames.iter().map(|f| f.scale).collect(), &[n, 1]),
        }
    }
}

impl Frames {
    /// `[N]` meters: the sizes of the triangles `[N]`.
    pub fn sizes(&self, triangle: &Tensor) -> Tensor {
        self.scale.index_select(0, triangle).squeeze_dim(1)
    }
}

impl Bound {
    /// Number of Gaussians.
    pub fn len(&self) -> usize {
        self.local.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.local.is_empty()
    }

    /// The five parameters by name, in a fixed order.
    pub fn parameters(&self) -> [(&'static str, &Tensor); 5] {
        let g = &self.local;
        [
            ("means", &g.means),
            ("quats", &g.quats),
            ("log_scales", &g.log_scales),
            ("opacity_logits", &g.opacity_logits),
            ("colors", &g.colors),
        ]
    }

    /// Makes all five leaves that require gradients.
    pub fn require_gradients(&mut self) {
        let g = &mut self.local;
        for t in [&mut g.means, &mut g.quats, &mut g.log_scales, &mut g.opacity_logits, &mut g.colors] {
            *t = t.detach().copy().set_requires_grad(true);
        }
    }

    /// Head space (meters) from the triangles' spaces, differentiable:
    /// `μ' = k R μ + T`, `s' = k exp(s)`, `q' = quat(R) · q / |q|`.
    pub fn in_head(&self, frames: &Frames) -> GaussianTensors {
        let of = |t: &Tensor| t.index_select(0, &self.triangle);
        let (origin, rotation, turn, scale) =
            (of(&frames.origin), of(&frames.rotation), of(&frames.quat), of(&frames.scale));
        let g = &self.local;
        let unit = &g.quats / (g.quats.square().sum_dim_intlist([1i64].as_slice(), true, Kind::Float) + 1e-12).sqrt();
        GaussianTensors {
            means: rotation.bmm(&g.means.unsqueeze(2)).squeeze_dim(2) * &scale + origin,
            quats: product(&turn, &unit),
            log_scales: &g.log_scales + scale.log(),
            opacity_logits: g.opacity_logits.shallow_clone(),
            colors: g.colors.shallow_clone(),
            kind: g.kind,
        }
    }

    /// # Errors
    /// [`Error::Shape`] if the parts disagree, [`Error::Data`] if one is bound to a triangle beyond `n_triangles`.
    pub fn check(&self, n_triangles: usize) -> Result<(), Error> {
        let n = self.local.len() as i64;
        check_shape("triangle", &self.triangle, &[n])?;
        check_shape("means", &self.local.means, &[n, 3])?;
        check_shape("quats", &self.local.quats, &[n, 4])?;
        check_shape("log_scales", &self.local.log_scales, &[n, 3])?;
        check_shape("colors", &self.local.colors, &[n, self.local.kind.stride() as i64])?;
        let (least, most) = match n {
            0 => (0, -1),
            _ => (self.triangle.min().int64_value(&[]), self.triangle.max().int64_value(&[])),
        };
        if least < 0 || most >= n_triangles as i64 {
            return Err(Error::Data(format!("a Gaussian on triangle {most} (least {least}) of {n_triangles}")));
        }
        Ok(())
    }
}

impl Rigged {
    /// What the expression (52 ARKit units) and the pose (jaw and eyeballs; neck and head stay at rest) show, in head
    /// space; differentiable in the bound parameters.
    pub fn posed(&self, expression: &[f32; 52], pose: &[Vec3; 5]) -> GaussianTensors {
        self.bound.in_head(&self.frames(expression, pose))
    }

    /// The frames of all triangles in that pose.
    pub fn frames(&self, expression: &[f32; 52], pose: &[Vec3; 5]) -> Frames {
        let positions = self.mesh.posed(expression, pose);
        Frames::new(&self.mesh.frames(&positions), self.bound.local.means.device())
    }
}

/// Hamilton product of `[N, 4]` quaternions, w x y z.
fn product(a: &Tensor, b: &Tensor) -> Tensor {
    let part = |t: &Tensor, i: i64| t.select(1, i);
    let [aw, ax, ay, az] = [0, 1, 2, 3].map(|i| part(a, i));
    let [bw, bx, by, bz] = [0, 1, 2, 3].map(|i| part(b, i));
    Tensor::stack(
        &[
            &aw * &bw - &ax * &bx - &ay * &by - &az * &bz,
            &aw * &bx + &ax * &bw + &ay * &bz - &az * &by,
            &aw * &by - &ax * &bz + &ay * &bw + &az * &bx,
            &aw * &bz + &ax * &by - &ay * &bx + &az * &bw,
        ],
        1,
    )
}

/// The values of an f32 tensor.
fn values(t: &Tensor) -> Vec<f32> {
    floats(&tch::no_grad(|| t.detach().to_device(Device::Cpu).to_kind(Kind::Float).contiguous())).to_vec()
}

/// The values of an int64 tensor.
fn indices(t: &Tensor) -> Vec<i64> {
    Vec::try_from(t.to_device(Device::Cpu).to_kind(Kind::Int64)).expect("one dimension of integers")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::rng::normals;
    use head::params::unit;
    use splat::Colors;

    /// The analytic head with `per_triangle` scattered Gaussians on each triangle.
    pub(crate) fn rigged(per_triangle: usize) -> Rigged {
        let model = head::analytic::head();
        let mesh = PersonMesh::new(&model, &model.params().shape);
        let n = mesh.triangles.len() * per_triangle;
        let noise = |seed: u64, stride: usize, spread: f64| {
            Tensor::from_slice(&normals(seed, n * stride)).view([n as i64, stride as i64]) * spread
        };
        let local = GaussianTensors {
            means: noise(1, 3, 0.3),
            quats: noise(2, 4, 1.0),
            log_scales: noise(3, 3, 0.3) - 1.0,
            opacity_logits: noise(4, 1, 1.0).flatten(0, -1),
            colors: noise(5, 3, 0.3),
            kind: Colors::Sh { degree: 0 },
        };
        let triangle: Vec<i64> = (0..n).map(|i| (i / per_triangle) as i64).collect();
        Rigged { mesh, bound: Bound { local, triangle: Tensor::from_slice(&triangle) } }
    }

    fn smile() -> [f32; 52] {
        let mut expression = [0.0; 52];
        for (name, value) in [("jawOpen", 0.5), ("mouthSmileLeft", 0.8), ("eyeLookUpLeft", 0.6)] {
            expression[unit(name).unwrap()] = value;
        }
        expression
    }

    #[test]
    fn bound_gaussians_go_where_the_plain_frames_say() {
        let rigged = rigged(2);
        let posed = rigged.posed(&smile(), &[Vec3::ZERO; 5]);
        let frames = rigged.mesh.frames(&rigged.mesh.posed(&smile(), &[Vec3::ZERO; 5]));
        let (means, local) = (values(&posed.means), values(&rigged.bound.local.means));
        let (quats, scales) = (values(&posed.quats), values(&posed.log_scales));
        let (local_quats, local_scales) = (values(&rigged.bound.local.quats), values(&rigged.bound.local.log_scales));
        for i in (0..rigged.bound.len()).step_by(37) {
            let frame = frames[i / 2];
            let want = frame.point(Vec3::from_slice(&local[3 * i..]));
            assert!(Vec3::from_slice(&means[3 * i..]).distance(want) < 1e-6);
            let quat = |v: &[f32]| Quat::from_xyzw(v[1], v[2], v[3], v[0]).normalize();
            let want = Quat::from_mat3(&frame.rotation) * quat(&local_quats[4 * i..]);
            assert!(quat(&quats[4 * i..]).dot(want).abs() > 1.0 - 1e-5);
            assert!((scales[3 * i] - local_scales[3 * i] - frame.scale.ln()).abs() < 1e-5);
        }
    }

    #[test]
    fn gradients_match_central_differences() {
        let mut rigged = rigged(1);
        // A dozen Gaussians in f64 would be exact; the rig's own constants are f32, hence the tolerance.
        let few = Tensor::arange(12, (Kind::Int64, Device::Cpu)) * 20;
        let cut = |t: &Tensor| t.index_select(0, &few);
        let g = &rigged.bound.local;
        let kind = g.kind;
        let local = GaussianTensors {
            means: cut(&g.means),
            quats: cut(&g.quats),
            log_scales: cut(&g.log_scales),
            opacity_logits: cut(&g.opacity_logits),
            colors: cut(&g.colors),
            kind,
        };
        rigged.bound = Bound { local, triangle: cut(&rigged.bound.triangle) };
        rigged.bound.require_gradients();
        let loss = |r: &Rigged| {
            let g = r.posed(&smile(), &[Vec3::ZERO; 5]);
            let weight =
                |t: &Tensor| (Tensor::arange(t.numel() as i64, (Kind::Float, Device::Cpu)) * 0.7).sin().view_as(t);
            [&g.means * 100.0, g.quats.shallow_clone(), g.log_scales.shallow_clone()]
                .iter()
                .map(|t| (t * weight(t)).sum(Kind::Double))
                .sum::<Tensor>()
        };
        loss(&rigged).backward();
        for (name, parameter) in rigged.bound.parameters().into_iter().take(3) {
            let exact = parameter.grad();
            for at in [0i64, 7, 20] {
                let step = 1e-2;
                let shifted = |by: f64| {
                    tch::no_grad(|| {
                        let _ = parameter.detach().view([-1]).get(at).g_add_scalar_(by);
                        let value = loss(&rigged).double_value(&[]);
                        let _ = parameter.detach().view([-1]).get(at).g_add_scalar_(-by);
                        value
                    })
                };
                let numeric = (shifted(step) - shifted(-step)) / (2.0 * step);
                let got = exact.view([-1]).double_value(&[at]);
                assert!((got - numeric).abs() < 2e-3 + 1e-2 * numeric.abs(), "{name} {at}: {got} against {numeric}");
            }
        }
    }

    #[test]
    fn a_triangle_that_is_not_there_is_refused() {
        let mut rigged = rigged(1);
        let n = rigged.mesh.triangles.len();
        assert!(rigged.bound.check(n).is_ok() && rigged.bound.check(n - 1).is_err());
        rigged.bound.triangle = rigged.bound.triangle.narrow(0, 0, 3);
        assert!(matches!(rigged.bound.check(n), Err(Error::Shape { .. })));
    }
}

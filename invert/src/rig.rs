//! The person's own head model under the avatar: where every Gaussian's place on the surface goes in every pose.
//!
//! Letters: `N` Gaussians, `V` vertices, `F` faces. Space: the head's, neck and head at rest, metres.
//!
//! The surface is exact: blendshapes, joints and correctives, as the renders have it. With `D` the deformation gradient of
//! the surface at a Gaussian (rest → posed, normal to unit normal), `Q` its rotation and `x` its place, a Gaussian that was
//! fitted at rest goes to `x' + Q (μ − x)`, turns by `Q`, and stretches along each of its axes `a` by `|D a|`.
use crate::neighbors::Neighbors;
use anyhow::{Context, Result};
use glam::{Mat3, Quat, Vec3};
use head::correctives::Correctives;
use head::ibug::CHIN;
use head::model::{Basis, HeadModel, HeadParams, IdentityPrior, Joint, Part, SurfacePoint};
use head::normals::vertex_normals;
use nets::Checkpoint;
use prior::maps::UvSpace;
use prior::model::HeadGaussians;
use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

/// Squares of lengths that count as zero.
const TINY: f32 = 1e-14;
/// Stretch of a Gaussian along an axis: least and most.
const STRETCH: (f64, f64) = (0.3, 4.0);

/// How far below the chin the neck ends and the shoulders begin (meters).
const BODY_M: (f32, f32) = (0.06, 0.09);

/// A person's head and the places of the Gaussians on it.
pub struct Rig {
    /// One identity column: from the template to the person.
    model: HeadModel,
    /// `[V]` at rest, lids pushed off the eyeballs.
    neutral: Vec<Vec3>,
    correctives: Correctives,
    anchors: Vec<SurfacePoint>,
    /// `[F]` edges and normal at rest, inverted; none for a face without area.
    rest_frames: Vec<Option<Mat3>>,
    /// `[F]` area at rest (square metres).
    areas: Vec<f32>,
    space: UvSpace,
    uv_size: usize,
    device: Device,
    /// Of the pose at rest.
    rest: Posed,
}

/// The surface at every Gaussian, in one pose.
pub struct Posed {
    /// `[1, N, 3]` metres.
    pub means: Tensor,
    /// `[1, N, 4]` rotation from rest, w x y z, unit length.
    pub turns: Tensor,
    /// `[1, N, 3, 3]` deformation gradient from rest.
    pub gradient: Tensor,
}

/// The model with one identity column, which is the person with `shape`, lids pushed off the eyeballs.
fn of_person(model: &HeadModel, shape: &[f32]) -> HeadModel {
    let mut neutral = model.neutral(shape);
    Correctives::new(model).rest(model, &mut neutral);
    let column = neutral.iter().zip(&model.template).map(|(p, t)| *p - *t).collect();
    HeadModel {
        identity: Basis { names: vec!["person".into()], columns: column },
        identity_prior: IdentityPrior { mean: vec![0.0], components: vec![] },
        ..model.clone()
    }
}

impl Rig {
    /// The head of the person with `shape` `[Ks]`; `anchors` `[N]` are the Gaussians' places on it, `uv_size` the texels
    /// of the expression map that the prior's encoder takes.
    pub fn new(model: &HeadModel, shape: &[f32], anchors: Vec<SurfacePoint>, uv_size: usize, device: Device) -> Self {
        Rig::of(of_person(model, shape), anchors, uv_size, device)
    }

    fn of(model: HeadModel, anchors: Vec<SurfacePoint>, uv_size: usize, device: Device) -> Self {
        let neutral = model.neutral(&[1.0]);
        let rest_frames: Vec<Mat3> = model.faces.iter().map(|f| face_frame(&neutral, f)).collect();
        let identity = || Posed {
            means: Tensor::zeros([1, 0, 3], (Kind::Float, device)),
            turns: Tensor::zeros([1, 0, 4], (Kind::Float, device)),
            gradient: Tensor::zeros([1, 0, 3, 3], (Kind::Float, device)),
        };
        let mut rig = Rig {
            correctives: Correctives::new(&model),
            areas: rest_frames.iter().map(|m| 0.5 * m.x_axis.cross(m.y_axis).length()).collect(),
            rest_frames: rest_frames.iter().map(|m| (m.determinant().abs() > TINY).then(|| m.inverse())).collect(),
            space: UvSpace::new(&model, uv_size),
            uv_size,
            device,
            neutral,
            model,
            anchors,
            rest: identity(),
        };
        rig.rest = rig.pose(&HeadParams::neutral(1));
        rig
    }

    /// The same person, the Gaussians elsewhere.
    pub fn with_anchors(&self, anchors: Vec<SurfacePoint>) -> Self {
        Rig::of(self.model.clone(), anchors, self.uv_size, self.device)
    }

    /// The person's head model, of one identity column whose coefficient is 1.
    pub fn model(&self) -> &HeadModel {
        &self.model
    }

    /// `[V]` the person at rest (metres).
    pub fn neutral(&self) -> &[Vec3] {
        &self.neutral
    }

    /// `[N]` places of the Gaussians on the surface.
    pub fn anchors(&self) -> &[SurfacePoint] {
        &self.anchors
    }

    /// `[V]` the whole surface in the pose at rest (meters).
    pub fn rest_positions(&self) -> Vec<Vec3> {
        self.correctives.pose(&self.model, &self.neutral, &HeadParams::neutral(1)).positions
    }

    /// The surface at rest.
    pub fn at_rest(&self) -> &Posed {
        &self.rest
    }

    /// The surface as `params` pose it, neck and head at rest; their shape is not read.
    pub fn pose(&self, params: &HeadParams) -> Posed {
        let posed = self.correctives.pose(&self.model, &self.neutral, &still(params)).positions;
        let (gradients, turns) = self.deformation(&posed);
        let n = self.anchors.len();
        let (faces, anchors) = (&self.model.faces, &self.anchors); // tensors are not shared between threads
        let (mut means, mut quats, mut all) = (vec![0f32; 3 * n], vec![0f32; 4 * n], vec![0f32; 9 * n]);
        let rows = means.par_chunks_mut(3).zip(quats.par_chunks_mut(4)).zip(all.par_chunks_mut(9));
        rows.zip(anchors).with_min_len(4096).for_each(|(((mean, quat), gradient), anchor)| {
            let corners = faces[anchor.face as usize].map(|v| v as usize);
            let (mut p, mut d, mut q) = (Vec3::ZERO, Mat3::ZERO, Quat::from_xyzw(0.0, 0.0, 0.0, 0.0));
            for (&v, &w) in corners.iter().zip(&anchor.weights).filter(|(_, w)| **w != 0.0) {
                p += w * posed[v];
                d += w * gradients[v];
                // Against the first corner, not the sum: a weight may be a rounding error below zero.
                let near = if turns[corners[0]].dot(turns[v]) < 0.0 { -turns[v] } else { turns[v] };
                q += near * w;
            }
            let q = if q.length_squared() > 1e-8 { q.normalize() } else { Quat::IDENTITY };
            mean.copy_from_slice(&p.to_array());
            quat.copy_from_slice(&[q.w, q.x, q.y, q.z]);
            // Row-major.
            gradient.copy_from_slice(&d.transpose().to_cols_array());
        });
        let tensor = |values: &[f32], size: &[i64]| Tensor::from_slice(values).view(size).to_device(self.device);
        let n = n as i64;
        Posed {
            means: tensor(&means, &[1, n, 3]),
            turns: tensor(&quats, &[1, n, 4]),
            gradient: tensor(&all, &[1, n, 3, 3]),
        }
    }

    /// `[V]` deformation gradient from rest and its rotation: means over the faces around, by area.
    fn deformation(&self, posed: &[Vec3]) -> (Vec<Mat3>, Vec<Quat>) {
        let mut sums = vec![(Mat3::ZERO, 0f32); posed.len()];
        for (f, face) in self.model.faces.iter().enumerate() {
            let Some(rest) = self.rest_frames[f] else { continue };
            let gradient = face_frame(posed, face) * rest;
            for &v in &face[..if face[2] == face[3] { 3 } else { 4 }] {
                sums[v as usize].0 += gradient * self.areas[f];
                sums[v as usize].1 += self.areas[f];
            }
        }
        sums.into_par_iter()
            .with_min_len(1024)
            .map(|(sum, area)| {
                let gradient = if area > 0.0 { sum * (1.0 / area) } else { Mat3::IDENTITY };
                (gradient, rotation_of(gradient))
            })
            .unzip()
    }

    /// `[52, N · 3]` metres: how each unit at 1 alone moves the surface.
    pub fn units(&self) -> Tensor {
        let rows: Vec<Tensor> = (0..52)
            .map(|k| {
                let mut params = HeadParams::neutral(1);
                params.expression[k] = 1.0;
                (self.pose(&params).means - &self.rest.means).view([1, -1])
            })
            .collect();
        Tensor::cat(&rows, 0)
    }

    /// x_exp `[1, 3, U, U]` metres, which the prior's expression encoder takes.
    pub fn expression_map(&self, params: &HeadParams) -> Tensor {
        let u = self.uv_size as i64;
        let planes = self.space.planes(&self.correctives.offsets(&self.model, &self.neutral, params));
        Tensor::from_slice(&planes).view([1, 3, u, u]).to_device(self.device)
    }

    /// x_verts `[1, 3, U, U]` metres.
    pub fn position_map(&self) -> Tensor {
        let u = self.uv_size as i64;
        Tensor::from_slice(&self.space.planes(&self.neutral)).view([1, 3, u, u]).to_device(self.device)
    }

    /// `[1, N, 4]` frames at rest, w x y z, whose third axis is the surface's normal.
    pub fn normal_frames(&self) -> Tensor {
        let normals = vertex_normals(&self.neutral, &self.model.faces);
        let quats: Vec<f32> = self
            .anchors
            .iter()
            .flat_map(|anchor| {
                let corners = self.model.faces[anchor.face as usize];
                let n: Vec3 = (0..4).map(|k| anchor.weights[k] * normals[corners[k] as usize]).sum();
                let q = Quat::from_rotation_arc(Vec3::Z, n.normalize_or(Vec3::Z));
                [q.w, q.x, q.y, q.z]
            })
            .collect();
        Tensor::from_slice(&quats).view([1, -1, 4]).to_device(self.device)
    }

    /// `[N]` for each Gaussian the one on the other side of the face, if there is one (else itself): the nearest at rest
    /// to its mirror image, of the same part or its twin.
    pub fn twins(&self) -> Vec<usize> {
        const CELL_M: f32 = 0.004;
        let places: Vec<Vec3> = self.anchors.iter().map(|a| self.place(a)).collect();
        let class_of = |part: Part| if part == Part::EyeRight { Part::EyeLeft as u8 } else { part as u8 };
        let classes: Vec<u8> = self.parts().into_iter().map(class_of).collect();
        let cell = |p: Vec3| (p / CELL_M).round().as_ivec3();
        let mut cells: std::collections::HashMap<(glam::IVec3, u8), Vec<u32>> = Default::default();
        for (i, p) in places.iter().enumerate() {
            cells.entry((cell(*p), classes[i])).or_default().push(i as u32);
        }
        (0..places.len())
            .into_par_iter()
            .map(|i| {
                let image = places[i] * Vec3::new(-1.0, 1.0, 1.0);
                let (here, class) = (cell(image), classes[i]);
                let around = (0..27).map(|k| here + glam::ivec3(k % 3 - 1, k / 3 % 3 - 1, k / 9 - 1));
                let near = around.filter_map(|c| cells.get(&(c, class))).flatten();
                let best = near.min_by(|a, b| {
                    let d = |j: &u32| places[*j as usize].distance_squared(image);
                    d(a).total_cmp(&d(b))
                });
                best.map_or(i, |&j| j as usize)
            })
            .collect()
    }

    /// `[N]` what each Gaussian is part of.
    pub fn parts(&self) -> Vec<Part> {
        self.anchors.iter().map(|a| self.model.face_parts[a.face as usize]).collect()
    }

    /// The graph of the first `n` Gaussians by who lies beside whom at rest; hair is a class of its own, both rows of teeth
    /// are one.
    pub fn neighbors(&self, n: usize) -> Neighbors {
        const HAIR: u8 = u8::MAX;
        let scalp: Vec<f32> = Vec::try_from(self.region("scalp")).expect("masks are floats");
        let classes = self.parts().into_iter().zip(scalp);
        let classes = classes.map(|(part, scalp)| match part {
            Part::Skin if scalp >= 0.5 => HAIR,
            Part::TeethLower => Part::TeethUpper as u8,
            part => part as u8,
        });
        let places = self.anchors.iter().take(n).map(|a| self.place(a)).collect();
        Neighbors::new(places, classes.take(n).collect(), self.device)
    }

    /// Where a Gaussian sits at rest (metres).
    fn place(&self, anchor: &SurfacePoint) -> Vec3 {
        let corners = self.model.faces[anchor.face as usize];
        (0..4).map(|k| anchor.weights[k] * self.neutral[corners[k] as usize]).sum()
    }

    /// `[N]` a region mask of the model at every Gaussian; zero where the model has no such region.
    pub fn region(&self, name: &str) -> Tensor {
        let mask = self.model.regions.get(name);
        let value = |anchor: &SurfacePoint| {
            let corners = self.model.faces[anchor.face as usize];
            mask.map_or(0.0, |m| (0..4).map(|k| anchor.weights[k] * m[corners[k] as usize]).sum::<f32>())
        };
        Tensor::from_slice(&self.anchors.iter().map(value).collect::<Vec<f32>>()).to_device(self.device)
    }

    /// `[N]` 0 on head and neck, 1 on the shoulders, whose clothes no rig knows.
    pub fn body(&self) -> Tensor {
        self.below_chin(BODY_M)
    }

    /// `[N]` of the skin: 0 as far as the first length below the chin, 1 from the second on (meters).
    pub fn below_chin(&self, (from, to): (f32, f32)) -> Tensor {
        let chin = self.model.landmarks_at(&self.neutral)[CHIN].y;
        let below = |y: f32| ((chin - y - from) / (to - from)).clamp(0.0, 1.0);
        let is_skin = self.parts().into_iter().map(|part| part == Part::Skin);
        let mask: Vec<f32> =
            self.anchors.iter().zip(is_skin).map(|(a, skin)| if skin { below(self.place(a).y) } else { 0.0 }).collect();
        Tensor::from_slice(&mask).to_device(self.device)
    }

    /// `[N]` 1 on the Gaussians of the given parts.
    pub fn mask(&self, parts: &[Part]) -> Tensor {
        let mask: Vec<f32> = self.parts().iter().map(|part| if parts.contains(part) { 1.0 } else { 0.0 }).collect();
        Tensor::from_slice(&mask).to_device(self.device)
    }

    /// `[N]` 1 on hair and clothes, which stand off the surface, 0 on skin and rigid parts.
    pub fn loose(&self) -> Tensor {
        self.body().max_other(&self.region("scalp"))
    }

    /// Adds the rig to a file.
    ///
    /// # Errors
    /// A model that cannot be written.
    pub fn put(&self, file: &mut Checkpoint) -> Result<()> {
        let bytes = head::file::to_bytes(&self.model).context("the person's head model")?;
        let faces: Vec<i64> = self.anchors.iter().map(|a| a.face.into()).collect();
        let weights: Vec<f32> = self.anchors.iter().flat_map(|a| a.weights).collect();
        file.put("rig.model", &Tensor::from_slice(&bytes));
        file.put("rig.faces", &Tensor::from_slice(&faces));
        file.put("rig.weights", &Tensor::from_slice(&weights).view([-1, 4]));
        Ok(())
    }

    /// Of a file that [`Rig::put`] filled; none where an avatar has no rig.
    ///
    /// # Errors
    /// A damaged model, or places that are not on it.
    pub fn take(file: &Checkpoint, uv_size: usize, device: Device) -> Result<Option<Self>> {
        if !file.names().any(|name| name == "rig.model") {
            return Ok(None);
        }
        let bytes: Vec<u8> = Vec::try_from(file.get("rig.model")?.flatten(0, -1))?;
        let model = head::file::from_bytes(&bytes).context("the avatar's head model")?;
        model.check().context("the avatar's head model")?;
        let faces: Vec<i64> = Vec::try_from(file.get("rig.faces")?.flatten(0, -1))?;
        let weights: Vec<f32> = Vec::try_from(file.get("rig.weights")?.to_kind(Kind::Float).flatten(0, -1))?;
        let n_faces = model.faces.len() as i64;
        anyhow::ensure!(
            weights.len() == 4 * faces.len() && faces.iter().all(|f| (0..n_faces).contains(f)),
            formats::exit::Failure::bad_data("the avatar's Gaussians are not on its head model")
        );
        let anchors = faces.iter().zip(weights.chunks(4)).map(|(&face, w)| {
            // Half floats: the weights sum to one but for rounding.
            let sum: f32 = w.iter().sum();
            SurfacePoint { face: face as u32, weights: std::array::from_fn(|k| w[k] / sum) }
        });
        Ok(Some(Rig::of(model, anchors.collect(), uv_size, device)))
    }
}

impl Posed {
    /// Moves Gaussians that were made at rest (`rest` is the surface there). No gradient flows into the surface's rotation
    /// and stretch; `means` may carry one.
    pub fn carry(&self, g: &HeadGaussians, rest: &Posed) -> HeadGaussians {
        let unit = quat_unit(&g.quats);
        let stretch = tch::no_grad(|| {
            let axes = matrix(&unit.detach());
            let stretched = self.gradient.matmul(&axes);
            let square = stretched.square().sum_dim_intlist([-2i64].as_slice(), false, Kind::Float);
            square.sqrt().clamp(STRETCH.0, STRETCH.1).log()
        });
        HeadGaussians {
            means: &self.means + quat_turn(&self.turns, &(&g.means - &rest.means)),
            quats: quat_mul(&self.turns, &unit),
            log_scales: &g.log_scales + stretch,
            opacity_logits: g.opacity_logits.shallow_clone(),
            colors: g.colors.shallow_clone(),
            kind: g.kind,
            penalty: g.penalty.shallow_clone(),
        }
    }
}

/// Neck and head at rest.
fn still(params: &HeadParams) -> HeadParams {
    let mut still = params.clone();
    still.pose[Joint::Neck as usize] = Vec3::ZERO;
    still.pose[Joint::Head as usize] = Vec3::ZERO;
    still
}

/// Columns: the diagonals of a quad (two edges of a triangle) and the unit normal.
fn face_frame(positions: &[Vec3], face: &[u32; 4]) -> Mat3 {
    let [a, b, c, d] = face.map(|v| positions[v as usize]);
    let (e, f) = if face[2] == face[3] { (b - a, c - a) } else { (c - a, d - b) };
    Mat3::from_cols(e, f, e.cross(f).normalize_or_zero())
}

/// The rotation nearest to a matrix, by Newton's iteration of the polar decomposition (Higham 1986).
fn rotation_of(gradient: Mat3) -> Quat {
    let mut q = gradient;
    for _ in 0..8 {
        if q.determinant() < 1e-4 {
            return Quat::IDENTITY;
        }
        q = (q + q.inverse().transpose()) * 0.5;
    }
    let q = Quat::from_mat3(&q).normalize();
    if q.w < 0.0 { -q } else { q }
}

/// a ⊗ b, w x y z, `[.., 4]`.
pub fn quat_mul(a: &Tensor, b: &Tensor) -> Tensor {
    let part = |t: &Tensor, k: i64| t.select(-1, k);
    let [aw, ax, ay, az] = [0, 1, 2, 3].map(|k| part(a, k));
    let [bw, bx, by, bz] = [0, 1, 2, 3].map(|k| part(b, k));
    let w = &aw * &bw - &ax * &bx - &ay * &by - &az * &bz;
    let x = &aw * &bx + &ax * &bw + &ay * &bz - &az * &by;
    let y = &aw * &by - &ax * &bz + &ay * &bw + &az * &bx;
    let z = &aw * &bz + &ax * &by - &ay * &bx + &az * &bw;
    Tensor::stack(&[w, x, y, z], -1)
}

/// Rotates `[.., 3]` by unit quaternions `[.., 4]`.
pub fn quat_turn(q: &Tensor, v: &Tensor) -> Tensor {
    let (w, u) = (q.narrow(-1, 0, 1), q.narrow(-1, 1, 3));
    let parts = Tensor::broadcast_tensors(&[&u, v]);
    let t = parts[0].linalg_cross(&parts[1], -1) * 2.0;
    v + w * &t + parts[0].linalg_cross(&t, -1)
}

/// Unit length along the last dimension.
pub fn quat_unit(q: &Tensor) -> Tensor {
    q / (q.square().sum_dim_intlist([-1i64].as_slice(), true, Kind::Float) + 1e-12).sqrt()
}

/// `[.., 3, 3]` rotation matrices (columns are the axes) of unit quaternions `[.., 4]`.
fn matrix(q: &Tensor) -> Tensor {
    let [w, x, y, z] = [0, 1, 2, 3].map(|k| q.select(-1, k));
    let two = |a: &Tensor, b: &Tensor| a * b * 2.0;
    let rows = [
        Tensor::stack(&[1.0 - two(&y, &y) - two(&z, &z), two(&x, &y) - two(&w, &z), two(&x, &z) + two(&w, &y)], -1),
        Tensor::stack(&[two(&x, &y) + two(&w, &z), 1.0 - two(&x, &x) - two(&z, &z), two(&y, &z) - two(&w, &x)], -1),
        Tensor::stack(&[two(&x, &z) - two(&w, &y), two(&y, &z) + two(&w, &x), 1.0 - two(&x, &x) - two(&y, &y)], -1),
    ];
    Tensor::stack(&rows, -2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use head::params::unit;
    use prior::config::ModelConfig;
    use prior::regions::{Grids, avatar_points};

    fn rig() -> Rig {
        let model = head::analytic::head();
        let shape = vec![0.3; model.identity.names.len()];
        let grids = Grids { face: 32, scalp: 32, detail: 32, eyes: 96, teeth: 32, tongue: 32, mouth: 32 };
        let points = avatar_points(&model, &model.neutral(&shape), &grids, &ModelConfig::default());
        let anchors = points.into_iter().flat_map(|p| p.anchors).collect();
        Rig::new(&model, &shape, anchors, 32, Device::Cpu)
    }

    fn values(t: &Tensor) -> Vec<f32> {
        Vec::try_from(t.flatten(0, -1)).unwrap()
    }

    #[test]
    fn at_rest_nothing_turns_or_stretches() {
        let rig = rig();
        let rest = rig.at_rest();
        assert!(rig.anchors.len() > 300);
        for q in values(&rest.turns).chunks(4) {
            assert!((q[0] - 1.0).abs() < 1e-4, "{q:?}");
        }
        for (k, d) in values(&rest.gradient).iter().enumerate() {
            let want = if k % 9 % 4 == 0 { 1.0 } else { 0.0 };
            assert!((d - want).abs() < 1e-2, "entry {} is {d}", k % 9);
        }
    }

    /// An eyeball is rigid: its points keep their distances and all turn alike, by the angle of the rig.
    #[test]
    fn eyeballs_turn_as_one() {
        let rig = rig();
        let mut params = HeadParams::neutral(1);
        params.expression[unit("eyeLookOutLeft").unwrap()] = 1.0;
        let posed = rig.pose(&params);
        let turns = values(&posed.turns);
        let of_eye = |i: &usize| rig.model.face_parts[rig.anchors[*i].face as usize] == Part::EyeLeft;
        let eye: Vec<usize> = (0..rig.anchors.len()).filter(of_eye).collect();
        assert!(eye.len() > 10);
        for &i in &eye {
            let angle = 2.0 * turns[4 * i].clamp(-1.0, 1.0).abs().acos();
            assert!((angle - head::rig::LOOK_SIDE_RAD).abs() < 2e-3, "{angle}");
        }
        let (means, rest) = (values(&posed.means), values(&rig.rest.means));
        let at = |m: &[f32], i: usize| Vec3::from_slice(&m[3 * i..3 * i + 3]);
        let (a, b) = (eye[0], eye[eye.len() / 2]);
        let (before, after) = (at(&rest, a).distance(at(&rest, b)), at(&means, a).distance(at(&means, b)));
        assert!((before - after).abs() < 1e-5 && at(&rest, a).distance(at(&means, a)) > 1e-4);
    }

    #[test]
    fn a_rig_comes_back_from_a_file() {
        let rig = rig();
        let mut file = Checkpoint::new(0);
        rig.put(&mut file).unwrap();
        file.halve().unwrap();
        let back = Rig::take(&file, 32, Device::Cpu).unwrap().unwrap();
        let mut params = HeadParams::neutral(1);
        params.expression[unit("jawOpen").unwrap()] = 0.7;
        let off = (rig.pose(&params).means - back.pose(&params).means).abs().max().double_value(&[]);
        assert!(off < 5e-5, "half floats cost {off} m");
        assert!(Rig::take(&Checkpoint::new(0), 32, Device::Cpu).unwrap().is_none());
    }

    #[test]
    fn twins_lie_on_the_other_side() {
        let rig = rig();
        let twins = rig.twins();
        let places: Vec<Vec3> = rig.anchors.iter().map(|a| rig.place(a)).collect();
        let paired: Vec<usize> = (0..twins.len()).filter(|&i| twins[i] != i).collect();
        assert!(paired.len() * 2 > twins.len(), "{} of {} have a twin", paired.len(), twins.len());
        for i in paired.into_iter().filter(|&i| places[i].x.abs() > 0.02) {
            let (own, twin) = (places[i], places[twins[i]]);
            assert!(own.x * twin.x < 0.0 && (own.y - twin.y).abs() < 0.007, "{own} and {twin}");
        }
    }

    /// A Gaussian carried by a rotation keeps its place over the surface.
    #[test]
    fn a_rotation_matrix_is_the_quaternions() {
        let q = Quat::from_rotation_x(0.7) * Quat::from_rotation_z(-0.4);
        let tensor = Tensor::from_slice(&[q.w, q.x, q.y, q.z]).view([1, 4]);
        let m = values(&matrix(&tensor));
        let want = Mat3::from_quat(q).transpose().to_cols_array();
        assert!(m.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-6));
        let v = Tensor::from_slice(&[0.3f32, -0.2, 0.9]).view([1, 3]);
        let turned = values(&quat_turn(&tensor, &v));
        assert!(Vec3::from_slice(&turned).distance(q * Vec3::new(0.3, -0.2, 0.9)) < 1e-6);
    }
}

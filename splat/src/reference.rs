//! The rasterizer as a page of plain `f64`: no tiles, no vectors, no gradient. Slow on purpose; it is the
//! specification that [`crate::rasterize`] is tested against, and what its gradients are differenced on.
//!
//! Every input is a plain number here, so that a test may move any of them by a millionth.
use crate::rasterize::{ALPHA_CAP, ALPHA_CUT, Cutoff, DILATION_PX2, Depth, Settings, TRANSMITTANCE_STOP};
use crate::{Camera, Colors, GaussianSlices};

type Mat3 = [[f64; 3]; 3];

/// Gaussians; shapes and units as in [`crate::Gaussians`].
#[derive(Clone, Debug)]
pub struct Scene {
    /// `[N, 3]`
    pub means: Vec<f64>,
    /// `[N, 4]`
    pub quats: Vec<f64>,
    /// `[N, 3]`
    pub log_scales: Vec<f64>,
    /// `[N]`
    pub opacity_logits: Vec<f64>,
    /// `[N, kind.stride()]`
    pub colors: Vec<f64>,
    /// How `colors` is read.
    pub kind: Colors,
    /// `[C]`, or empty for black.
    pub background: Vec<f64>,
}

/// A camera; as [`crate::Camera`].
#[derive(Clone, Copy, Debug)]
pub struct Pinhole {
    /// W, H in pixels.
    pub size: [usize; 2],
    /// fx, fy, cx, cy in pixels.
    pub intrinsics: [f64; 4],
    /// Rows of the rotation of `camera_from_world`.
    pub rotation: Mat3,
    /// Translation of `camera_from_world`, meters.
    pub translation: [f64; 3],
}

/// What it draws; shapes as in [`crate::Rendered`].
#[derive(Clone, Debug)]
pub struct Image {
    /// `[H, W, C]`
    pub color: Vec<f64>,
    /// `[H, W]`
    pub alpha: Vec<f64>,
    /// `[H, W]`
    pub depth: Vec<f64>,
    /// `[H, W]` the least relative distance of an alpha from the cut or of a transmittance from the stop: where this
    /// is next to rounding, another rasterizer may decide otherwise.
    pub margin: Vec<f64>,
}

struct Splat {
    mean: [f64; 2],
    /// a, b, c of ½(a dx² + 2b dx dy + c dy²).
    conic: [f64; 3],
    opacity: f64,
    depth: f64,
    color: Vec<f64>,
}

/// Draws `scene` as `camera` sees it. Of `settings` the background is not read (`scene` has its own).
pub fn render(scene: &Scene, camera: &Pinhole, settings: &Settings) -> Image {
    let mut splats: Vec<Splat> =
        (0..scene.opacity_logits.len()).filter_map(|n| project(scene, camera, settings, n)).collect();
    splats.sort_by(|a, b| a.depth.total_cmp(&b.depth)); // stable: ties stay in order of index
    let ([width, height], channels) = (camera.size, scene.kind.channels());
    let mut image = Image { color: vec![], alpha: vec![], depth: vec![], margin: vec![] };
    for y in 0..height {
        for x in 0..width {
            let (mut color, mut depth, mut transmittance, mut margin) = (vec![0.0; channels], 0.0, 1.0, f64::MAX);
            for splat in &splats {
                let (alpha, raw) = alpha_at(splat, [x as f64 + 0.5, y as f64 + 0.5], settings.cutoff);
                let to_stop = (transmittance * (1.0 - alpha) / TRANSMITTANCE_STOP as f64 - 1.0).abs();
                margin = margin.min((raw / ALPHA_CUT as f64 - 1.0).abs()).min(to_stop);
                if transmittance * (1.0 - alpha) <= TRANSMITTANCE_STOP as f64 {
                    break;
                }
                color.iter_mut().zip(&splat.color).for_each(|(sum, c)| *sum += transmittance * alpha * c);
                depth += transmittance * alpha * splat.depth;
                transmittance *= 1.0 - alpha;
            }
            image
                .color
                .extend((0..channels).map(|c| color[c] + transmittance * scene.background.get(c).unwrap_or(&0.0)));
            image.alpha.push(1.0 - transmittance);
            image.margin.push(margin);
            image.depth.push(match settings.depth {
                Depth::Accumulated => depth,
                Depth::Expected => depth / (1.0 - transmittance).max(1e-10),
            });
        }
    }
    image
}

/// As blended, and before the cutoff and the cap.
fn alpha_at(splat: &Splat, pixel: [f64; 2], cutoff: Cutoff) -> (f64, f64) {
    let (dx, dy) = (pixel[0] - splat.mean[0], pixel[1] - splat.mean[1]);
    let [a, b, c] = splat.conic;
    let raw = splat.opacity * (-0.5 * (a * dx * dx + 2.0 * b * dx * dy + c * dy * dy)).exp();
    let (cut, capped) = (ALPHA_CUT as f64, raw.min(ALPHA_CAP as f64));
    let blended = match cutoff {
        Cutoff::Hard => {
            if raw >= cut {
                capped
            } else {
                0.0
            }
        }
        Cutoff::Smooth { width } => {
            let t = ((raw - cut) / width as f64).clamp(0.0, 1.0);
            capped * t * t * (3.0 - 2.0 * t)
        }
    };
    (blended, raw)
}

fn project(scene: &Scene, camera: &Pinhole, settings: &Settings, n: usize) -> Option<Splat> {
    let mean: [f64; 3] = std::array::from_fn(|i| scene.means[3 * n + i]);
    let t: [f64; 3] =
        std::array::from_fn(|i| (0..3).map(|j| camera.rotation[i][j] * mean[j]).sum::<f64>() + camera.translation[i]);
    if t[2] < settings.near_m as f64 || t[2] > settings.far_m as f64 {
        return None;
    }
    let [fx, fy, cx, cy] = camera.intrinsics;
    let [width, height] = camera.size.map(|v| v as f64);
    let u = (t[0] / t[2]).clamp(-(cx + 0.15 * width) / fx, (1.15 * width - cx) / fx);
    let v = (t[1] / t[2]).clamp(-(cy + 0.15 * height) / fy, (1.15 * height - cy) / fy);
    let jacobian = [[fx / t[2], 0.0, -fx * u / t[2]], [0.0, fy / t[2], -fy * v / t[2]]];
    // covariance = (J R Q S)(J R Q S)ᵀ
    let rotated = product(&camera.rotation, &rotation(std::array::from_fn(|i| scene.quats[4 * n + i])));
    let half: [[f64; 3]; 2] = std::array::from_fn(|i| {
        std::array::from_fn(|j| {
            (0..3).map(|k| jacobian[i][k] * rotated[k][j]).sum::<f64>() * scene.log_scales[3 * n + j].exp()
        })
    });
    let pair = |i: usize, j: usize| (0..3).map(|k| half[i][k] * half[j][k]).sum::<f64>();
    let (xx, xy, yy) = (pair(0, 0), pair(0, 1), pair(1, 1));
    let dilation = DILATION_PX2 as f64;
    let determinant = (xx + dilation) * (yy + dilation) - xy * xy;
    let mut opacity = 1.0 / (1.0 + (-scene.opacity_logits[n]).exp());
    if settings.antialiased {
        opacity *= ((xx * yy - xy * xy).max(0.0) / determinant).sqrt();
    }
    Some(Splat {
        mean: [fx * t[0] / t[2] + cx, fy * t[1] / t[2] + cy],
        conic: [(yy + dilation) / determinant, -xy / determinant, (xx + dilation) / determinant],
        opacity,
        depth: t[2],
        color: color(scene, camera, n, mean),
    })
}

fn color(scene: &Scene, camera: &Pinhole, n: usize, mean: [f64; 3]) -> Vec<f64> {
    let stride = scene.kind.stride();
    let stored = &scene.colors[n * stride..(n + 1) * stride];
    let Colors::Sh { .. } = scene.kind else { return stored.to_vec() };
    let eye: [f64; 3] =
        std::array::from_fn(|i| -(0..3).map(|j| camera.rotation[j][i] * camera.translation[j]).sum::<f64>());
    let d: [f64; 3] = std::array::from_fn(|i| mean[i] - eye[i]);
    let length = d.iter().map(|v| v * v).sum::<f64>().sqrt();
    let basis = harmonics(d.map(|v| v / length));
    (0..3).map(|c| (0.5 + (0..stride / 3).map(|k| basis[k] * stored[3 * k + c]).sum::<f64>()).max(0.0)).collect()
}

/// Real spherical harmonics of degrees 0 to 3 from their closed forms, with the Condon–Shortley sign.
fn harmonics([x, y, z]: [f64; 3]) -> [f64; 16] {
    let pi = std::f64::consts::PI;
    let (a, b, c) = ((3.0 / (4.0 * pi)).sqrt(), (15.0 / (4.0 * pi)).sqrt(), (5.0 / (16.0 * pi)).sqrt());
    let (e, f) = ((35.0 / (32.0 * pi)).sqrt(), (105.0 / (4.0 * pi)).sqrt());
    let (g, h) = ((21.0 / (32.0 * pi)).sqrt(), (7.0 / (16.0 * pi)).sqrt());
    [
        (1.0 / (4.0 * pi)).sqrt(),
        -a * y,
        a * z,
        -a * x,
        b * x * y,
        -b * y * z,
        c * (3.0 * z * z - 1.0),
        -b * x * z,
        0.5 * b * (x * x - y * y),
        -e * y * (3.0 * x * x - y * y),
        f * x * y * z,
        -g * y * (5.0 * z * z - 1.0),
        h * z * (5.0 * z * z - 3.0),
        -g * x * (5.0 * z * z - 1.0),
        0.5 * f * z * (x * x - y * y),
        -e * x * (x * x - 3.0 * y * y),
    ]
}

/// Of a quaternion w x y z of any length.
fn rotation(q: [f64; 4]) -> Mat3 {
    let length = q.iter().map(|v| v * v).sum::<f64>().sqrt();
    let [w, x, y, z] = q.map(|v| v / length);
    [
        [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
        [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
        [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
    ]
}

fn product(a: &Mat3, b: &Mat3) -> Mat3 {
    std::array::from_fn(|i| std::array::from_fn(|j| (0..3).map(|k| a[i][k] * b[k][j]).sum()))
}

impl Scene {
    /// The same numbers in `f64`.
    pub fn new(gaussians: GaussianSlices<'_>, background: &[f32]) -> Self {
        let widen = |v: &[f32]| v.iter().map(|&v| v as f64).collect();
        Scene {
            means: widen(gaussians.means),
            quats: widen(gaussians.quats),
            log_scales: widen(gaussians.log_scales),
            opacity_logits: widen(gaussians.opacity_logits),
            colors: widen(gaussians.colors),
            kind: gaussians.kind,
            background: widen(background),
        }
    }
}

impl Pinhole {
    /// The same numbers in `f64`.
    pub fn new(camera: &Camera) -> Self {
        let m = camera.camera_from_world;
        Pinhole {
            size: [camera.width, camera.height],
            intrinsics: [camera.fx, camera.fy, camera.cx, camera.cy].map(f64::from),
            rotation: std::array::from_fn(|r| std::array::from_fn(|c| m.col(c)[r] as f64)),
            translation: std::array::from_fn(|r| m.col(3)[r] as f64),
        }
    }

    /// `Exp(ξ) · camera_from_world` for ξ = (translation ρ, rotation φ); Rodrigues' formula and its integral.
    pub fn twisted(&self, xi: [f64; 6]) -> Self {
        let (rho, phi) = ([xi[0], xi[1], xi[2]], [xi[3], xi[4], xi[5]]);
        let angle = phi.iter().map(|v| v * v).sum::<f64>().sqrt().max(1e-12);
        let k = [[0.0, -phi[2], phi[1]], [phi[2], 0.0, -phi[0]], [-phi[1], phi[0], 0.0]];
        let kk = product(&k, &k);
        let series = |first: f64, second: f64| -> Mat3 {
            std::array::from_fn(|i| {
                std::array::from_fn(|j| (i == j) as u8 as f64 + first * k[i][j] + second * kk[i][j])
            })
        };
        let turn = series(angle.sin() / angle, (1.0 - angle.cos()) / angle.powi(2));
        let slide = series((1.0 - angle.cos()) / angle.powi(2), (angle - angle.sin()) / angle.powi(3));
        let apply = |m: &Mat3, v: [f64; 3]| -> [f64; 3] {
            std::array::from_fn(|i| (0..3).map(|j| m[i][j] * v[j]).sum::<f64>())
        };
        let (moved, slid) = (apply(&turn, self.translation), apply(&slide, rho));
        Pinhole {
            rotation: product(&turn, &self.rotation),
            translation: std::array::from_fn(|i| moved[i] + slid[i]),
            ..*self
        }
    }
}

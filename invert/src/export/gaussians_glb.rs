//! Gaussians as `.glb` by the glTF extension `KHR_gaussian_splatting`, ellipse kernel.
//!
//! By its ratified text: rotation x y z w, standard deviations and opacity as they are (drafts had their logarithms),
//! harmonics coefficient by coefficient, y up. `COLOR_0` is what programs without the extension draw points in; it is linear.
use crate::glb::{Glb, Numbers, Role, Shape};
use anyhow::{Result, ensure};
use formats::image::linear_from_srgb;
use glam::Vec3;
use serde_json::{Value, json};
use splat::gaussians::SH_C0;
use splat::{Colors, Gaussians};

const EXTENSION: &str = "KHR_gaussian_splatting";

/// The bytes of the file. `gaussians` are in world space (meters, y up, display RGB) and can be drawn
/// ([`splat::GaussianSlices::drawable`]); `note` goes into `asset.extras`.
///
/// # Errors
/// Colors of other than three channels.
pub fn to_bytes(gaussians: &Gaussians, name: &str, note: Value) -> Result<Vec<u8>> {
    ensure!(gaussians.kind.channels() == 3, "a .glb has three channels, not {}", gaussians.kind.channels());
    let mut glb = Glb::default();
    let attributes = attributes(&mut glb, gaussians);
    glb.finish(json!({
        "asset": {
            "version": "2.0", "generator": concat!("Effigy invert ", env!("CARGO_PKG_VERSION")), "extras": note,
        },
        "extensionsUsed": [EXTENSION],
        "scene": 0,
        "scenes": [{ "name": name, "nodes": [0] }],
        "nodes": [{ "name": "head", "mesh": 0 }],
        "meshes": [{ "name": "head", "primitives": [{
            "mode": 0, "attributes": attributes,
            "extensions": { EXTENSION: {
                "kernel": "ellipse", "colorSpace": "srgb_rec709_display",
                "projection": "perspective", "sortingMethod": "cameraDistance",
            } },
        }] }],
    }))
}

fn attributes(glb: &mut Glb, g: &Gaussians) -> Value {
    let means: Vec<Vec3> = g.means.chunks_exact(3).map(Vec3::from_slice).collect();
    let rotations: Vec<f32> = g
        .quats
        .chunks_exact(4)
        .flat_map(|q| {
            let length = q.iter().map(|v| v * v).sum::<f32>().sqrt();
            [q[1] / length, q[2] / length, q[3] / length, q[0] / length]
        })
        .collect();
    let scales: Vec<f32> = g.log_scales.iter().map(|s| s.exp()).collect();
    let opacities: Vec<f32> = g.opacity_logits.iter().map(|&logit| 1.0 / (1.0 + (-logit).exp())).collect();
    let floats = |glb: &mut Glb, values: &[f32], shape| glb.array(Numbers::F32(values), shape, Role::Attribute);
    let named = |what: &str| format!("{EXTENSION}:{what}");
    let mut attributes = serde_json::Map::new();
    attributes.insert("POSITION".into(), glb.positions(&means).into());
    attributes.insert(named("ROTATION"), floats(glb, &rotations, Shape::Vec4).into());
    attributes.insert(named("SCALE"), floats(glb, &scales, Shape::Vec3).into());
    attributes.insert(named("OPACITY"), floats(glb, &opacities, Shape::Scalar).into());
    for (k, coefficients) in harmonics(g).into_iter().enumerate() {
        let degree = k.isqrt();
        let name = named(&format!("SH_DEGREE_{degree}_COEF_{}", k - degree * degree));
        attributes.insert(name, floats(glb, &coefficients, Shape::Vec3).into());
    }
    attributes.insert(
        "COLOR_0".into(),
        glb.array(Numbers::U16(&point_colors(g, &opacities)), Shape::Vec4, Role::Normalized).into(),
    );
    attributes.into()
}

/// `[K]` coefficients, each `[N, 3]`; plain colors become the zeroth.
fn harmonics(g: &Gaussians) -> Vec<Vec<f32>> {
    match g.kind {
        Colors::Sh { .. } => {
            let rows = g.colors.chunks_exact(g.kind.stride());
            let coefficient = |k: usize| rows.clone().flat_map(|row| row[3 * k..3 * k + 3].iter().copied()).collect();
            (0..g.kind.stride() / 3).map(coefficient).collect()
        }
        Colors::Features { .. } => vec![g.colors.iter().map(|c| (c - 0.5) / SH_C0 as f32).collect()],
    }
}

/// `[N, 4]` linear RGB and opacity in 16 bits.
fn point_colors(g: &Gaussians, opacities: &[f32]) -> Vec<u16> {
    let whole = |value: f32| (value.clamp(0.0, 1.0) * 65535.0).round() as u16;
    let plain = |stored: f32| match g.kind {
        Colors::Sh { .. } => 0.5 + SH_C0 as f32 * stored,
        Colors::Features { .. } => stored,
    };
    let rows = g.colors.chunks_exact(g.kind.stride()).zip(opacities);
    rows.flat_map(|(row, &opacity)| {
        let [r, g, b] = [0, 1, 2].map(|c| whole(linear_from_srgb(plain(row[c]).clamp(0.0, 1.0))));
        [r, g, b, whole(opacity)]
    })
    .collect()
}

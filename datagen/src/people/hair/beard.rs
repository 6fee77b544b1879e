//! Beard, moustache, stubble: on the region `beard`, trimmed to the style by the mouth's landmarks.
use super::{Binding, Ground, Strand, Tuft, along, tapered, thickened};
use crate::people::person::{Beard, BeardStyle};
use crate::stream::{Stream, Subject, noise};
use crate::tracer::elementary::smoothstep;
use formats::segmentation::Class;
use glam::Vec3;
use head::ibug;

pub(super) fn grow(ground: &Ground, beard: &Beard, strands: u32, seed: u64) -> Option<Tuft> {
    if beard.style == BeardStyle::None || ground.landmarks.len() < ibug::COUNT {
        return None;
    }
    let mut s = Stream::new(seed, Subject::BeardStrands, &[]);
    let mut tuft = Tuft::new(Class::Beard, Binding::Skin, beard.pigment.material());
    let density = density(ground, beard.style, seed);
    let covered = density.iter().sum::<f32>() / ground.region("beard").iter().sum::<f32>().max(1e-6);
    let count = (0.8 * strands as f32 * beard.density * covered.clamp(0.0, 1.0)) as usize;
    let radius = match beard.style {
        BeardStyle::Stubble => 0.5 * thickened(50e-6, strands),
        _ => 0.8 * thickened(50e-6, strands),
    };
    let mouth = (ground.landmarks[ibug::MOUTH_RIGHT] + ground.landmarks[ibug::MOUTH_LEFT]) * 0.5;
    for root in ground.skin.scatter(&density, count, &mut s) {
        let (p, n) = (ground.skin.position(root), ground.skin.normal(root));
        // Towards its edge a beard is short and fine.
        let thick = smoothstep(0.05, 0.75, ground.skin.value(root, &density));
        let over_lip = smoothstep(0.0, 0.008, p.y - mouth.y) * (1.0 - smoothstep(0.03, 0.05, (p.x - mouth.x).abs()));
        let sideways = Vec3::X * (p.x - mouth.x).signum() * (0.25 + 0.9 * over_lip);
        let stray = Vec3::new(s.normal(0.0, 0.15), s.normal(0.0, 0.15), s.normal(0.0, 0.15));
        let flow = along(Vec3::NEG_Y + sideways + Vec3::Z * 0.25, n);
        let lift = if beard.style == BeardStyle::Stubble { 0.8 } else { 0.45 };
        let direction = (flow + n * lift + stray).normalize_or(n);
        let longest = beard.length_m * (1.0 - 0.55 * over_lip) * (0.6 + 0.4 * smoothstep(0.0, -0.03, p.y - mouth.y));
        let length = longest * s.uniform(0.55, 1.1) * (0.25 + 0.75 * thick);
        // Hairs of a lock lean the same way.
        let lean = |k: u64, scale: f32| noise(seed ^ k, p * scale);
        let wave = Vec3::new(lean(0, 90.0), 0.4 * lean(8, 90.0), lean(9, 90.0)) * 0.3
            + Vec3::new(lean(10, 300.0), lean(11, 300.0), lean(12, 300.0)) * 0.35;
        let mut spine = vec![p - n * 0.0003];
        for k in [0.25, 0.5, 0.75, 1.0f32] {
            let fall = (flow * 0.35 + Vec3::NEG_Y * 0.25 + wave) * (k * k);
            let free = ground.clearance.pushed_out(spine[0] + (direction * k + fall) * length, 0.0004);
            // Too deep to find out, as in the fold under a chin: the hair is cut here.
            if ground.clearance.at(free) < 0.0 {
                break;
            }
            spine.push(free);
        }
        if spine.len() < 3 {
            continue;
        }
        let absorption = beard.pigment.absorption(&mut s);
        tuft.strands.push(Strand { root, points: tapered(&spine, radius * (0.55 + 0.45 * thick)), absorption });
    }
    Some(tuft)
}

/// Where this style grows, over the skin's vertices.
fn density(ground: &Ground, style: BeardStyle, seed: u64) -> Vec<f32> {
    let (beard, lips) = (ground.region("beard"), ground.region("lips"));
    let l = ground.landmarks;
    let mouth = (l[ibug::MOUTH_RIGHT] + l[ibug::MOUTH_LEFT]) * 0.5;
    let half_width = 0.5 * (l[ibug::MOUTH_LEFT] - l[ibug::MOUTH_RIGHT]).length();
    let trim = |p: Vec3| {
        let (x, y) = ((p.x - mouth.x).abs() / half_width, p.y - mouth.y);
        let over_lip = smoothstep(-0.004, 0.002, y) * (1.0 - smoothstep(1.05, 1.3, x));
        match style {
            BeardStyle::Moustache => over_lip,
            BeardStyle::Goatee => over_lip.max(1.0 - smoothstep(0.95, 1.35, x)),
            _ => 1.0,
        }
    };
    let patchy = |p: Vec3| 0.75 + 0.15 * noise(seed ^ 5, p * 60.0) + 0.1 * noise(seed ^ 6, p * 170.0);
    let each = ground.skin.positions.iter().zip(beard.iter().zip(&lips));
    each.map(|(p, (b, lip))| smoothstep(0.1, 1.0, *b) * (1.0 - smoothstep(0.05, 0.4, *lip)) * trim(*p) * patchy(*p))
        .collect()
}

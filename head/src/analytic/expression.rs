//! The ARKit units of the mannequin: lids by the formulas of the skin, jaw by its rotation, the rest as smooth local
//! fields. `tongueOut`, `eyeLookIn*` and `eyeLookOut*` displace nothing (the eyeballs turn by the rig).
use super::grid::{Mesh, Source};
use super::labels::{JAW_PIVOT, below_mouth, jaw_share};
use super::skull::{MOUTH_HALF_WIDTH, MOUTH_Y, Shape, bump, ramp};
use crate::model::{ARKIT, Basis};
use glam::{Quat, Vec3};

/// Angle of the jaw at `jawOpen` = 1 (radians).
const JAW_OPEN_RAD: f32 = 0.30;

/// `[52, V]`
pub fn basis(mesh: &Mesh, template: &[Vec3]) -> Basis {
    let columns = ARKIT.iter().flat_map(|name| match name.strip_suffix("Left") {
        Some(stem) => column(mesh, template, stem, 1.0),
        None => match name.strip_suffix("Right") {
            Some(stem) => column(mesh, template, stem, -1.0),
            None => column(mesh, template, name, 0.0),
        },
    });
    Basis { names: ARKIT.map(String::from).to_vec(), columns: columns.collect() }
}

/// One unit; `sign` is +1 for the left one of a pair, −1 for the right one, 0 for a unit without sides.
fn column(mesh: &Mesh, template: &[Vec3], stem: &str, sign: f32) -> Vec<Vec3> {
    if let Some(lids) = lids(stem) {
        let mut shape = Shape::default();
        shape.lids[if sign > 0.0 { 0 } else { 1 }] = lids;
        let moved = mesh.positions(&shape);
        return moved.iter().zip(template).map(|(p, rest)| *p - *rest).collect();
    }
    (0..template.len())
        .map(|v| match jaw(stem, sign, template[v]) {
            Some(displacement) => jaw_share(mesh, template, v) * displacement,
            None => soft(mesh, template, stem, sign, v),
        })
        .collect()
}

/// How open the upper and the lower lid are at one unit. Closed lids meet below the line between the corners.
fn lids(stem: &str) -> Option<[f32; 2]> {
    match stem {
        "eyeBlink" => Some([-0.63, 0.80]),
        "eyeSquint" => Some([0.82, 0.40]),
        "eyeWide" => Some([1.35, 1.08]),
        "eyeLookDown" => Some([0.40, 1.08]),
        "eyeLookUp" => Some([1.22, 0.88]),
        _ => None,
    }
}

/// Units that move the jaw as a whole: displacement of a point that goes with it fully.
fn jaw(stem: &str, sign: f32, p: Vec3) -> Option<Vec3> {
    match stem {
        "jawOpen" => {
            let arm = p - JAW_PIVOT;
            Some(Quat::from_rotation_x(JAW_OPEN_RAD) * arm - arm)
        }
        "jawForward" => Some(Vec3::new(0.0, -0.001, 0.007)),
        "jaw" => Some(Vec3::new(0.008 * sign, 0.0, 0.0)),
        _ => None,
    }
}

/// Soft tissue. What lies inside the mouth follows the lip it hangs on, less and less.
fn soft(mesh: &Mesh, template: &[Vec3], stem: &str, sign: f32, v: usize) -> Vec3 {
    let side = mesh.side(v);
    let (p, follows) = match mesh.sources[v] {
        Source::Skin { .. } => (template[v], 1.0),
        Source::Ring { slit: 2, ring, border, .. } => (template[border as usize], ramp(4.5, 0.5, ring as f32)),
        Source::Ring { border, .. } => (template[border as usize], 1.0),
        _ => return Vec3::ZERO,
    };
    let front = ramp(-0.050, -0.025, p.z) * follows;
    if front == 0.0 {
        return Vec3::ZERO;
    }
    let at = Place {
        x: p.x.abs(),
        toward: p.x.signum() * ramp(0.0, 0.006, p.x.abs()),
        y: p.y,
        low: below_mouth(p, side),
        p,
    };
    // A field centered on one side reaches over the middle as the tail of its bump, as skin does.
    front * if sign == 0.0 || matches!(stem, "mouth") { at.both(stem, sign) } else { at.one(stem, sign) }
}

/// Where on the face a displacement is asked for.
struct Place {
    /// Distance from the middle (meters).
    x: f32,
    /// −1..=1, the side, smooth over the middle.
    toward: f32,
    y: f32,
    /// 1 below the mouth line, 0 above.
    low: f32,
    p: Vec3,
}

impl Place {
    /// Of one side: mirrored so that `sign` is the person's left, `x` runs outwards.
    fn one(&self, stem: &str, sign: f32) -> Vec3 {
        let outward = sign * self.p.x;
        let spot = |cx: f32, cy: f32, wx: f32, wy: f32| bump(outward - cx, wx) * bump(self.y - cy, wy);
        let corner = |wx: f32, wy: f32| spot(MOUTH_HALF_WIDTH, MOUTH_Y, wx, wy);
        let d = |x: f32, y: f32, z: f32| Vec3::new(sign * x, y, z);
        match stem {
            "browDown" => spot(0.026, 0.021, 0.016, 0.010) * d(-0.0025, -0.0060, 0.0005),
            "browOuterUp" => spot(0.043, 0.022, 0.013, 0.013) * d(0.0, 0.0080, 0.0),
            "cheekSquint" => spot(0.037, -0.021, 0.016, 0.011) * d(0.0, 0.0050, 0.0025),
            "mouthDimple" => corner(0.010, 0.009) * d(0.0030, 0.0010, -0.0035),
            "mouthFrown" => corner(0.013, 0.012) * d(0.0010, -0.0075, -0.0010),
            "mouthLowerDown" => self.low * spot(0.012, -0.077, 0.012, 0.011) * d(0.0, -0.0070, 0.0005),
            "mouthPress" => spot(0.013, MOUTH_Y, 0.011, 0.0085) * d(0.0, 0.0016 * (2.0 * self.low - 1.0), -0.0018),
            "mouthSmile" => {
                corner(0.017, 0.014) * d(0.0080, 0.0072, -0.0035)
                    + spot(0.041, -0.036, 0.015, 0.014) * d(0.0020, 0.0040, 0.0030)
            }
            "mouthStretch" => corner(0.017, 0.014) * d(0.0090, -0.0030, -0.0035),
            "mouthUpperUp" => (1.0 - self.low) * spot(0.012, -0.062, 0.012, 0.010) * d(0.0, 0.0062, 0.0010),
            "noseSneer" => spot(0.013, -0.040, 0.009, 0.015) * d(0.0008, 0.0052, 0.0010),
            _ => Vec3::ZERO,
        }
    }

    /// Of both sides at once; `sign` is the direction of `mouthLeft` and `mouthRight`.
    fn both(&self, stem: &str, sign: f32) -> Vec3 {
        let spot = |cx: f32, cy: f32, wx: f32, wy: f32| bump(self.x - cx, wx) * bump(self.y - cy, wy);
        let mouth = spot(0.0, MOUTH_Y, 0.021, 0.0125);
        let (up, low) = (1.0 - self.low, self.low);
        match stem {
            "browInnerUp" => spot(0.012, 0.022, 0.012, 0.013) * Vec3::new(0.0, 0.0080, 0.0008),
            "cheekPuff" => spot(0.044, -0.062, 0.016, 0.016) * Vec3::new(0.0060 * self.toward, 0.0, 0.0085),
            "mouth" => mouth * Vec3::new(0.0085 * sign, 0.0, 0.0),
            "mouthClose" => self.close_lips(),
            "mouthFunnel" => mouth * Vec3::new(-0.26 * self.p.x, 0.0038 * (up - low), 0.0080),
            "mouthPucker" => mouth * Vec3::new(-0.50 * self.p.x, 0.0, 0.0070),
            "mouthRollLower" => low * spot(0.0, -0.0745, 0.020, 0.0050) * Vec3::new(0.0, 0.0022, -0.0050),
            "mouthRollUpper" => up * spot(0.0, -0.0660, 0.020, 0.0045) * Vec3::new(0.0, -0.0020, -0.0045),
            "mouthShrugLower" => low * spot(0.0, -0.0830, 0.021, 0.0140) * Vec3::new(0.0, 0.0055, 0.0015),
            "mouthShrugUpper" => up * spot(0.0, -0.0650, 0.021, 0.0090) * Vec3::new(0.0, 0.0045, 0.0012),
            _ => Vec3::ZERO,
        }
    }

    /// Undoes `jawOpen` at the lips: the lower lip comes up most of the way, the upper lip meets it.
    fn close_lips(&self) -> Vec3 {
        let arm = self.p - JAW_PIVOT;
        let opening = Quat::from_rotation_x(JAW_OPEN_RAD) * arm - arm;
        let across = ramp(0.034, 0.022, self.x);
        let reach = bump(self.y - MOUTH_Y, 0.011) * across;
        reach * (self.low * -0.80 + (1.0 - self.low) * 0.20) * opening
    }
}

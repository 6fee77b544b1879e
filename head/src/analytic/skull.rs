//! The formulas: where the skin lies at an angle around the head and a height along it. Meters throughout.
use glam::Vec3;

/// Names of the identity columns.
pub const COLUMNS: [&str; 22] = [
    "headWidth",
    "headHeight",
    "headDepth",
    "faceLength",
    "jawWidth",
    "chinForward",
    "chinLength",
    "noseProtrusion",
    "noseWidth",
    "noseLength",
    "noseBridge",
    "lipThickness",
    "mouthWidth",
    "eyeDistance",
    "browRidge",
    "cheekFullness",
    "earSize",
    "neckWidth",
    "foreheadSlope",
    "noseAsymmetry",
    "jawAsymmetry",
    "eyeSize",
];

/// What the formulas take: identity, and how far each lid is open.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Order of [`COLUMNS`], standard deviations.
    pub columns: [f32; 22],
    /// `[left, right][upper, lower]`; 1 is open, 0 is on the line between the corners of the eye.
    pub lids: [[f32; 2]; 2],
}

impl Default for Shape {
    fn default() -> Shape {
        Shape { columns: [0.0; 22], lids: [[1.0; 2]; 2] }
    }
}

impl Shape {
    /// Coefficient of a column of [`COLUMNS`].
    fn of(&self, name: &str) -> f32 {
        COLUMNS.iter().position(|&other| other == name).map_or(0.0, |k| self.columns[k])
    }
}

/// Which border of a slit a point is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Not on a slit.
    None,
    /// Upper lid or lip.
    Upper,
    /// Lower lid or lip.
    Lower,
}

/// Half the distance between the eyeball centers.
pub const EYE_X: f32 = 0.0315;
/// Radius of an eyeball.
pub const EYE_RADIUS: f32 = 0.012;
/// The skin of the lids lies on a sphere of this radius about the eyeball.
const LID_RADIUS: f32 = 0.0140;
/// Half the width of the lid slit.
pub const LID_HALF_WIDTH: f32 = 0.0142;
/// How far the lids open above and below the line between the corners.
const LID_OPENING: [f32; 2] = [0.0049, 0.0038];
/// Height of the mouth line.
pub const MOUTH_Y: f32 = -0.070;
/// Half the width of the mouth.
pub const MOUTH_HALF_WIDTH: f32 = 0.0255;

/// Rows of the profile: front (y, z), side (y, x, z), back (y, z).
const KNOTS: [[f32; 7]; 16] = [
    [0.1250, -0.0720, 0.1250, 0.0000, -0.0720, 0.1250, -0.0720], // crown
    [0.1225, -0.0450, 0.1225, 0.0240, -0.0720, 0.1225, -0.0990],
    [0.1110, -0.0130, 0.1110, 0.0480, -0.0715, 0.1110, -0.1300],
    [0.0860, 0.0100, 0.0860, 0.0680, -0.0700, 0.0850, -0.1600], // hairline
    [0.0550, 0.0215, 0.0550, 0.0765, -0.0690, 0.0470, -0.1755], // forehead
    [0.0240, 0.0235, 0.0240, 0.0775, -0.0670, 0.0110, -0.1775], // brows
    [0.0000, 0.0175, 0.0000, 0.0755, -0.0650, -0.0150, -0.1710], // eyes: EYE_ROW
    [-0.0240, 0.0200, -0.0240, 0.0730, -0.0620, -0.0400, -0.1580], // cheekbones
    [-0.0480, 0.0225, -0.0480, 0.0685, -0.0600, -0.0610, -0.1430], // under the nose
    [-0.0700, 0.0240, -0.0700, 0.0635, -0.0585, -0.0800, -0.1300], // mouth: MOUTH_ROW
    [-0.0870, 0.0205, -0.0840, 0.0595, -0.0580, -0.0970, -0.1200],
    [-0.1030, 0.0195, -0.0960, 0.0555, -0.0600, -0.1120, -0.1140], // chin
    [-0.1140, 0.0070, -0.1070, 0.0525, -0.0650, -0.1260, -0.1115],
    [-0.1200, -0.0180, -0.1220, 0.0520, -0.0710, -0.1400, -0.1120], // throat
    [-0.1420, -0.0300, -0.1450, 0.0530, -0.0760, -0.1600, -0.1170],
    [-0.1850, -0.0310, -0.1850, 0.0580, -0.0800, -0.1900, -0.1280], // base of the neck
];
/// Row of [`KNOTS`] that is cut by the lid slits.
pub const EYE_ROW: f32 = 6.0;
/// Row of [`KNOTS`] that is cut by the mouth.
pub const MOUTH_ROW: f32 = 9.0;
/// Last row of [`KNOTS`].
pub const LAST_ROW: f32 = 15.0;

/// Where the skin lies: `angle` around the head (radians, 0 in front, positive to the person's left), `row` along
/// [`KNOTS`] (fractions allowed).
pub fn skin(shape: &Shape, angle: f32, row: f32, side: Side) -> Vec3 {
    let base = profile_point(profile(shape, row), angle);
    let mut p = base + relief(shape, base) + ear(shape, base);
    p = open_lids(shape, base, p, side);
    p = open_mouth(base, p, side);
    shift(shape, p)
}

/// Center of an eyeball; `sign` is +1 for the left.
pub fn eye_center(shape: &Shape, sign: f32) -> Vec3 {
    Vec3::new(sign * (EYE_X + eye_shift(shape)), 0.0, 0.0)
}

/// Radius of an eyeball.
pub fn eye_radius(shape: &Shape) -> f32 {
    EYE_RADIUS * (1.0 + 0.03 * shape.of("eyeSize"))
}

fn eye_shift(shape: &Shape) -> f32 {
    0.0016 * shape.of("eyeDistance")
}

/// Catmull–Rom through the knots; beyond the crown the profile comes down on the other side.
fn profile(shape: &Shape, row: f32) -> [f32; 7] {
    let i = (row.floor() as isize).clamp(0, KNOTS.len() as isize - 2);
    let t = row - i as f32;
    let knot = |k: isize| match k {
        -1 => {
            let [fy, fz, sy, sx, sz, by, bz] = shaped_knot(shape, 1);
            [by, bz, sy, -sx, sz, fy, fz]
        }
        _ => shaped_knot(shape, (k as usize).min(KNOTS.len() - 1)),
    };
    let [a, b, c, d] = [knot(i - 1), knot(i), knot(i + 1), knot(i + 2)];
    std::array::from_fn(|n| {
        let (slope_b, slope_c) = (0.5 * (c[n] - a[n]), 0.5 * (d[n] - b[n]));
        let (t2, t3) = (t * t, t * t * t);
        b[n] * (2.0 * t3 - 3.0 * t2 + 1.0)
            + slope_b * (t3 - 2.0 * t2 + t)
            + c[n] * (3.0 * t2 - 2.0 * t3)
            + slope_c * (t3 - t2)
    })
}

fn shaped_knot(shape: &Shape, k: usize) -> [f32; 7] {
    let [mut fy, mut fz, mut sy, mut sx, sz, mut by, mut bz] = KNOTS[k];
    let at = |center: f32, width: f32| bump(k as f32 - center, width);
    sx *= 1.0 + 0.035 * shape.of("headWidth") * at(5.0, 3.5);
    sx *= 1.0 + 0.06 * shape.of("jawWidth") * at(10.5, 1.5);
    sx *= 1.0 + 0.08 * shape.of("neckWidth") * at(14.5, 1.2);
    for y in [&mut fy, &mut sy, &mut by] {
        *y += 0.06 * shape.of("headHeight") * (*y - 0.02).max(0.0);
        *y += 0.05 * shape.of("faceLength") * (*y + 0.02).min(0.0);
    }
    fy -= 0.003 * shape.of("chinLength") * at(11.5, 1.0);
    fz += 0.003 * shape.of("chinForward") * at(11.0, 0.9);
    fz -= 0.003 * shape.of("foreheadSlope") * at(3.5, 1.0);
    bz = -0.072 + (bz + 0.072) * (1.0 + 0.05 * shape.of("headDepth") * at(5.0, 3.0));
    [fy, fz, sy, sx, sz, by, bz]
}

/// A cross-section: quarter superellipses from front to side and from side to back.
fn profile_point([fy, fz, sy, sx, sz, by, bz]: [f32; 7], angle: f32) -> Vec3 {
    let (sin, cos) = angle.sin_cos();
    let (y, z, flatness) = if cos >= 0.0 { (fy, fz, 0.92) } else { (by, bz, 1.0) };
    let toward = cos.abs().powf(flatness);
    Vec3::new(sx * sin.signum() * sin.abs().powf(0.96), sy + (y - sy) * cos * cos, sz + (z - sz) * toward)
}

/// Face features: forward displacement as a function of where the bare profile lies.
fn relief(shape: &Shape, base: Vec3) -> Vec3 {
    let front = ramp(-0.045, -0.005, base.z);
    if front == 0.0 {
        return Vec3::ZERO;
    }
    let (x, y) = (base.x.abs(), base.y);
    let spot = |cx: f32, cy: f32, wx: f32, wy: f32| bump(x - cx, wx) * bump(y - cy, wy);
    let mut z = nose(shape, Vec3::new(base.x - 0.0012 * shape.of("noseAsymmetry"), y, 0.0));
    z -= 0.0105 * spot(EYE_X, 0.000, 0.0150, 0.0095); // sockets
    z -= 0.0030 * spot(0.016, 0.002, 0.0050, 0.0090);
    z += (0.0045 + 0.0012 * shape.of("browRidge")) * spot(0.026, 0.0205, 0.0180, 0.0065);
    z += (0.0050 + 0.0020 * shape.of("cheekFullness")) * spot(0.043, -0.030, 0.0170, 0.0150);
    z -= 0.0020 * spot(0.048, -0.062, 0.0120, 0.0140); // hollow below the cheekbone
    z += (0.0040 + 0.0008 * shape.of("chinForward")) * spot(0.0, -0.103, 0.0125, 0.0095);
    z += lips(shape, x, y);
    Vec3::new(0.0, 0.0, front * z)
}

/// A ridge that grows to the tip and falls to the lip, with wings.
fn nose(shape: &Shape, p: Vec3) -> f32 {
    let tip_y = -0.040 - 0.002 * shape.of("noseLength");
    let (top, bottom) = (0.012, tip_y - 0.0125);
    let height = 0.0195 + 0.0018 * shape.of("noseProtrusion");
    let along = ((top - p.y) / (top - tip_y)).clamp(0.0, 1.0);
    let bridge = 0.0035 + 0.0012 * shape.of("noseBridge");
    let ridge = height * along.powf(1.25) + bridge * bump(along - 0.35, 0.25) * ramp(0.0, 0.3, along);
    let width = (0.0052 + 0.0042 * along * along) * (1.0 + 0.08 * shape.of("noseWidth"));
    let wing_x = 0.0128 * (1.0 + 0.10 * shape.of("noseWidth"));
    let wings = 0.0085 * bump(p.x.abs() - wing_x, 0.0042) * bump(p.y - (tip_y - 0.0035), 0.0048);
    ridge * ramp(bottom, tip_y, p.y) * bump(p.x, width) + wings
}

fn lips(shape: &Shape, x: f32, y: f32) -> f32 {
    let thick = 1.0 + 0.14 * shape.of("lipThickness");
    let across = ramp(1.15, 0.55, x / MOUTH_HALF_WIDTH);
    let bow = 0.0012 * bump(x, 0.004);
    let upper = 0.0042 * bump(y - (MOUTH_Y + 0.0038 * thick - bow), 0.0036 * thick);
    let lower = 0.0048 * bump(y - (MOUTH_Y - 0.0046 * thick), 0.0040 * thick);
    let line = 0.0010 * bump(y - MOUTH_Y, 0.0016);
    let philtrum = 0.0010 * bump(x, 0.0028) * bump(y - (MOUTH_Y + 0.0125), 0.0045);
    let muzzle = 0.0035 * bump(x, 0.018) * bump(y - MOUTH_Y, 0.0150);
    across * (upper + lower - line) + muzzle - philtrum
}

/// An ear shell: a rim around a hollow, standing off the side of the head.
fn ear(shape: &Shape, base: Vec3) -> Vec3 {
    let size = 1.0 + 0.08 * shape.of("earSize");
    let (y, z) = (base.y + 0.006, base.z + 0.082);
    let lean = z + 0.20 * y;
    let narrow = 1.0 - 0.30 * ramp(0.005, -0.030, y);
    let r = ((lean / (0.0175 * narrow * size)).powi(2) + (y / (0.0320 * size)).powi(2)).sqrt();
    let body = ramp(1.20, 0.88, r);
    let hollow = bump(r - 0.30, 0.28) * 0.6;
    let behind = 0.45 + 0.55 * ramp(0.016, -0.014, lean);
    let out = size * body * behind * (0.0175 - 0.0090 * hollow);
    Vec3::new(base.x.signum() * out, 0.0, -0.55 * out * behind)
}

/// Opens the lid slits and lays the lids around the eyeball.
fn open_lids(shape: &Shape, base: Vec3, mut p: Vec3, side: Side) -> Vec3 {
    if base.z < -0.04 || base.y.abs() > 0.045 {
        return p;
    }
    let [upper, lower] = shape.lids[if base.x > 0.0 { 0 } else { 1 }];
    let across = (base.x.abs() - EYE_X) / LID_HALF_WIDTH;
    let almond = (1.0 - across * across).max(0.0).powf(0.75);
    let reach = 0.0085;
    if base.y > 1e-6 || side == Side::Upper {
        p.y += upper * LID_OPENING[0] * almond * (-base.y.max(0.0) / reach).exp();
    } else if base.y < -1e-6 || side == Side::Lower {
        p.y -= lower * LID_OPENING[1] * almond * (base.y.min(0.0) / reach).exp();
    }
    let from_center = (base.x.abs() - EYE_X).hypot(p.y);
    let dome = if from_center < LID_RADIUS {
        (LID_RADIUS * LID_RADIUS - from_center * from_center).sqrt()
    } else {
        2.0 * (LID_RADIUS - from_center)
    };
    p.z = smooth_max(p.z, dome, 0.0035);
    p
}

/// Lips touch but for a hair's breadth, so that the two borders are two curves.
fn open_mouth(base: Vec3, mut p: Vec3, side: Side) -> Vec3 {
    if side == Side::None || base.y > -0.03 {
        return p;
    }
    let across = (base.x / MOUTH_HALF_WIDTH).clamp(-1.0, 1.0);
    p.y += 0.0003 * (1.0 - across * across) * if side == Side::Upper { 1.0 } else { -1.0 };
    p
}

/// Sideways shifts that carry whole features along.
fn shift(shape: &Shape, mut p: Vec3) -> Vec3 {
    let sign = p.x.signum();
    let front = ramp(-0.045, -0.015, p.z);
    let around_eye = ramp(0.036, 0.015, (p.x.abs() - EYE_X).hypot(p.y));
    let around_mouth = ramp(0.040, 0.012, (p.x.abs() - MOUTH_HALF_WIDTH).hypot(p.y - MOUTH_Y));
    let below = ramp(-0.045, -0.100, p.y) * ramp(-0.150, -0.115, p.y) * ramp(-0.09, -0.03, p.z);
    let inward = (p.x.abs() / 0.012).min(1.0);
    p.x += sign * inward * front * around_eye * eye_shift(shape);
    p.x += sign * inward * front * around_mouth * 0.0018 * shape.of("mouthWidth");
    p.x += 0.0015 * shape.of("jawAsymmetry") * below;
    p
}

/// Gaussian of height one.
pub fn bump(distance: f32, width: f32) -> f32 {
    (-0.5 * (distance / width).powi(2)).exp()
}

/// Smooth step from 0 at `from` to 1 at `to` (either may be the larger).
pub fn ramp(from: f32, to: f32, x: f32) -> f32 {
    let t = ((x - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

fn smooth_max(a: f32, b: f32, width: f32) -> f32 {
    let h = (0.5 + 0.5 * (b - a) / width).clamp(0.0, 1.0);
    a + (b - a) * h + width * h * (1.0 - h)
}

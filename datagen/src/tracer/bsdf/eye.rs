//! How an eyeball looks at one point: sclera with veins, iris and pupil behind the refracting cornea, a wet coat over all
//! that heaps up along the lids, and the red flesh in the inner corner.
use super::dielectric::refract;
use super::skin::{Base, CoatDesc, Lobe};
use crate::stream::noise;
use crate::tracer::bsdf::opening::Between;
use crate::tracer::elementary::smoothstep;
use crate::tracer::scene::EyeMaterial;
use glam::Vec3;

/// Index of refraction of the aqueous humour with the cornea before it.
const CORNEA_IOR: f32 = 1.336;
/// Radius of curvature of the cornea (meters).
const CORNEA_RADIUS_M: f32 = 0.0080;
/// Roughness α of the tear film.
const TEAR_FILM: f32 = 0.03;
/// Height of the wedge of tears along a lid (meters); adults have 0.2 to 0.5 mm along the lower one.
const MENISCUS_M: f32 = 4.5e-4;
/// How far the flesh of the inner corner and the fold beside it reach from the corner (meters).
const CARUNCLE_M: [f32; 2] = [0.0032, 0.0062];
/// Linear RGB of that flesh over the white's.
const FLESH: Vec3 = Vec3::new(0.86, 0.40, 0.36);

/// A coated surface, and the normal of its coat on the side of the viewer.
pub struct EyePoint {
    /// Base and coat.
    pub coat: CoatDesc,
    /// Unit.
    pub normal: Vec3,
}

/// Whether `position` (world) lies within the limbus, seen from straight ahead.
pub fn within_iris(m: &EyeMaterial, position: Vec3) -> bool {
    let p = position - m.center;
    let along = p.dot(m.axis);
    along > 0.0 && (p - m.axis * along).length() < m.iris_radius
}

/// The eyeball at `position`, where its mesh has the unit `normal`; `wo` points to the viewer.
pub fn at(m: &EyeMaterial, position: Vec3, normal: Vec3, wo: Vec3) -> EyePoint {
    let p = position - m.center;
    let along = p.dot(m.axis);
    let lateral = p - m.axis * along;
    let (rho, outward) = (lateral.length(), lateral.normalize_or(m.up));
    // the limbus is a soft border of half a millimeter
    let cornea = if along > 0.0 { 1.0 - smoothstep(0.93 * m.iris_radius, 1.05 * m.iris_radius, rho) } else { 0.0 };
    let between = m.opening.place(position);
    let shade = lid_shade(&between);
    let (white, normal) = flesh(m, &between, position, sclera(m, p, rho), wetted(m, &between, normal, wo));
    let white = white * shade;
    let lobes = [Lobe { share: 1.0, alpha: TEAR_FILM }, Lobe { share: 0.0, alpha: 1.0 }];
    let coat = CoatDesc { albedo: white, base_normal: normal, base: Base::Diffuse, lobes, fuzz: 0.0, ior: CORNEA_IOR };
    if cornea <= 0.0 {
        return EyePoint { coat, normal };
    }
    let sin = (rho / CORNEA_RADIUS_M).min(0.95);
    let bulge = m.axis * (1.0 - sin * sin).sqrt() + outward * sin;
    let bent = normal.lerp(bulge, cornea).normalize_or(normal);
    let bent = if bent.dot(wo) > 0.02 { bent } else { normal };
    let (iris, iris_normal) = behind(m, p, along, bent, wo);
    EyePoint {
        coat: CoatDesc {
            albedo: white.lerp(iris * (0.55 + 0.45 * shade), cornea),
            base_normal: normal.lerp(iris_normal, cornea).normalize_or(normal),
            ..coat
        },
        normal: bent,
    }
}

/// Color and normal of the iris disc where the refracted ray meets it.
fn behind(m: &EyeMaterial, p: Vec3, along: f32, cornea_normal: Vec3, wo: Vec3) -> (Vec3, Vec3) {
    let inward = refract(wo, cornea_normal, CORNEA_IOR).unwrap_or(-m.axis);
    let t = (m.iris_plane - along) / inward.dot(m.axis).min(-0.05);
    let q = p + inward * t.max(0.0);
    let q = q - m.axis * q.dot(m.axis);
    let r = q.length();
    // the iris is a shallow bowl, so light from one side brightens the other
    let normal = (m.axis - q * (0.35 / m.iris_radius)).normalize_or(m.axis);
    (iris_color(m, q, r), normal)
}

/// Fibers from pupil to limbus, a brighter collarette, a dark ring at the limbus.
fn iris_color(m: &EyeMaterial, q: Vec3, r: f32) -> Vec3 {
    let x = q.dot(m.up.cross(m.axis).normalize_or(Vec3::X)) / r.max(1e-6);
    let y = q.dot(m.up) / r.max(1e-6);
    let ring = ((r - m.pupil_radius) / (m.iris_radius - m.pupil_radius).max(1e-5)).clamp(0.0, 1.2);
    // noise over the circle, stretched along the radius
    let fibers = 0.65 * noise(m.seed, Vec3::new(14.0 * x, 14.0 * y, 1.5 * ring))
        + 0.35 * noise(m.seed ^ 1, Vec3::new(34.0 * x, 34.0 * y, 3.0 * ring));
    // crypts: gaps in the front layer, mostly around the collarette
    let crypts =
        smoothstep(0.35, 0.75, noise(m.seed ^ 9, Vec3::new(9.0 * x, 9.0 * y, 4.0 * ring))) * smoothstep(1.0, 0.5, ring);
    let collarette = (-((ring - 0.28) / 0.12).powi(2)).exp();
    let color = m.iris[0].lerp(m.iris[1], smoothstep(0.1, 0.75, ring))
        * (1.0 + 0.6 * fibers + 0.3 * collarette - 0.35 * crypts);
    let limbal = 1.0 - 0.75 * smoothstep(0.8, 1.0, ring);
    let open = smoothstep(m.pupil_radius * 0.93, m.pupil_radius * 1.05, r);
    (color * limbal).max(Vec3::ZERO).min(Vec3::splat(0.9)) * open + Vec3::splat(0.002)
}

/// The white: grayer and redder away from the iris, with veins that run in from the corners.
fn sclera(m: &EyeMaterial, p: Vec3, rho: f32) -> Vec3 {
    let d = p.normalize_or(Vec3::Z);
    let far = smoothstep(1.15 * m.iris_radius, 2.1 * m.iris_radius, rho);
    let side = m.up.cross(m.axis).normalize_or(Vec3::X);
    // along the meridian that runs from the corners the pattern is stretched four times
    let q = Vec3::new(d.dot(side) * 0.28, d.dot(m.up), d.dot(m.axis));
    let warp = Vec3::splat(0.035) * noise(m.seed ^ 2, d * 14.0);
    let branch = |salt: u64, scale: f32| (1.0 - noise(m.seed ^ salt, (q + warp) * scale).abs()).powi(20);
    let veins =
        (branch(3, 15.0) + 0.7 * branch(4, 31.0)) * smoothstep(-0.2, 0.4, noise(m.seed ^ 5, d * 7.0) + 0.5 * far);
    let red = m.veins * far * (0.16 + 0.85 * veins);
    let blood = m.sclera * Vec3::new(0.93, 0.46, 0.42);
    // the ball's white is thinner where muscles hold it
    m.sclera.lerp(blood, red.min(0.85)) * (1.0 - 0.22 * far)
}

/// The normal of the tear film: a hollow wedge of tears leans out to either lid.
fn wetted(m: &EyeMaterial, between: &Between, normal: Vec3, wo: Vec3) -> Vec3 {
    let wedge = |distance: f32| (-(distance.max(0.0) / (0.6 * MENISCUS_M)).powi(2)).exp();
    let lean = 1.3 * wedge(between.over_lower_m) - 0.9 * wedge(between.under_upper_m);
    let leant = (normal + m.opening.up() * lean).normalize_or(normal);
    if leant.dot(wo) > 0.02 { leant } else { normal }
}

/// Caruncle and plica: from `white` to red flesh towards the inner corner, lumpy; and its normal.
fn flesh(m: &EyeMaterial, between: &Between, position: Vec3, white: Vec3, normal: Vec3) -> (Vec3, Vec3) {
    let x = between.from_inner_m;
    if x > 1.3 * CARUNCLE_M[1] {
        return (white, normal);
    }
    let ragged = 5e-4 * noise(m.seed ^ 6, position * 900.0);
    let caruncle = smoothstep(1.15 * CARUNCLE_M[0], 0.7 * CARUNCLE_M[0], x + ragged);
    // A thin fold of the white's skin stands beside it.
    let plica = smoothstep(1.2 * CARUNCLE_M[1], 0.75 * CARUNCLE_M[1], x + ragged) * (1.0 - caruncle);
    let mottled = 1.0 + 0.25 * noise(m.seed ^ 7, position * 1600.0);
    let color = white.lerp(m.sclera * FLESH * mottled, 0.9 * caruncle + 0.38 * plica);
    let lump = |p: Vec3| 2.2e-4 * noise(m.seed ^ 8, p * 1100.0);
    let step = 1e-4;
    let slope =
        [Vec3::X, Vec3::Y, Vec3::Z].map(|a| (lump(position + a * step) - lump(position - a * step)) / (2.0 * step));
    let slope = Vec3::from(slope);
    let bent = normal - (slope - normal * slope.dot(normal)) * caruncle;
    (color, bent.normalize_or(normal))
}

/// What lids and lashes leave of the light on the ball: the mesh of the lids is thinner than lids are, and lashes are few.
fn lid_shade(between: &Between) -> f32 {
    let shade = |distance: f32, deep: f32, far: f32| 1.0 - deep * (-(distance.max(0.0) / far).powi(2)).exp();
    shade(between.under_upper_m, 0.68, 0.0042) * shade(between.over_lower_m, 0.35, 0.0016)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracer::bsdf::opening::Opening;

    fn eye() -> EyeMaterial {
        EyeMaterial {
            center: Vec3::ZERO,
            axis: Vec3::Z,
            up: Vec3::Y,
            iris_radius: 0.0059,
            pupil_radius: 0.002,
            iris_plane: 0.0097,
            iris: [Vec3::new(0.3, 0.18, 0.08), Vec3::new(0.12, 0.08, 0.04)],
            sclera: Vec3::splat(0.7),
            veins: 0.5,
            seed: 3,
            opening: Opening::bare(Vec3::ZERO).into(),
            iris_class: 4,
        }
    }

    fn look(from: Vec3, at_mm: Vec3) -> EyePoint {
        let p = at_mm.normalize_or(Vec3::Z) * 0.012;
        at(&eye(), p, p.normalize_or(Vec3::Z), (from - p).normalize_or(Vec3::Z))
    }

    #[test]
    fn pupil_iris_and_white_lie_where_they_should() {
        let front = Vec3::new(0.0, 0.0, 1.0);
        assert!(look(front, Vec3::new(0.0, 0.0, 12.0)).coat.albedo.max_element() < 0.02, "pupil");
        let iris = look(front, Vec3::new(0.0, 3.5, 11.4)).coat.albedo;
        assert!(iris.x > 0.05 && iris.x > iris.z && iris.max_element() < 0.5, "iris {iris}");
        assert!(look(front, Vec3::new(9.0, 0.0, 8.0)).coat.albedo.min_element() > 0.2, "white");
        assert!(
            within_iris(&eye(), Vec3::new(0.005, 0.0, 0.0109)) && !within_iris(&eye(), Vec3::new(0.0, 0.0, -0.012))
        );
    }

    #[test]
    fn the_pupil_shifts_with_the_viewer() {
        // seen from the side the pupil appears displaced towards the viewer's far side of the surface: parallax
        let side = Vec3::new(0.7, 0.0, 0.7);
        let dark = |x: f32| look(side, Vec3::new(x, 0.0, (144.0f32 - x * x).sqrt())).coat.albedo.max_element() < 0.03;
        assert!(dark(1.2), "a point towards the viewer shows the pupil behind it");
        assert!(!dark(-2.2), "the far edge of the pupil is hidden by refraction and depth");
    }
}

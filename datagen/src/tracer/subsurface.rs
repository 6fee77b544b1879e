//! Light under the skin: a random walk in a homogeneous medium bounded by the skin's mesh.
//!
//! Chiang, Kutz, Burley 2016, "Practical and Controllable Subsurface Scattering for Production Path Tracing": albedo
//! and mean free path are inverted to the medium's single-scattering albedo and extinction. Isotropic phase function.
//!
//! A blind walk loses itself in the depth, and is then worth nothing. So most steps are drawn towards the surface by the
//! zero-variance scheme of a half space (Dwivedi 1982; Křivánek, d'Eon 2014, "A Zero-Variance-Based Sampling Scheme for
//! Monte Carlo Subsurface Scattering"); the rest stay blind, for ears and noses, which are no half space. The three
//! colors share one walk, weighted over the chance of any color and scheme having taken it (Wilkie et al. 2014).
use crate::tracer::accel::{Accel, Ray};
use crate::tracer::bsdf::{cosine, frame};
use crate::tracer::elementary::{exp, exp3, ln, sin_cos};
use crate::tracer::sampler::Sampler;
use glam::Vec3;
use std::f32::consts::TAU;

/// Longest walk in steps; the energy lost beyond it is below 0.1 % for skin.
const STEPS: u32 = 256;
/// Fraction of the steps that are drawn towards the surface.
const GUIDED: f32 = 0.75;
/// Walks that carry less go on by chance, and then count for more.
const FAINT: f32 = 0.25;

// The walk's medium is fitted to a flat slab. Under a rim a millimeter or two across, as lids, lips and nostrils have,
// light finds its way out after fewer turns, and the rim comes out paler than its albedo. Skin does not: its pigment
// lies in a layer at the surface, and rims are full of blood. So the medium of a rim is made for a deeper albedo.
/// Exponent over one that a bend of one over a millimeter adds, red, green, blue: in the order of how far they spread.
const DEEPER: Vec3 = Vec3::new(1.05, 0.75, 0.45);

/// A homogeneous medium, per color.
#[derive(Clone, Copy, Debug)]
pub struct Medium {
    /// Single-scattering albedo.
    scattering: Vec3,
    /// Extinction (1/meter).
    extinction: Vec3,
    /// One over the diffusion length, in mean free paths: how fast light falls off with depth.
    decay: Vec3,
    /// `ln((1 + decay) / (1 - decay))`
    span: Vec3,
}

impl Medium {
    /// From the albedo a flat slab shows under a diffuse light, and the mean free path of the light (meters).
    pub fn new(albedo: Vec3, spread: Vec3) -> Self {
        let a = albedo.clamp(Vec3::splat(1e-3), Vec3::splat(0.999));
        let scattering = Vec3::ONE - exp3(a * -5.094_06 + a * a * 2.611_88 - a * a * a * 4.318_05);
        let scale = Vec3::splat(1.9) - a + (a - 0.8) * (a - 0.8) * 3.5;
        let decay = decay(scattering);
        let span = ((Vec3::ONE + decay) / (Vec3::ONE - decay)).map(ln);
        Medium { scattering, extinction: (spread * scale).max(Vec3::splat(1e-6)).recip(), decay, span }
    }
}

/// Root `k` of `2k = s ln((1 + k) / (1 - k))` for isotropic scattering of albedo `s`: its square as a polynomial, good
/// to 0.0014; held below 0.995, where albedos under a third would take it: closer to 1 `span` is not to be had in `f32`.
/// What is left of the error costs a little noise and no truth.
fn decay(s: Vec3) -> Vec3 {
    let v = Vec3::splat;
    let square = (((s * 0.978_565_8 - v(3.070_904)) * s + v(1.241_341_2)) * s - v(0.153_524_7)) * s + v(1.004_948_8);
    square.clamp(v(4e-4), v(0.99)).map(f32::sqrt)
}

/// Where a walk leaves the skin.
#[derive(Clone, Copy, Debug)]
pub struct Exit {
    /// World (meters), on the surface.
    pub position: Vec3,
    /// Unit, outwards: what the walk looked along, turned to its own side.
    pub normal: Vec3,
    /// What the light has left, over the chance of this walk.
    pub weight: Vec3,
}

/// Walks from `position` on the skin, whose outward normal is `normal`, until the walk leaves through `skin`, or ends.
pub fn walk(
    skin: &dyn Accel,
    medium: &Medium,
    position: Vec3,
    normal: Vec3,
    sampler: &mut Sampler,
    rays: &mut u64,
) -> Option<Exit> {
    steps(skin, medium, (position, normal), GUIDED, sampler, rays)
}

/// [`walk`] with any share of guided steps.
fn steps(
    skin: &dyn Accel,
    medium: &Medium,
    (position, normal): (Vec3, Vec3),
    guided: f32,
    sampler: &mut Sampler,
    rays: &mut u64,
) -> Option<Exit> {
    const LIFT: f32 = 1e-5;
    let mut weight = Vec3::ONE;
    let mut position = position - normal * LIFT;
    let tangents = frame(normal);
    for step in 0..STEPS {
        // a color in proportion to what it still carries, and a scheme
        let chance = weight / weight.element_sum().max(1e-20);
        // every walk takes a first step, and the samples of a pixel spread theirs
        let mut draw = || if step == 0 { sampler.next_1d() } else { sampler.next_plain() };
        let (u, scheme, free) = (draw(), draw(), draw());
        let color = if u < chance.x { 0 } else { 1 + usize::from(u >= chance.x + chance.y) };
        let drawn_up = scheme < guided;
        let (cos, direction) = if step == 0 {
            let direction = -cosine(normal, sampler.next_2d());
            (normal.dot(direction), direction)
        } else {
            let cos = rise(medium, color, drawn_up, sampler.next_plain());
            (cos, towards(normal, tangents, cos, sampler.next_plain()))
        };
        let pull = Vec3::ONE - medium.decay * cos;
        let rate = medium.extinction[color] * if drawn_up { pull[color] } else { 1.0 };
        let flight = -ln(1.0 - free) / rate;
        *rays += 1;
        let hit = skin.intersect1(&Ray { t_max: flight, ..Ray::new(position, direction) });
        let t = hit.map_or(flight, |h| h.t);
        // how likely such a step of `t` and more was, for each color: blind, and guided over the chance of the
        // direction among all
        let left = exp3(medium.extinction * -t);
        let turned = if step == 0 { Vec3::ONE } else { 2.0 * medium.decay / (medium.span * pull) };
        let (blind, up) = (left * (1.0 - guided), exp3(medium.extinction * pull * -t) * turned * guided);
        if let Some(hit) = hit {
            let g = hit.normal.normalize_or(-direction);
            let outwards = if g.dot(direction) < 0.0 { -g } else { g };
            weight *= left / chance.dot(blind + up).max(1e-20);
            return Some(Exit { position: position + direction * t + outwards * LIFT, normal: outwards, weight });
        }
        let drawn = medium.extinction * (blind + up * pull);
        weight *= medium.scattering * medium.extinction * left / chance.dot(drawn).max(1e-20);
        position += direction * t;
        let strength = weight.max_element();
        if strength < FAINT {
            let keep = strength / FAINT;
            if sampler.next_plain() >= keep {
                return None;
            }
            weight /= keep;
        }
    }
    None
}

/// Cosine between a new direction and the way up: even, or with density `1 / (1 - decay · cos)`.
#[inline]
fn rise(medium: &Medium, color: usize, guided: bool, u: f32) -> f32 {
    if guided {
        let decay = medium.decay[color];
        ((1.0 - (1.0 + decay) * exp(-medium.span[color] * u)) / decay).clamp(-1.0, 1.0)
    } else {
        1.0 - 2.0 * u
    }
}

/// The direction that rises by the cosine `up` and lies `turns` around the way up.
#[inline]
fn towards(way_up: Vec3, (t, b): (Vec3, Vec3), up: f32, turns: f32) -> Vec3 {
    let (sin, cos) = sin_cos(TAU * turns);
    let r = (1.0 - up * up).max(0.0).sqrt();
    t * (r * cos) + b * (r * sin) + way_up * up
}

/// The albedo whose slab makes a rim of that bend (1/meter) look like `albedo`.
#[inline]
pub fn deepened(albedo: Vec3, bend: f32) -> Vec3 {
    if bend <= 0.0 {
        return albedo;
    }
    let power = Vec3::ONE + DEEPER * (1e-3 * bend);
    exp3(Vec3::new(ln(albedo.x), ln(albedo.y), ln(albedo.z)) * power)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracer::accel::{Shape, build};
    use crate::tracer::scene::{AccelKind, MeshDesc};
    use crate::tracer::trace::test_scenes::ball;
    use std::sync::Arc;

    fn skin_of(mesh: &MeshDesc) -> Arc<dyn Accel> {
        let (positions, triangles) = (&mesh.positions, &mesh.triangles);
        build(AccelKind::Auto, &[Shape::Triangles { positions, triangles, mask: 1 }]).unwrap()
    }

    /// Mean weight of `n` walks under the skin where a ray from `from` to the origin meets it, its standard deviation,
    /// and the steps of a walk.
    fn walks(skin: &dyn Accel, medium: &Medium, from: Vec3, guided: f32, n: u32) -> (Vec3, Vec3, f64) {
        let ray = Ray::new(from, -from.normalize_or(Vec3::X));
        let hit = skin.intersect1(&ray).unwrap();
        let start = (from + ray.direction * hit.t, hit.normal.normalize_or(Vec3::X));
        let (mut rays, mut sum, mut squares) = (0, Vec3::ZERO, Vec3::ZERO);
        for i in 0..n {
            let mut s = Sampler::new(8, 0, i);
            let weight = steps(skin, medium, start, guided, &mut s, &mut rays).map_or(Vec3::ZERO, |e| e.weight);
            (sum, squares) = (sum + weight, squares + weight * weight);
        }
        let mean = sum / n as f32;
        (mean, (squares / n as f32 - mean * mean).map(f32::sqrt), rays as f64 / f64::from(n))
    }

    /// Walks under a ball far larger than the mean free path: nearly the slab for which albedo was inverted.
    #[test]
    fn the_medium_of_a_rim_is_deeper() {
        assert!(deepened(Vec3::splat(0.4), 500.0).max_element() < 0.4 && deepened(Vec3::splat(0.4), 0.0).x == 0.4);
    }

    #[test]
    fn a_slab_shows_the_albedo_it_was_made_for() {
        let skin = skin_of(&ball(0.2, 32));
        let albedo = Vec3::new(0.8, 0.5, 0.2);
        let medium = Medium::new(albedo, Vec3::splat(1e-3));
        let (mean, guided, _) = walks(&*skin, &medium, Vec3::new(0.9, 0.31, 0.22), GUIDED, 20_000);
        let off = (mean - albedo).abs().max_element();
        assert!(off < 0.06, "{mean}; the fit of the inversion is good to a few per cent");
        let (_, blind, _) = walks(&*skin, &medium, Vec3::new(0.9, 0.31, 0.22), 0.0, 20_000);
        assert!(guided.element_sum() < 0.8 * blind.element_sum(), "guided {guided}, blind {blind}");
    }

    /// A ball as thin as an ear: light leaves on all sides, and the guide is wrong about where.
    #[test]
    fn guiding_changes_the_noise_and_not_the_mean() {
        let skin = skin_of(&ball(2e-3, 48));
        for albedo in [Vec3::new(0.9, 0.6, 0.3), Vec3::splat(0.97)] {
            let medium = Medium::new(albedo, Vec3::new(1e-3, 0.5e-3, 0.3e-3));
            let mean = |guided| walks(&*skin, &medium, Vec3::new(0.3, 0.3, 0.9), guided, 60_000).0;
            let (guided, blind) = (mean(GUIDED), mean(0.0));
            assert!((guided / blind - Vec3::ONE).abs().max_element() < 0.02, "guided {guided}, blind {blind}");
        }
    }

    #[test]
    fn decay_solves_the_characteristic_equation() {
        for s in [0.4f32, 0.7, 0.9, 0.97, 0.99] {
            let k = f64::from(decay(Vec3::splat(s)).x);
            let found = 2.0 * k / ((1.0 + k) / (1.0 - k)).ln();
            assert!((found - f64::from(s)).abs() < 0.01, "{s}: {k} solves it for {found}");
        }
        // The true root of 0.1 lies 4e-9 below 1.
        assert!((decay(Vec3::splat(0.1)).x - 0.995).abs() < 1e-3, "held where its logarithm is sound");
    }
}

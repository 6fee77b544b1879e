//! Light under the skin: a random walk in a homogeneous medium bounded by the skin's mesh.
//!
//! Chiang, Kutz, Burley 2016, "Practical and Controllable Subsurface Scattering for Production Path Tracing": albedo
//! and mean free path are inverted to the medium's single-scattering albedo and extinction. Isotropic phase function;
//! the three colours share one walk, weighted over the chance of any of them having taken it (Wilkie et al. 2014).
use crate::accel::{Accel, Ray};
use crate::bsdf::cosine;
use crate::elementary::{exp3, ln, sin_cos};
use crate::sampler::Sampler;
use glam::Vec3;
use std::f32::consts::TAU;

/// Longest walk in steps; the energy lost beyond it is below 0.1 % for skin.
const STEPS: u32 = 256;

/// A homogeneous medium, per colour.
#[derive(Clone, Copy, Debug)]
pub struct Medium {
    /// Single-scattering albedo.
    scattering: Vec3,
    /// Extinction (1/metre).
    extinction: Vec3,
}

impl Medium {
    /// From the albedo a flat slab shows under a diffuse light, and the mean free path of the light (metres).
    pub fn new(albedo: Vec3, spread: Vec3) -> Self {
        let a = albedo.clamp(Vec3::splat(1e-3), Vec3::splat(0.999));
        let scattering = Vec3::ONE - exp3(a * -5.094_06 + a * a * 2.611_88 - a * a * a * 4.318_05);
        let scale = Vec3::splat(1.9) - a + (a - 0.8) * (a - 0.8) * 3.5;
        Medium { scattering, extinction: (spread * scale).max(Vec3::splat(1e-6)).recip() }
    }
}

/// Where a walk leaves the skin.
#[derive(Clone, Copy, Debug)]
pub struct Exit {
    /// World (metres), on the surface.
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
    const LIFT: f32 = 1e-5;
    let mut weight = Vec3::ONE;
    let mut position = position - normal * LIFT;
    let mut direction = -cosine(normal, sampler.next_2d());
    for step in 0..STEPS {
        // a colour in proportion to what it still carries, then its free flight
        let chance = weight / weight.element_sum().max(1e-20);
        let u = sampler.next_plain();
        let colour = if u < chance.x { 0 } else { 1 + usize::from(u >= chance.x + chance.y) };
        let flight = -ln(1.0 - sampler.next_plain()) / medium.extinction[colour];
        *rays += 1;
        let hit = skin.intersect1(&Ray { t_max: flight, ..Ray::new(position, direction) });
        let t = hit.map_or(flight, |h| h.t);
        let left = exp3(medium.extinction * -t);
        if let Some(hit) = hit {
            let g = hit.normal.normalize_or(-direction);
            let outwards = if g.dot(direction) < 0.0 { -g } else { g };
            weight *= left / chance.dot(left).max(1e-20);
            return Some(Exit { position: position + direction * t + outwards * LIFT, normal: outwards, weight });
        }
        weight *= medium.scattering * medium.extinction * left / chance.dot(medium.extinction * left).max(1e-20);
        position += direction * t;
        direction = isotropic(sampler);
        if step > 6 {
            let keep = weight.max_element().min(0.98);
            if sampler.next_plain() >= keep {
                return None;
            }
            weight /= keep;
        }
    }
    None
}

fn isotropic(sampler: &mut Sampler) -> Vec3 {
    let z = 1.0 - 2.0 * sampler.next_plain();
    let (sin, cos) = sin_cos(TAU * sampler.next_plain());
    let r = (1.0 - z * z).max(0.0).sqrt();
    Vec3::new(r * cos, r * sin, z)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accel::{Shape, build};
    use crate::scene::AccelKind;
    use crate::trace::test_scenes::ball;

    /// Walks under a ball far larger than the mean free path: nearly the slab for which albedo was inverted.
    #[test]
    fn a_slab_shows_the_albedo_it_was_made_for() {
        let mesh = ball(0.2, 32);
        let skin = build(
            AccelKind::Auto,
            &[Shape::Triangles { positions: &mesh.positions, triangles: &mesh.triangles, mask: 1 }],
        )
        .unwrap();
        let albedo = Vec3::new(0.8, 0.5, 0.2);
        let medium = Medium::new(albedo, Vec3::splat(1e-3));
        let (n, mut rays, mut sum) = (20_000, 0, Vec3::ZERO);
        let from = Vec3::new(0.9, 0.31, 0.22);
        let ray = Ray::new(from, -from.normalize_or(Vec3::X));
        let hit = skin.intersect1(&ray).unwrap();
        let (start, normal) = (from + ray.direction * hit.t, hit.normal.normalize_or(Vec3::X));
        for i in 0..n {
            let mut s = Sampler::new(8, 0, i);
            let exit = walk(&*skin, &medium, start, normal, &mut s, &mut rays);
            sum += exit.map_or(Vec3::ZERO, |e| e.weight);
        }
        let mean = sum / n as f32;
        assert!(
            (mean - albedo).abs().max_element() < 0.06,
            "{mean}; the fit of the inversion is good to a few per cent"
        );
        assert!(mean.max_element() <= 1.0);
    }
}

//! A clear, smooth boundary: reflects or refracts, nothing else.
use super::{Scattered, fresnel};
use crate::tracer::scene::{DielectricMaterial, Sheet};
use glam::Vec3;

/// A smooth dielectric seen from one side.
#[derive(Clone, Copy, Debug)]
pub struct Dielectric {
    /// Unit, on the side of the viewer.
    normal: Vec3,
    /// Unit, towards the viewer.
    wo: Vec3,
    /// Index on the far side over the near side; 1 for a thin sheet.
    eta: f32,
    reflectance: f32,
}

impl Dielectric {
    /// `outward` is the mesh's normal, `wo` points to the viewer.
    pub fn new(material: &DielectricMaterial, outward: Vec3, wo: Vec3) -> Self {
        let outside = outward.dot(wo) >= 0.0;
        let normal = if outside { outward } else { -outward };
        let cos = normal.dot(wo);
        match material.sheet {
            Sheet::Solid => {
                let eta = if outside { material.ior } else { 1.0 / material.ior };
                Dielectric { normal, wo, eta, reflectance: fresnel(cos, eta) }
            }
            // light bounces between the two faces: R + T²R/(1 - R²) = 2R / (1 + R)
            Sheet::Thin => {
                let r = fresnel(cos, material.ior);
                Dielectric { normal, wo, eta: 1.0, reflectance: 2.0 * r / (1.0 + r) }
            }
        }
    }

    /// Reflects with the chance of the reflectance, else goes through.
    pub fn sample(&self, choice: f32) -> Scattered {
        let reflected = self.normal * (2.0 * self.normal.dot(self.wo)) - self.wo;
        if choice < self.reflectance {
            return Scattered::Mirror { direction: reflected, weight: Vec3::ONE, through: false };
        }
        match refract(self.wo, self.normal, self.eta) {
            Some(direction) => Scattered::Mirror { direction, weight: Vec3::ONE, through: true },
            None => Scattered::Mirror { direction: reflected, weight: Vec3::ONE, through: false },
        }
    }
}

/// Snell's law: where light seen along `wo` comes from behind a boundary with normal `n` (on the side of `wo`) and
/// relative index `eta`; `None` at total reflection.
#[inline]
pub fn refract(wo: Vec3, n: Vec3, eta: f32) -> Option<Vec3> {
    let c = n.dot(wo);
    let cos2 = 1.0 - (1.0 - c * c) / (eta * eta);
    (cos2 >= 0.0).then(|| (n * (c / eta - cos2.sqrt()) - wo / eta).normalize_or(-n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refraction_obeys_snell_and_turns_back() {
        let (n, wo) = (Vec3::Z, Vec3::new(0.6, 0.0, 0.8));
        let t = refract(wo, n, 1.376).unwrap();
        assert!((t.x.abs() * 1.376 - 0.6).abs() < 1e-5 && t.z < 0.0 && t.x < 0.0);
        let back = refract(t, -n, 1.0 / 1.376).unwrap();
        assert!((back - wo).length() < 1e-5, "{back}");
        assert!(refract(Vec3::new(0.9, 0.0, 0.435_89), n, 1.0 / 1.5).is_none());
    }

    #[test]
    fn a_thin_sheet_does_not_bend() {
        let m = DielectricMaterial { ior: 1.5, sheet: Sheet::Thin };
        let wo = Vec3::new(0.48, 0.36, 0.8);
        let d = Dielectric::new(&m, Vec3::Z, wo);
        assert!((d.reflectance - 0.077).abs() < 0.02, "{}", d.reflectance);
        let Scattered::Mirror { direction, through: true, .. } = d.sample(0.99) else { panic!("reflected") };
        assert!((direction + wo).length() < 1e-6);
    }
}

//! Procedural environments: latitude-longitude maps drawn from a seed, exposed so that a face in front of the
//! camera comes out neither dark nor burnt.
//!
//! Constants, and where they come from:
//!
//! | constants                                            | source                                |
//! | ---------------------------------------------------- | ------------------------------------- |
//! | weights of places; sizes, colors, strengths of lamps | chosen by eye                         |
//! | colors of black bodies                               | fit of Planck's law, see `kelvin`     |
//! | exposure 1.3 ± 0.3                                   | skin of type IV at 0.5, see `EXPOSED` |
//! | share of the cast that is balanced away              | chosen by eye                         |
//! | background                                           | chosen by eye                         |
use crate::stream::{Stream, Subject, derive, noise};
use crate::tracer::elementary::smoothstep;
use crate::tracer::environment::Environment;
use glam::Vec3;
use serde::Serialize;
use std::f32::consts::{PI, TAU};

/// An environment as drawn. Its JSON goes into every row it lights.
#[derive(Clone, Debug, Serialize)]
pub struct Light {
    /// What kind of place it is.
    pub kind: Place,
    /// Radiance from above and from below (linear RGB) before exposure.
    pub ambient: [Vec3; 2],
    /// Lamps, windows, sun.
    pub emitters: Vec<Emitter>,
    /// Every radiance was multiplied by this.
    pub exposure: f32,
    /// Linear RGB behind the head.
    pub background: Vec3,
    /// Of the faint unevenness of walls and clouds.
    pub seed: u64,
    /// The file it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map: Option<String>,
}

/// Kinds of places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// Soft boxes in a dim room.
    Studio,
    /// Clear sky and sun.
    Sky,
    /// Clouds.
    Overcast,
    /// A large window to one side.
    Window,
    /// Lamps on a ceiling.
    Indoor,
    /// A low red sun under a blue sky.
    Dusk,
    /// Street lamps, signs and shop windows in the dark.
    Night,
    /// A file.
    Map,
}

/// A soft-edged rectangle of light at infinity.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Emitter {
    /// Unit vector towards it (world).
    pub direction: Vec3,
    /// Half its width and height (radians).
    pub half_size_rad: [f32; 2],
    /// Linear RGB before exposure.
    pub radiance: Vec3,
}

impl Light {
    /// Environment `light_id` of a dataset; 0 is [`Light::neutral`] in all of them.
    pub fn sample(dataset_seed: u64, light_id: u32) -> Self {
        if light_id == 0 {
            return Light::neutral();
        }
        let mut s = Stream::new(dataset_seed, Subject::Light, &[light_id.into()]);
        let (kind, draw, _) = PLACES[s.pick(&PLACES.map(|p| p.2))];
        let (ambient, emitters) = draw(&mut s);
        let seed = derive(dataset_seed, Subject::LightMottle, &[light_id.into()]);
        let mut light = Light { kind, ambient, emitters, exposure: 1.0, background: Vec3::ZERO, seed, map: None };
        light.balance(s.uniform(BALANCED[0], BALANCED[1]));
        light.exposure = s.normal_within(1.3, 0.3, EXPOSED) / light.mean_irradiance().max(1e-6);
        light.background = background(&mut s, &light);
        light
    }

    /// Even white light from everywhere, a little stronger from above and in front: for figures of shape.
    pub fn neutral() -> Self {
        let key = Emitter {
            direction: Vec3::new(0.35, 0.5, 0.8).normalize_or(Vec3::Z),
            half_size_rad: [0.5, 0.5],
            radiance: Vec3::splat(6.0),
        };
        let ambient = [Vec3::splat(0.8), Vec3::splat(0.4)];
        let mut light = Light {
            kind: Place::Studio,
            ambient,
            emitters: vec![key],
            exposure: 1.0,
            background: Vec3::splat(0.25),
            seed: 0,
            map: None,
        };
        light.exposure = 0.85 / light.mean_irradiance();
        light
    }

    /// Radiance that arrives from direction `d` (unit, world).
    pub fn radiance(&self, d: Vec3) -> Vec3 {
        let up = smoothstep(-0.15, 0.2, d.y);
        let mottle = 1.0 + 0.12 * noise(self.seed, d * 2.5) + 0.06 * noise(self.seed ^ 1, d * 7.0);
        let ambient = (self.ambient[1] + (self.ambient[0] - self.ambient[1]) * up) * mottle;
        let lamps: Vec3 = self.emitters.iter().map(|e| e.radiance_towards(d)).sum();
        (ambient + lamps) * self.exposure
    }

    /// As a latitude-longitude map of `width × width/2` texels.
    pub fn environment(&self, width: usize) -> Environment {
        let height = (width / 2).max(1);
        let mut texels = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                let mut sum = Vec3::ZERO;
                for (dx, dy) in [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)] {
                    let azimuth = ((x as f32 + dx) / width as f32 - 0.5) * TAU;
                    let (sin, cos) = ((y as f32 + dy) / height as f32 * PI).sin_cos();
                    sum += self.radiance(Vec3::new(sin * azimuth.sin(), cos, sin * azimuth.cos()));
                }
                texels.push(sum * 0.25);
            }
        }
        Environment::new(width, height, texels, 0.0)
            .expect("the radiance of a procedural place is finite and not negative")
    }

    /// Tints everything against the color that a white face would show, so that `share` of its cast is gone
    /// (logarithmically): what the white balance of a camera does before anybody sees a photo.
    fn balance(&mut self, share: f32) {
        let seen = self.mean_irradiance_rgb();
        let gray = seen.dot(LUMINANCE).max(1e-6);
        let gain = Vec3::from_array(seen.to_array().map(|c| (gray / c.max(1e-6)).powf(share)));
        let radiances = self.ambient.iter_mut().chain(self.emitters.iter_mut().map(|e| &mut e.radiance));
        radiances.for_each(|radiance| *radiance *= gain);
    }

    fn mean_irradiance(&self) -> f32 {
        self.mean_irradiance_rgb().dot(LUMINANCE)
    }

    /// Mean over the directions a face in front of the camera turns to, of irradiance / π: the radiance (linear RGB) a
    /// white face would show.
    fn mean_irradiance_rgb(&self) -> Vec3 {
        const N: usize = 2048;
        let normals = [Vec3::Z, Vec3::new(0.6, 0.1, 0.79), Vec3::new(-0.6, 0.1, 0.79), Vec3::new(0.0, 0.6, 0.8)];
        let mut sum = Vec3::ZERO;
        for i in 0..N {
            // Fibonacci sphere.
            let y = 1.0 - 2.0 * (i as f32 + 0.5) / N as f32;
            let (sin, cos) = (i as f32 * 2.399_963_2).sin_cos();
            let r = (1.0 - y * y).sqrt();
            let d = Vec3::new(r * cos, y, r * sin);
            sum += self.radiance(d) * normals.iter().map(|n| n.dot(d).max(0.0)).sum::<f32>();
        }
        sum * 4.0 / N as f32 / normals.len() as f32
    }
}

impl Emitter {
    fn radiance_towards(&self, d: Vec3) -> Vec3 {
        let forward = d.dot(self.direction);
        if forward <= 0.0 {
            return Vec3::ZERO;
        }
        let side = self.direction.cross(Vec3::Y).try_normalize().unwrap_or(Vec3::X);
        let up = side.cross(self.direction);
        let (x, y) = (d.dot(side).atan2(forward).abs(), d.dot(up).atan2(forward).abs());
        let edge = |t: f32, half: f32| 1.0 - smoothstep(0.8 * half, 1.1 * half, t);
        self.radiance * edge(x, self.half_size_rad[0]) * edge(y, self.half_size_rad[1])
    }
}

/// Fraction of a light's cast that cameras take away, least and most.
const BALANCED: [f32; 2] = [0.45, 1.0];
/// Radiance that a white face shows on average, darkest and brightest. Photographers expose for the face: skin of type
/// IV, whose albedo is 0.23, has 0.5 in official portraits.
const EXPOSED: [f32; 2] = [0.65, 2.0];

/// Rec. 709 luminance of linear RGB.
pub const LUMINANCE: Vec3 = Vec3::new(0.2126, 0.7152, 0.0722);

/// Color of a black body, scaled to luminance 1 (fit of Planck's law in linear Rec. 709, 2000–12000 K).
fn kelvin(k: f32) -> Vec3 {
    let t = (k / 6500.0).clamp(0.3, 2.0);
    let c = if t < 1.0 {
        Vec3::new(1.0, 0.25 + 0.75 * t.powf(0.75) - 0.1 * (1.0 - t), (t.powf(1.9) * 1.05 - 0.05).max(0.02))
    } else {
        Vec3::new(1.0 / t.powf(0.7), 1.0 / t.powf(0.35), 1.0)
    };
    c / c.dot(LUMINANCE)
}

fn towards(yaw_deg: f32, pitch_deg: f32) -> Vec3 {
    let (y, p) = (yaw_deg.to_radians(), pitch_deg.to_radians());
    Vec3::new(y.sin() * p.cos(), p.sin(), y.cos() * p.cos())
}

/// Radiance from above and from below, and what shines besides.
type Drawn = ([Vec3; 2], Vec<Emitter>);

/// A kind of place, how it is drawn, and how often.
type Draw = (Place, fn(&mut Stream) -> Drawn, f32);

const PLACES: [Draw; 7] = [
    (Place::Studio, studio, 0.27),
    (Place::Sky, sky, 0.17),
    (Place::Overcast, overcast, 0.13),
    (Place::Window, window, 0.15),
    (Place::Indoor, indoor, 0.13),
    (Place::Dusk, dusk, 0.08),
    (Place::Night, night, 0.07),
];

fn studio(s: &mut Stream) -> Drawn {
    let white = kelvin(s.uniform(4800.0, 6800.0));
    let side = s.sign();
    let room = white * s.uniform(0.1, 0.5);
    // From a bare flash to a broad soft box: the smaller, the brighter, and the crisper what shines on skin and eyes.
    let size = 0.09 * (s.uniform(0.0, 1.0) * 6.0f32.ln()).exp();
    let mut lamps = vec![Emitter {
        direction: towards(side * s.uniform(5.0, 60.0), s.uniform(12.0, 50.0)),
        half_size_rad: [size, size * s.uniform(0.9, 1.4)],
        radiance: white * s.uniform(5.0, 10.0) * 0.16 / (size * size),
    }];
    if s.chance(0.8) {
        lamps.push(Emitter {
            direction: towards(-side * s.uniform(30.0, 80.0), s.uniform(-5.0, 30.0)),
            half_size_rad: [s.uniform(0.3, 0.7), s.uniform(0.4, 0.8)],
            radiance: white * s.uniform(0.8, 3.0),
        });
    }
    if s.chance(0.6) {
        let tint = kelvin(s.uniform(3500.0, 9000.0));
        lamps.push(Emitter {
            direction: towards(-side * s.uniform(120.0, 170.0), s.uniform(10.0, 50.0)),
            half_size_rad: [s.uniform(0.15, 0.4), s.uniform(0.3, 0.6)],
            radiance: tint * s.uniform(4.0, 14.0),
        });
    }
    ([room, room * s.uniform(0.25, 0.7)], lamps)
}

fn sky(s: &mut Stream) -> Drawn {
    let haze = s.uniform(0.0, 0.7);
    let blue = Vec3::new(0.35, 0.6, 1.15).lerp(Vec3::splat(0.9), haze);
    let ground = Vec3::new(0.42, 0.38, 0.3) * s.uniform(0.5, 1.3);
    // A bare disc of half a degree makes fireflies at few samples: a sun of some degrees, as through thin haze.
    let r = s.uniform(0.05, 0.1);
    let sun = Emitter {
        direction: towards(s.uniform(-150.0, 150.0), s.uniform(25.0, 65.0)),
        half_size_rad: [r, r],
        radiance: kelvin(s.uniform(4800.0, 5600.0)) * s.uniform(0.5, 1.6) * (1.0 - 0.6 * haze) / (r * r),
    };
    ([blue, ground], vec![sun])
}

fn overcast(s: &mut Stream) -> Drawn {
    let grey = kelvin(s.uniform(6000.0, 7600.0));
    let bright = Emitter {
        direction: towards(s.uniform(-90.0, 90.0), s.uniform(40.0, 80.0)),
        half_size_rad: [0.9, 0.7],
        radiance: grey * s.uniform(0.6, 2.4),
    };
    ([grey, grey * s.uniform(0.15, 0.45)], vec![bright])
}

fn window(s: &mut Stream) -> Drawn {
    let wall = kelvin(s.uniform(3800.0, 5500.0)) * s.uniform(0.12, 0.35);
    let day = kelvin(s.uniform(5800.0, 7800.0));
    let yaw = s.sign() * s.uniform(25.0, 85.0);
    let radiance = day * s.uniform(4.0, 9.0);
    let (half, pitch) = ([s.uniform(0.25, 0.5), s.uniform(0.4, 0.7)], s.uniform(0.0, 20.0));
    let mut panes = vec![Emitter { direction: towards(yaw, pitch), half_size_rad: half, radiance }];
    if s.chance(0.5) {
        panes.push(Emitter {
            direction: towards(yaw + 2.4 * half[0].to_degrees(), pitch),
            half_size_rad: half,
            radiance,
        });
    }
    ([wall, wall * s.uniform(0.25, 0.65)], panes)
}

fn indoor(s: &mut Stream) -> Drawn {
    let warm = kelvin(s.uniform(2900.0, 4600.0));
    let wall = warm * s.uniform(0.25, 0.5);
    let n = 2 + s.pick(&[1.0, 1.0, 1.0]);
    let lamps = (0..n).map(|_| Emitter {
        direction: towards(s.uniform(-110.0, 110.0), s.uniform(28.0, 65.0)),
        half_size_rad: [s.uniform(0.08, 0.3), s.uniform(0.08, 0.3)],
        radiance: warm * s.uniform(5.0, 25.0),
    });
    let lamps = lamps.collect();
    ([wall, wall * s.uniform(0.25, 0.65)], lamps)
}

fn dusk(s: &mut Stream) -> Drawn {
    let blue = Vec3::new(0.45, 0.55, 0.9) * s.uniform(0.7, 1.1);
    let ground = Vec3::new(0.2, 0.18, 0.17);
    let r = s.uniform(0.12, 0.25);
    let sun = Emitter {
        direction: towards(s.sign() * s.uniform(20.0, 100.0), s.uniform(4.0, 15.0)),
        half_size_rad: [2.0 * r, r],
        radiance: kelvin(s.uniform(2600.0, 3800.0)) * s.uniform(0.3, 0.7) / (r * r),
    };
    ([blue, ground], vec![sun])
}

fn night(s: &mut Stream) -> Drawn {
    let dark = Vec3::new(0.035, 0.04, 0.06) * s.uniform(0.6, 2.0);
    let street = kelvin(s.uniform(2200.0, 4200.0));
    let mut lamps = vec![Emitter {
        direction: towards(s.uniform(-100.0, 100.0), s.uniform(25.0, 60.0)),
        half_size_rad: [s.uniform(0.06, 0.14), s.uniform(0.06, 0.14)],
        radiance: street * s.uniform(14.0, 40.0),
    }];
    for _ in 0..2 + s.pick(&[1.0, 1.0, 1.0]) {
        // Signs are of one color, windows nearly white.
        let hue = Vec3::new(s.uniform(0.1, 1.0), s.uniform(0.1, 1.0), s.uniform(0.1, 1.0));
        let tint = if s.chance(0.5) { hue } else { kelvin(s.uniform(2800.0, 6500.0)) };
        lamps.push(Emitter {
            direction: towards(s.uniform(-150.0, 150.0), s.uniform(-10.0, 30.0)),
            half_size_rad: [s.uniform(0.08, 0.35), s.uniform(0.06, 0.3)],
            radiance: tint * s.uniform(1.0, 5.0),
        });
    }
    ([dark, dark * s.uniform(0.5, 1.5)], lamps)
}

fn background(s: &mut Stream, light: &Light) -> Vec3 {
    let mean = (light.ambient[0] + light.ambient[1]) * 0.5;
    let tint = mean / mean.dot(LUMINANCE).max(1e-6);
    let tint = tint.lerp(Vec3::ONE, s.uniform(0.2, 0.7));
    let hue = Vec3::new(s.uniform(0.85, 1.15), s.uniform(0.9, 1.1), s.uniform(0.85, 1.15));
    tint * hue * s.uniform(0.2, 0.8).powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_exposed_alike() {
        for id in 0..60 {
            let light = Light::sample(5, id);
            let e = light.mean_irradiance();
            let [low, high] = EXPOSED.map(|e| if id == 0 { 0.85 } else { e });
            assert!((low - 1e-3..high + 1e-3).contains(&e), "{:?} {e}", light.kind);
            assert!(light.background.min_element() >= 0.0 && light.radiance(Vec3::Y).is_finite());
        }
    }

    #[test]
    fn balance_takes_the_share_of_the_cast_that_it_is_told() {
        let cast = |light: &Light| {
            let c = light.mean_irradiance_rgb();
            (c.x / c.y).ln().abs().max((c.z / c.y).ln().abs())
        };
        let mut warm = Light { ambient: [Vec3::new(1.6, 1.0, 0.4), Vec3::new(0.9, 0.5, 0.3)], ..Light::neutral() };
        let drawn = cast(&warm);
        let mut gray = warm.clone();
        warm.balance(0.5);
        gray.balance(1.0);
        assert!(drawn > 0.1 && (cast(&warm) / drawn - 0.5).abs() < 0.02, "{drawn} {}", cast(&warm));
        assert!(cast(&gray) < 1e-3, "{}", cast(&gray));
    }
}

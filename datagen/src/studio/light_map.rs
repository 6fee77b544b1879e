//! Environments from files: OpenEXR and Radiance latitude-longitude maps, exposed as the procedural places are.
use crate::config::Config;
use crate::studio::light::{LUMINANCE, Light, Place};
use crate::tracer::environment::Environment;
use formats::exit::Failure;
use glam::Vec3;
use std::path::Path;

/// Opens every file of the config, so that a plan is refused and not the job that renders it.
///
/// # Errors
/// As [`lit`].
pub fn check(config: &Config) -> Result<(), Failure> {
    let drawn = config.light.count - config.light.maps.len() as u32;
    (drawn..config.light.count).try_for_each(|light_id| lit(config, light_id).map(drop))
}

/// Environment `light_id` of a dataset, and what is known of it: the last of its lights are the config's files, the others
/// are drawn.
///
/// # Errors
/// Exit code 66 for a file that cannot be read, 65 for one that is no map.
pub fn lit(config: &Config, light_id: u32) -> Result<(Light, Environment), Failure> {
    let drawn = config.light.count - config.light.maps.len() as u32;
    if light_id < drawn {
        let light = Light::sample(config.seed, light_id);
        let environment = light.environment(config.light.width as usize);
        return Ok((light, environment));
    }
    let path = &config.light.maps[(light_id - drawn) as usize];
    let map = Map::read(path)?;
    let mut light = Light { map: Some(path.display().to_string()), kind: Place::Map, ..Light::neutral() };
    light.emitters.clear();
    light.exposure = 0.78 / map.frontal_luminance().max(1e-6);
    light.background = Vec3::splat(0.18);
    let texels = map.texels.iter().map(|c| *c * light.exposure).collect();
    let environment = Environment::new(map.width, map.height, texels, 0.0);
    let environment = environment.ok_or_else(|| bad(path, "a texel is negative or no number"))?;
    Ok((light, environment))
}

/// `[height][width]` linear RGB, row 0 at the zenith.
struct Map {
    width: usize,
    height: usize,
    texels: Vec<Vec3>,
}

fn bad(path: &Path, why: &str) -> Failure {
    Failure::bad_data(format!("environment map: {why}: {path:?}"))
}

impl Map {
    fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = std::fs::read(path).map_err(|e| Failure::missing(format!("environment map: {e}: {path:?}")))?;
        let mut map = match bytes.starts_with(b"#?") {
            true => Self::of_radiance(&bytes).ok_or_else(|| bad(path, "not a Radiance image"))?,
            false => Self::of_exr(&bytes).map_err(|e| bad(path, &e.to_string()))?,
        };
        if let Some((n, largest)) = map.clamp_infinite() {
            let text = format!("datagen: {n} infinite texels taken as {largest}, the largest finite value: {path:?}");
            formats::log::warn("light map", &text);
        }
        Ok(map)
    }

    /// Infinities, as the sun has them in half-float maps, become the largest finite value. Returns how many texels had any,
    /// and that value.
    fn clamp_infinite(&mut self) -> Option<(usize, f32)> {
        let channels = || self.texels.iter().flat_map(|texel| texel.to_array());
        let largest = channels().filter(|v| v.is_finite()).fold(0.0, f32::max);
        let mut n = 0;
        for texel in self.texels.iter_mut().filter(|texel| texel.to_array().contains(&f32::INFINITY)) {
            *texel = texel.min(Vec3::splat(largest));
            n += 1;
        }
        (n > 0).then_some((n, largest))
    }

    fn of_exr(bytes: &[u8]) -> Result<Self, exr::error::Error> {
        use exr::prelude::*;
        let image = read()
            .no_deep_data()
            .largest_resolution_level()
            .rgb_channels(
                |size, _| Map { width: size.width(), height: size.height(), texels: vec![Vec3::ZERO; size.area()] },
                |map: &mut Map, at, (r, g, b): (f32, f32, f32)| {
                    map.texels[at.y() * map.width + at.x()] = Vec3::new(r, g, b).max(Vec3::ZERO);
                },
            )
            .first_valid_layer()
            .all_attributes()
            .non_parallel()
            .from_buffered(std::io::Cursor::new(bytes))?;
        Ok(image.layer_data.channel_data.pixels)
    }

    /// Ward 1994, "The RADIANCE Lighting Simulation and Rendering System": RGBE texels, each channel run-length coded.
    fn of_radiance(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(2).position(|w| w == b"\n\n")? + 2;
        let line = end + bytes[end..].iter().position(|b| *b == b'\n')?;
        let words: Vec<&str> = std::str::from_utf8(&bytes[end..line]).ok()?.split_whitespace().collect();
        let ["-Y", height, "+X", width] = words[..] else { return None };
        let (width, height): (usize, usize) = (width.parse().ok()?, height.parse().ok()?);
        if width == 0 || height == 0 || width.checked_mul(height)? > 1 << 28 {
            return None;
        }
        let mut rest = &bytes[line + 1..];
        let mut texels = Vec::with_capacity(width * height);
        for _ in 0..height {
            let row = scanline(&mut rest, width)?;
            texels.extend((0..width).map(|x| rgbe([0, 1, 2, 3].map(|c| row[c * width + x]))));
        }
        Some(Map { width, height, texels })
    }

    /// Mean over the directions a face turns to of what a white face would show, as for procedural places.
    fn frontal_luminance(&self) -> f32 {
        let normals = [Vec3::Z, Vec3::new(0.6, 0.1, 0.79), Vec3::new(-0.6, 0.1, 0.79), Vec3::new(0.0, 0.6, 0.8)];
        let mut sum = 0.0;
        for y in 0..self.height {
            let polar = (y as f32 + 0.5) / self.height as f32 * std::f32::consts::PI;
            let area = polar.sin() * 2.0 * std::f32::consts::PI.powi(2) / (self.width * self.height) as f32;
            for x in 0..self.width {
                let azimuth = ((x as f32 + 0.5) / self.width as f32 - 0.5) * std::f32::consts::TAU;
                let d = Vec3::new(polar.sin() * azimuth.sin(), polar.cos(), polar.sin() * azimuth.cos());
                let cosines: f32 = normals.iter().map(|n| n.dot(d).max(0.0)).sum();
                sum += self.texels[y * self.width + x].dot(LUMINANCE) * cosines * area;
            }
        }
        sum / std::f32::consts::PI / normals.len() as f32
    }
}

/// The four channels of one row, one after the other.
fn scanline(rest: &mut &[u8], width: usize) -> Option<Vec<u8>> {
    let head: [u8; 4] = rest.get(..4)?.try_into().ok()?;
    let coded = head[..2] == [2, 2] && usize::from(head[2]) << 8 | usize::from(head[3]) == width;
    if !coded {
        let flat = rest.get(..4 * width)?;
        *rest = &rest[4 * width..];
        return Some((0..4 * width).map(|i| flat[i % width * 4 + i / width]).collect());
    }
    *rest = &rest[4..];
    let mut row = Vec::with_capacity(4 * width);
    while row.len() < 4 * width {
        let n = usize::from(*rest.first()?);
        let run = n > 128;
        let n = if run { n - 128 } else { n };
        let taken = if run { 1 } else { n };
        let values = rest.get(1..1 + taken)?;
        if n == 0 || row.len() + n > 4 * width {
            return None;
        }
        row.extend((0..n).map(|i| values[if run { 0 } else { i }]));
        *rest = &rest[1 + taken..];
    }
    Some(row)
}

fn rgbe([r, g, b, e]: [u8; 4]) -> Vec3 {
    match e {
        0 => Vec3::ZERO,
        _ => Vec3::new(f32::from(r), f32::from(g), f32::from(b)) * (f32::from(e) - 136.0).exp2(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracer::environment::Aim;

    #[test]
    fn radiance_files_are_read_flat_and_coded() {
        let mut flat = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 2\n".to_vec();
        flat.extend([128, 64, 0, 129, 255, 255, 255, 136]);
        let map = Map::of_radiance(&flat).unwrap();
        assert_eq!(map.texels, [Vec3::new(1.0, 0.5, 0.0), Vec3::splat(255.0)]);
        let mut coded = b"#?RADIANCE\n\n-Y 1 +X 9\n\x02\x02\x00\x09".to_vec();
        for value in [128, 64, 32, 129] {
            coded.extend([128 + 8, value, 1, value]);
        }
        assert_eq!(Map::of_radiance(&coded).unwrap().texels, [Vec3::new(1.0, 0.5, 0.25); 9]);
        assert!(Map::of_radiance(&coded[..coded.len() - 1]).is_none(), "cut short");
    }

    #[test]
    fn infinite_texels_become_the_largest_finite_one() {
        let path = std::env::temp_dir().join(format!("datagen-sun-{}.exr", std::process::id()));
        let sun = |x, y| if (x, y) == (3, 2) { (f32::INFINITY, f32::INFINITY, 7.0f32) } else { (1.0, 2.0, 3.0) };
        exr::prelude::write_rgb_file(&path, 32, 16, sun).unwrap();
        let mut config = Config::default();
        config.light.maps = vec![path.clone()];
        check(&config).unwrap();
        let map = Map::read(&path).unwrap();
        assert_eq!(map.texels[2 * 32 + 3], Vec3::splat(7.0));
        assert_eq!(map.texels[0], Vec3::new(1.0, 2.0, 3.0));
        std::fs::write(&path, b"no map").unwrap();
        let refused = check(&config).unwrap_err().to_string();
        assert!(refused.contains("environment map") && refused.contains("datagen-sun"), "{refused}");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn exr_maps_light_as_procedural_ones_do() {
        let path = std::env::temp_dir().join(format!("datagen-map-{}.exr", std::process::id()));
        exr::prelude::write_rgb_file(
            &path,
            32,
            16,
            |_, y| if y < 4 { (9.0f32, 9.0f32, 9.0f32) } else { (1.0, 2.0, 3.0) },
        )
        .unwrap();
        let mut config = Config::default();
        config.light.maps = vec![path.clone()];
        let (light, environment) = lit(&config, config.light.count - 1).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(light.kind, Place::Map);
        let down = environment.look(Vec3::NEG_Y, Aim::ANYWHERE).0;
        assert!((down / light.exposure - Vec3::new(1.0, 2.0, 3.0)).length() < 1e-4, "{down}");
        assert!(lit(&config, config.light.count - 1).is_err(), "the file is gone");
        assert_eq!(lit(&config, 1).unwrap().0.kind, Light::sample(config.seed, 1).kind);
    }
}

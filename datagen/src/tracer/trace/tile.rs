//! A tile of a picture: half of the paths everywhere, and the rest where those disagree.
use super::View;
use super::coverage::Mask;
use crate::tracer::accel::embree::FlushDenormals;
use crate::tracer::film::Film;
use crate::tracer::integrator::{Integrator, Label, PathSample};
use crate::tracer::sampler::Sampler;
use crate::tracer::scene::RenderSettings;
use glam::{Vec2, Vec3};
use std::ops::Range;

/// Side of a tile in pixels: the unit of work of a thread.
pub(super) const TILE: usize = 16;

/// Side in pixels of the blocks that are done with half of their paths, or are not, together: by the few paths of a single
/// pixel those would stop that miss a lamp by chance, and the picture would darken.
const BLOCK: usize = 4;

/// Rays that the coverage of a partly covered pixel is worth where it is not drawn ([`Mask`]): hair over a background shows
/// every error of its alpha, and such a ray costs a fraction of a path.
const COVERAGE_RAYS: u32 = 64;

/// Some pixels of a picture.
pub(super) struct Tile {
    origin: (usize, usize),
    size: (usize, usize),
    pixels: Vec<(PathSample, Label)>,
    rays: u64,
}

/// What a tile is made with.
struct Work<'a> {
    integrator: &'a Integrator<'a>,
    view: &'a View,
    settings: &'a RenderSettings,
    /// What of the tile is covered, where that is known.
    mask: Option<&'a Mask>,
    origin: (usize, usize),
}

/// A pixel that paths are gathered for.
struct Pixel {
    within: (usize, usize),
    label: Label,
    /// How much of it is covered, where that is known.
    share: Option<f32>,
    sum: PathSample,
    /// Of the squared brightness of the paths.
    squares: f32,
    paths: u32,
}

impl Tile {
    /// Traces the pixels from `origin` on.
    pub fn render(
        integrator: &Integrator,
        view: &View,
        settings: &RenderSettings,
        mask: Option<&Mask>,
        origin: (usize, usize),
    ) -> Self {
        let _flush = FlushDenormals::new();
        let work = Work { integrator, view, settings, mask, origin };
        let size = (TILE.min(settings.width - origin.0), TILE.min(settings.height - origin.1));
        let mut rays = 0;
        let first = if settings.tolerance > 0.0 { settings.spp.div_ceil(2) } else { settings.spp };
        let mut pixels: Vec<Pixel> =
            (0..size.0 * size.1).map(|i| work.begun((i % size.0, i / size.0), first, &mut rays)).collect();
        if first < settings.spp {
            for block in blocks(size) {
                if work.error(&pixels, &block) > settings.tolerance {
                    block.iter().for_each(|&i| work.trace(&mut pixels[i], first..settings.spp, &mut rays));
                }
            }
        }
        let pixels = pixels.into_iter().map(|pixel| work.finished(pixel, &mut rays)).collect();
        Tile { origin, size, pixels, rays }
    }

    /// Puts the tile where it belongs.
    pub fn copy_to(&self, film: &mut Film) {
        film.rays += self.rays;
        for (i, (sample, label)) in self.pixels.iter().enumerate() {
            let at = (self.origin.1 + i / self.size.0) * film.width + self.origin.0 + i % self.size.0;
            film.rgb[at] = sample.rgb;
            film.alpha[at] = sample.alpha;
            film.albedo[at] = sample.albedo;
            film.normal[at] = sample.normal;
            let labels = &mut film.labels;
            labels.depth[at] = label.depth;
            labels.normal[at] = label.normal;
            labels.uv[at] = label.uv;
            labels.class[at] = label.class;
            labels.part[at] = label.part;
            labels.surface[at] = label.surface;
        }
    }
}

impl Work<'_> {
    fn corner(&self, within: (usize, usize)) -> Vec2 {
        Vec2::new((self.origin.0 + within.0) as f32, (self.origin.1 + within.1) as f32)
    }

    /// The numbers of a path of a pixel.
    fn sampler(&self, within: (usize, usize), path: u32) -> Sampler {
        let pixel = (self.origin.1 + within.1) * self.settings.width + self.origin.0 + within.0;
        Sampler::new(self.settings.seed, pixel as u32, path)
    }

    /// A pixel with its label and its first paths.
    fn begun(&self, within: (usize, usize), paths: u32, rays: &mut u64) -> Pixel {
        let share = self.mask.map(|mask| mask.share(within.0, within.1));
        let mut pixel =
            Pixel { within, label: Label::NOTHING, share, sum: PathSample::default(), squares: 0.0, paths: 0 };
        if share != Some(0.0) {
            pixel.label = self.integrator.label(&self.view.ray(self.corner(within) + 0.5), self.view.forward, rays);
            self.trace(&mut pixel, 0..paths, rays);
        }
        pixel
    }

    /// More paths for a pixel, where something stands in it.
    fn trace(&self, pixel: &mut Pixel, paths: Range<u32>, rays: &mut u64) {
        let (within, corner) = (pixel.within, self.corner(pixel.within));
        if pixel.share == Some(0.0) {
            return;
        }
        let partial = self.mask.filter(|_| pixel.share.is_some_and(|share| share < 1.0));
        for path in paths {
            let mut sampler = self.sampler(within, path);
            let ray = match partial {
                // only where something stands
                Some(mask) => self.view.ray(corner + mask.place(within.0, within.1, sampler.next_2d()[0])),
                None => self.view.sampled_ray(corner, &mut sampler),
            };
            let found = self.integrator.path(ray, &mut sampler, rays);
            pixel.sum.add(&found);
            pixel.squares += brightness(found.rgb).powi(2);
            pixel.paths += 1;
        }
    }

    /// Standard error of the pixels of a block after the paths they have, in display brightness: root of the mean square
    /// over those where something stands.
    fn error(&self, pixels: &[Pixel], block: &[usize]) -> f32 {
        let (mut sum, mut count) = (0.0, 0.0f32);
        for pixel in block.iter().map(|&i| &pixels[i]).filter(|p| p.sum.alpha > 0.0) {
            let n = pixel.paths as f32;
            let mean = brightness(pixel.sum.rgb) / n;
            let variance = (pixel.squares / n - mean * mean).max(0.0) / (n - 1.0).max(1.0);
            // slope of the curve x / (1 + x), brightness being counted in that of the light
            let slope = self.integrator.brightness() / (self.integrator.brightness() + mean).powi(2);
            sum += variance * slope * slope * pixel.share.unwrap_or(1.0).powi(2);
            count += 1.0;
        }
        (sum / count.max(1.0)).sqrt()
    }

    /// Color, coverage and label of a pixel that has its paths.
    fn finished(&self, pixel: Pixel, rays: &mut u64) -> (PathSample, Label) {
        let Pixel { within, label, share, sum, paths, .. } = pixel;
        if let Some(share) = share.filter(|share| *share < 1.0) {
            return (PathSample { alpha: share, ..sum.scaled(share / sum.alpha.max(1.0)) }, label);
        }
        let mut mean = sum.scaled(1.0 / paths as f32);
        if share.is_none() && mean.alpha > 0.0 && mean.alpha < 1.0 {
            // the sampler's points go on where the paths ended
            let more = (paths..COVERAGE_RAYS).map(|path| self.sampler(within, path));
            let mut met =
                |mut s: Sampler| self.integrator.covers(&self.view.sampled_ray(self.corner(within), &mut s), rays);
            let met = more.filter(|sampler| met(sampler.clone())).count();
            mean.alpha = (sum.alpha + met as f32) / paths.max(COVERAGE_RAYS) as f32;
        }
        (mean, label)
    }
}

/// The pixels of each block of a tile of that size.
fn blocks((across, down): (usize, usize)) -> impl Iterator<Item = Vec<usize>> {
    let block = move |x: usize, y: usize| {
        let rows = y..(y + BLOCK).min(down);
        rows.flat_map(|y| (x..(x + BLOCK).min(across)).map(move |x| y * across + x)).collect()
    };
    (0..down).step_by(BLOCK).flat_map(move |y| (0..across).step_by(BLOCK).map(move |x| block(x, y)))
}

fn brightness(c: Vec3) -> f32 {
    c.element_sum() * (1.0 / 3.0)
}

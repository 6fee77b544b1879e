//! From guides to strands: each follows the guides around it, gathers to its lock, winds with it, and keeps a little
//! will of its own.
use super::guides::{Guide, Walk};
use crate::people::person::{Curl, Hair, HairStyle};
use crate::stream::{Stream, Subject, noise};
use crate::tracer::elementary::smoothstep;
use glam::Vec3;
use rayon::prelude::*;
use std::f32::consts::TAU;

/// A strand's root on the head.
#[derive(Clone, Copy)]
pub struct Seat {
    /// Meters.
    pub position: Vec3,
    /// Unit, out of the skin.
    pub normal: Vec3,
    /// 1 in the thick of the hair, towards 0 at its edge: there hairs are short and fine.
    pub weight: f32,
}

/// The strands of all `seats`, `n` points each, with the number of its lock.
pub fn strands(walk: &Walk, guides: &[Guide], seats: &[Seat], n: usize) -> Vec<(Vec<Vec3>, usize)> {
    let locks: Vec<Lock> = guides.iter().enumerate().map(|(i, g)| Lock::new(g, walk, i)).collect();
    let one = |(i, seat): (usize, &Seat)| {
        let mut s = Stream::new(walk.seed, Subject::Lock, &[i as u64]);
        strand(walk, guides, &locks, seat, n, &mut s)
    };
    seats.par_iter().enumerate().with_min_len(256).map(one).collect()
}

/// What the strands of a lock share.
struct Lock {
    /// `[n]` two directions across the guide, carried along it without twist.
    across: Vec<[Vec3; 2]>,
    phase: f32,
    /// Meters.
    radius: f32,
    /// Turns a meter.
    turns: f32,
}

impl Lock {
    fn new(guide: &Guide, walk: &Walk, number: usize) -> Self {
        let mut s = Stream::new(walk.seed, Subject::LockStrand, &[number as u64]);
        let h = walk.hair;
        let phase = 2.5 * noise(walk.seed ^ 21, guide.root * 30.0) + s.uniform(0.0, TAU) * h.curl.disorder();
        Lock {
            across: carried(&guide.points),
            phase,
            radius: h.curl_radius_m * s.normal_within(1.0, 0.2, [0.5, 1.5]),
            turns: h.curl_turns * s.normal_within(1.0, 0.12, [0.7, 1.3]) * s.sign(),
        }
    }

    /// How far the winding leads away from the guide at point `i`, `walked` meters from the root.
    fn winding(&self, i: usize, walked: f32, phase: f32, hair: &Hair) -> Vec3 {
        let [a, b] = self.across[i];
        let (sin, cos) = (self.phase + phase + walked * self.turns * TAU).sin_cos();
        let start = if hair.curl == Curl::Coily { 0.004 } else { 0.035 };
        // Waves swing in one plane, curls and coils go round.
        let flat = if hair.curl == Curl::Wavy { 0.3 } else { 1.0 };
        (a * cos + b * sin * flat) * self.radius * smoothstep(0.0, start, walked)
    }
}

/// How a strand keeps to its lock.
struct Company {
    /// How far it gathers to the lock, 0..=1.
    clump: f32,
    /// What it lags behind the lock's winding (radians).
    phase: f32,
    /// Width of its winding by that of the lock.
    width: f32,
    /// How far it follows the eddies around it, 0..=1.
    drift: f32,
}

impl Company {
    /// Most coils and ringlets wind in step with their lock; the others, each for itself, fill what lies between.
    fn draw(h: &Hair, s: &mut Stream) -> Self {
        let alone = match h.curl {
            Curl::Coily => 0.3 + 0.4 * h.frizz,
            Curl::Curly => 0.08 + 0.3 * h.frizz,
            _ => 0.0,
        };
        let usual = h.clump * s.uniform(0.6, 1.0);
        if s.chance(alone) {
            let phase = s.uniform(0.0, TAU);
            return Company { clump: 0.35 * usual, phase, width: s.uniform(0.35, 1.1), drift: 1.0 };
        }
        match h.curl {
            Curl::Coily | Curl::Curly => Company {
                clump: s.uniform(0.86, 1.0),
                phase: s.normal(0.0, 0.16),
                width: s.normal_within(1.0, 0.08, [0.8, 1.2]),
                drift: 0.35,
            },
            _ => Company {
                clump: usual,
                phase: s.normal(0.0, 0.2 + 0.5 * h.frizz * h.curl.disorder()),
                width: 1.0,
                drift: 1.0,
            },
        }
    }
}

/// Whether hair stands off in coils: cut round, or short without being shaved.
pub fn coils(h: &Hair) -> bool {
    let loose = matches!(h.style, HairStyle::Short | HairStyle::Swept | HairStyle::Curly);
    h.style == HairStyle::Afro || (loose && h.curl == Curl::Coily)
}

fn strand(walk: &Walk, guides: &[Guide], locks: &[Lock], seat: &Seat, n: usize, s: &mut Stream) -> (Vec<Vec3>, usize) {
    let h = walk.hair;
    let [first, second, third] = nearest(walk, guides, seat);
    let flyaway = s.chance((0.012 + 0.03 * h.frizz) * if tight(h) { 0.3 } else { 1.0 });
    // At the edge hairs are short; in the thick of it some are new.
    let new = if s.chance(0.1) { s.uniform(0.7, 1.0) } else { 1.0 };
    // Coils end at all depths: from outside a soft cloud, not a brush.
    let end =
        if coils(h) { s.uniform(0.0, 1.0).powf(0.45) * 0.55 + 0.5 } else { s.normal_within(1.0, 0.06, [0.8, 1.12]) };
    let short = (0.12 + 0.88 * smoothstep(0.0, 0.8, seat.weight)) * end * new;
    let company = Company::draw(h, s);
    let clump = if flyaway { 0.0 } else { company.clump };
    let own_phase = company.phase;
    let loose = Vec3::new(s.normal(0.0, 1.0), s.normal(0.0, 1.0), s.normal(0.0, 1.0));
    let astray = loose.normalize_or(seat.normal) * (0.004 + 0.012 * h.frizz);
    let guide = &guides[first.0];
    // Coils and ringlets hold together from the root, long hair only towards its ends.
    let gather_m = match h.curl {
        Curl::Coily => 0.004,
        Curl::Curly => 0.35 * guide.length_m,
        _ => 0.95 * guide.length_m,
    };
    let lock = &locks[first.0];
    let beside = seat.position - guide.root;
    let eddy = |k: u64, scale: f32| noise(walk.seed ^ k, seat.position * scale);
    let drift = Vec3::new(eddy(71, 170.0), eddy(72, 170.0), eddy(73, 170.0)) * 0.0035
        + Vec3::new(eddy(74, 420.0), eddy(75, 420.0), eddy(76, 420.0)) * 0.0018;
    let mut points = Vec::with_capacity(n);
    points.push(seat.position - seat.normal * 0.0005);
    for i in 1..n {
        // Closer together near the root, where a strand bends over the skull: a chord must not dip into it.
        let even = i as f32 / (n - 1) as f32;
        let t = if coils(h) { even } else { even.powf(1.5) };
        let at = t * short;
        let walked = at * guide.length_m;
        let mut p = seat.position;
        for (g, w) in [first, second, third] {
            p += (along_guide(&guides[g].points, at) - guides[g].root) * w;
        }
        let gathered = along_guide(&guide.points, at) + beside * (0.35 - 0.15 * at);
        p = p.lerp(gathered, clump * smoothstep(0.0, gather_m, walked));
        p += drift * smoothstep(0.0, 0.03, walked) * (0.4 + t) * company.drift;
        if h.curl_radius_m > 0.0 && !tight(h) {
            let j = (at.min(1.0) * (guide.points.len() - 1) as f32) as usize;
            p += lock.winding(j, walked, own_phase, h) * company.width;
        }
        if flyaway {
            p += astray * (t * t) * (guide.length_m / 0.06).min(2.0);
        }
        let gap = 0.0004 + 0.0009 * smoothstep(0.0, 0.012, walked);
        let free = walk.clearance.pushed_out(p, gap);
        // Too deep to find out: between guides of two sides of the neck. It is cut here.
        if points.len() > 2 && walk.clearance.at(free) < 0.0 {
            break;
        }
        points.push(free);
    }
    (points, first.0)
}

/// Combed so tightly that curls are drawn straight.
fn tight(h: &Hair) -> bool {
    matches!(h.style, HairStyle::Tied | HairStyle::Bun) && h.curl != Curl::Coily
}

/// The three guides around a seat, nearest first, and their weights.
fn nearest(walk: &Walk, guides: &[Guide], seat: &Seat) -> [(usize, f32); 3] {
    let group = walk.group(walk.shell.local(seat.position));
    let mut best = [(0, f32::MAX); 3];
    for (i, g) in guides.iter().enumerate() {
        let stranger = if g.group == group { 1.0 } else { 25.0 };
        let d = g.root.distance_squared(seat.position) * stranger;
        if d < best[2].1 {
            best[2] = (i, d);
            best.sort_by(|a, b| a.1.total_cmp(&b.1));
        }
    }
    let w = best.map(|(_, d)| if d < f32::MAX { 1.0 / (d + 1e-6) } else { 0.0 });
    let sum: f32 = w.iter().sum();
    std::array::from_fn(|k| (best[k].0, w[k] / sum.max(1e-12)))
}

/// Point at share `at` of a guide.
fn along_guide(points: &[Vec3], at: f32) -> Vec3 {
    let x = at.clamp(0.0, 1.0) * (points.len() - 1) as f32;
    let i = (x as usize).min(points.len() - 2);
    points[i].lerp(points[i + 1], x - i as f32)
}

/// Two directions across a path at each point, parallel transported (Bishop 1975).
fn carried(points: &[Vec3]) -> Vec<[Vec3; 2]> {
    let tangent = |i: usize| {
        let (a, b) = (points[i.saturating_sub(1)], points[(i + 1).min(points.len() - 1)]);
        (b - a).normalize_or(Vec3::NEG_Y)
    };
    let mut a = tangent(0).any_orthonormal_vector();
    (0..points.len())
        .map(|i| {
            let t = tangent(i);
            a = (a - t * a.dot(t)).normalize_or(t.any_orthonormal_vector());
            [a, t.cross(a)]
        })
        .collect()
}

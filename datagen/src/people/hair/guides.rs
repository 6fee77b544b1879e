//! Guides: one strand for each lock, which leaves the skin, bends into the direction its style combs it to, falls by its
//! weight and stays outside of everything.
use super::locks::coils;
use super::{Clearance, Shell, along};
use crate::people::person::{Hair, HairStyle};
use crate::stream::{Stream, noise};
use crate::tracer::elementary::smoothstep;
use glam::Vec3;

/// Longest step of a guide (meters).
const STEP_M: f32 = 0.006;
/// Radius of the band that ties hair (meters).
const BAND_M: f32 = 0.009;

/// One person's way of growing and wearing hair.
pub struct Walk<'a> {
    /// The skull, for directions.
    pub shell: &'a Shell,
    /// What strands stay outside of.
    pub clearance: &'a Clearance,
    /// How it is worn.
    pub hair: &'a Hair,
    /// Height of the brows (meters).
    pub brow_y: f32,
    /// Of noise patterns.
    pub seed: u64,
}

/// Whether a strand is part of a fringe.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fringe {
    Yes,
    No,
}

/// A guide and what it stands for.
pub struct Guide {
    /// Where it roots.
    pub root: Vec3,
    /// Locks mix within a group only: left and right of a parting, a fringe.
    pub group: u8,
    /// Meters along `points`.
    pub length_m: f32,
    /// Evenly spaced.
    pub points: Vec<Vec3>,
}

impl Walk<'_> {
    /// The guide of a root.
    pub fn guide(&self, root: Vec3, normal: Vec3, s: &mut Stream) -> Guide {
        let q = self.shell.local(root);
        let fringe = if self.in_fringe(q) { Fringe::Yes } else { Fringe::No };
        let length = self.length(root, q) * s.normal_within(1.0, 0.07, [0.8, 1.2]);
        let length = if coils(self.hair) { length * self.cut(root) } else { length };
        let steps = ((length / STEP_M).ceil() as usize).max(6);
        let step = length / steps as f32;
        // Neighbors lie at like heights: a smooth layer rather than one of chance.
        let layer = self.layer_m() * (0.55 + 0.45 * noise(self.seed ^ 31, root * 30.0));
        let mut stray = || 0.16 * s.normal(0.0, 1.0);
        let mut d = (normal * self.lift(q) + along(self.field(root, q, 0.0, fringe), normal)).normalize_or(normal);
        d = (d + Vec3::new(stray(), stray(), stray())).normalize_or(d);
        let mut p = root;
        let mut path = vec![p];
        let mut lying = 0.0;
        let mut wander = Wander::new(s);
        for i in 1..=steps {
            let walked = i as f32 * step;
            let mut wanted = self.field(p, self.shell.local(p), walked, fringe).normalize_or(d);
            if coils(self.hair) {
                wanted += wander.turn(normal, walked / length, s);
            }
            let bend = 1.0 - (-step / self.bend_m(p)).exp();
            d = d.lerp(wanted, bend).normalize_or(d);
            let next = self.held_out(p + d * step, layer * smoothstep(0.0, 0.05, walked), walked);
            // A strand is as long as it is: what the push added is taken back.
            let next = self.clearance.pushed_out(p + (next - p).normalize_or(d) * step, 0.0010);
            d = (next - p).normalize_or(d);
            p = next;
            path.push(p);
            // What reaches the shoulders is cut soon after.
            let low = p.y < self.shell.center.y - 0.13;
            lying += if low && d.y > -0.4 { step } else { 0.0 };
            if lying > 0.025 {
                break;
            }
        }
        let length_m = (path.len() - 1) as f32 * step;
        Guide { root, group: self.group(q), length_m, points: resampled(&path) }
    }

    /// Outside of skin and cloth, and over the skull by `layer` more.
    fn held_out(&self, p: Vec3, layer: f32, walked: f32) -> Vec3 {
        let q = self.shell.local(p);
        // The shell ends at the neck, and its ears are not for lifting over.
        let over_skull = smoothstep(-0.55, -0.1, q.y);
        let lifted = self.shell.pushed_out(p, layer * over_skull - 0.02 * (1.0 - over_skull));
        self.clearance.pushed_out(lifted, 0.0008 + 0.0008 * smoothstep(0.0, 0.01, walked))
    }

    /// Which locks a root mixes with.
    pub fn group(&self, q: Vec3) -> u8 {
        let parted = matches!(self.hair.style, HairStyle::Medium | HairStyle::Long) && q.y > 0.2 && q.z > -0.3;
        let side = if parted && q.x > self.hair.part { 1 } else { 0 };
        side + if self.in_fringe(q) { 2 } else { 0 }
    }

    fn in_fringe(&self, q: Vec3) -> bool {
        self.hair.style.takes_fringe()
            && self.hair.fringe
            && q.z > 0.45
            && q.x.abs() < 0.55 + 0.1 * noise(self.seed ^ 41, q * 9.0)
    }

    /// Length of a strand rooted at `q` (meters).
    fn length(&self, root: Vec3, q: Vec3) -> f32 {
        let h = self.hair;
        let top = smoothstep(0.15, 0.75, q.y + 0.06 * noise(self.seed ^ 5, q * 5.0));
        let uneven = 1.0 + 0.10 * noise(self.seed ^ 6, root * 45.0);
        let sides = |shortest: f32| h.length_m * (shortest + (1.0 - shortest) * top) * uneven;
        match h.style {
            HairStyle::Short => (sides(1.0 - h.fade)).max(0.004),
            HairStyle::Swept => sides(1.0 - 0.8 * h.fade),
            HairStyle::Buzz => sides(1.0 - 0.5 * h.fade),
            HairStyle::Afro => {
                h.length_m * (0.6 + 0.4 * smoothstep(-0.5, 0.5, q.y)) * (1.0 - 0.3 * smoothstep(0.5, 0.95, q.z))
            }
            // Curls over the forehead are kept short enough to see.
            HairStyle::Curly => h.length_m * (0.8 + 0.2 * top) * (1.0 - 0.6 * smoothstep(0.5, 0.85, q.z)) * uneven,
            _ if self.in_fringe(q) => {
                let over = (root.y - self.brow_y).max(0.02);
                over * 1.12 + 0.006 + 0.014 * h.sweep.abs() + 0.004 * noise(self.seed ^ 7, root * 90.0)
            }
            HairStyle::Tied => (root - self.knot()).length() * 1.1 + h.length_m * 0.6 * uneven,
            HairStyle::Bun => (root - self.knot()).length() * 1.1 + 0.16 * uneven,
            // Cut at one height rather than at one length: roots that lie higher grow longer.
            _ => {
                (h.length_m * 0.75 + (root.y - self.shell.center.y).max(-0.06)).max(0.04) * (1.0 + 0.5 * (uneven - 1.0))
            }
        }
    }

    /// Coils are cut round, with hills of a thumb's width.
    fn cut(&self, root: Vec3) -> f32 {
        1.0 + 0.10 * noise(self.seed ^ 32, root * 22.0) + 0.10 * noise(self.seed ^ 33, root * 75.0)
    }

    /// How far the outermost strands lie over the skull (meters).
    fn layer_m(&self) -> f32 {
        match self.hair.style {
            _ if coils(self.hair) => 0.0,
            HairStyle::Tied | HairStyle::Bun => 0.35 * self.hair.volume_m,
            HairStyle::Short | HairStyle::Swept => 0.6 * self.hair.volume_m,
            HairStyle::Buzz => 0.0,
            _ => self.hair.volume_m,
        }
    }

    /// How steeply a strand leaves the skin.
    fn lift(&self, q: Vec3) -> f32 {
        let top = smoothstep(0.35, 0.9, q.y);
        match self.hair.style {
            _ if coils(self.hair) => 4.0,
            HairStyle::Buzz => 1.0,
            HairStyle::Short => 0.25 + 0.4 * top + 0.8 * self.hair.quiff * top,
            HairStyle::Swept => 0.2 + (0.25 + self.hair.quiff) * top * smoothstep(-0.2, 0.8, q.z),
            HairStyle::Curly => 1.3,
            HairStyle::Tied | HairStyle::Bun => 0.12,
            _ => 0.45,
        }
    }

    /// Over what length a strand bends at `p` to where it is combed (meters).
    fn bend_m(&self, p: Vec3) -> f32 {
        match self.hair.style {
            _ if coils(self.hair) => 0.012,
            HairStyle::Curly => 0.03,
            HairStyle::Buzz => 0.01,
            HairStyle::Short => 0.022,
            HairStyle::Swept => 0.018,
            // The band holds it: whoever bends slowly runs in circles around it.
            HairStyle::Tied | HairStyle::Bun => 0.002 + 0.006 * smoothstep(0.012, 0.035, p.distance(self.knot())),
            _ => 0.014,
        }
    }

    /// Where the hair is tied.
    pub fn knot(&self) -> Vec3 {
        let height = if self.hair.style == HairStyle::Bun { 0.35 } else { 0.1 };
        let up = height + 0.45 * noise(self.seed, Vec3::splat(0.3));
        let direction = Vec3::new(0.0, up, -1.0);
        let surface = self.shell.center + self.shell.half * direction.normalize_or(Vec3::NEG_Z);
        let d = (surface - self.shell.center).normalize_or(Vec3::NEG_Z);
        self.shell.center + d * (self.shell.radius(surface) + BAND_M)
    }

    /// The direction hair takes at `p` (`q` in half extents), `walked` meters from its root.
    fn field(&self, p: Vec3, q: Vec3, walked: f32, fringe: Fringe) -> Vec3 {
        let n = self.shell.outward(p);
        let eddy = |k: u64, scale: f32| {
            Vec3::new(
                noise(self.seed ^ (11 + k), p * scale),
                noise(self.seed ^ (12 + k), p * scale),
                noise(self.seed ^ (13 + k), p * scale),
            )
        };
        let wild = eddy(0, 26.0) * (0.18 + 0.25 * self.hair.frizz) + eddy(3, 70.0) * (0.08 + 0.12 * self.hair.frizz);
        let down = Vec3::NEG_Y;
        match self.hair.style {
            _ if coils(self.hair) => n + down * 1.5 * walked + eddy(6, 110.0) * 0.5,
            HairStyle::Buzz => self.whorl(p, n) + n * 0.35 + wild * 0.5,
            HairStyle::Short => self.cropped(p, n, q, walked) + wild * 0.8,
            HairStyle::Swept => {
                // Behind the crown combing back becomes combing down.
                let fall = -0.25 - 1.6 * smoothstep(0.1, -0.6, q.z);
                let back = along(Vec3::new(0.3 * q.x + 0.35 * self.hair.sweep, fall, -1.0), n);
                back + down * (0.1 + 5.0 * walked) + wild * 0.4
            }
            HairStyle::Curly => self.whorl(p, n) * 0.55 + n * 0.25 + down * (0.2 + 9.0 * walked) + wild * 0.8,
            _ if fringe == Fringe::Yes => self.fringed(n, q, walked) + wild * 0.4,
            HairStyle::Tied | HairStyle::Bun => self.tied(p, n) + wild * 0.12,
            _ => self.parted(p, n, q, walked) + wild * 0.5,
        }
    }

    /// Short hair: from the crown, forwards and aside at the front, down at the sides and behind.
    fn cropped(&self, p: Vec3, n: Vec3, q: Vec3, walked: f32) -> Vec3 {
        let h = self.hair;
        let front = smoothstep(-0.1, 0.7, q.z) * smoothstep(0.3, 0.75, q.y);
        let aside = along(Vec3::X * h.part.signum() * h.sweep.abs() * 1.3, n);
        let quiff = (Vec3::Y * 0.9 - Vec3::Z * 0.5) * h.quiff;
        let flow = self.whorl(p, n) * (1.0 - 0.5 * front * h.sweep.abs()) + (aside + quiff) * front;
        let low = along(Vec3::new(0.0, -1.0, -0.35), n) * (1.0 - smoothstep(-0.1, 0.5, q.y));
        flow + low + n * (0.25 * smoothstep(0.3, 0.9, q.y)) + Vec3::NEG_Y * (0.25 + 6.0 * walked)
    }

    /// Away from the crown, with a slight turn.
    fn whorl(&self, p: Vec3, n: Vec3) -> Vec3 {
        let side = self.hair.part.signum();
        let crown = self.shell.center + self.shell.half * Vec3::new(0.12 * side, 0.8, -0.55);
        let away = along(p - crown, n);
        (away + n.cross(away) * 0.45 * side).normalize_or(away)
    }

    /// Over the forehead, a little aside, then down.
    fn fringed(&self, n: Vec3, q: Vec3, walked: f32) -> Vec3 {
        let aside = 0.6 * self.hair.sweep + 0.2 * q.x;
        along(Vec3::new(aside, -0.2, 1.0), n) * 0.8 + Vec3::NEG_Y * (0.35 + 12.0 * walked)
    }

    /// From the parting to both sides and back, then down; off the face.
    fn parted(&self, p: Vec3, n: Vec3, q: Vec3, walked: f32) -> Vec3 {
        let h = self.hair;
        let side = if q.x > h.part { 1.0 } else { -1.0 };
        let high = smoothstep(-0.1, 0.5, q.y);
        // The parting ends at the crown; behind it hair falls from the whorl.
        let front = smoothstep(-0.65, -0.05, q.z);
        let aside = Vec3::new(side, -0.25, -0.5 * smoothstep(-0.2, 0.9, q.z));
        let comb = along(aside, n) * front + along(self.whorl(p, n) + Vec3::NEG_Y, n) * (1.0 - front);
        let weight = 0.3 + 7.0 * walked.min(0.14);
        // At the temples strands are drawn back, off the face.
        let face = smoothstep(0.1, 0.55, q.z) * (1.0 - high);
        let off = along(Vec3::new(0.9 * side, 0.0, -1.2), n) * face * (1.0 - smoothstep(0.10, 0.2, walked));
        comb.normalize_or(aside) * (0.1 + high) + Vec3::NEG_Y * weight + off
    }

    /// To the knot close to the skull; then down as a tail, or round and round as a bun.
    fn tied(&self, p: Vec3, n: Vec3) -> Vec3 {
        let knot = self.knot();
        let back = (knot - self.shell.center).normalize_or(Vec3::NEG_Z);
        let past = (p - knot).dot(back);
        let aside = (p - knot) - back * past;
        if self.hair.style == HairStyle::Bun {
            // Wound around a ring that lies on the head.
            const RING_M: f32 = 0.015;
            const TUBE_M: f32 = 0.014;
            let middle = knot + back * 0.010;
            let away = p - middle;
            if away.length() < 1.3 * (RING_M + TUBE_M) {
                let out = (away - back * away.dot(back)).normalize_or(Vec3::X);
                let from_ring = away - out * RING_M;
                let outwards = from_ring.normalize_or(back);
                let tube = TUBE_M * (0.75 + 0.25 * noise(self.seed ^ 51, p * 60.0));
                let round = back.cross(out);
                return round
                    + round.cross(outwards) * 0.6
                    + outwards * ((tube - from_ring.length()) / 0.004).clamp(-2.0, 2.0);
            }
        } else if past > 0.004 {
            // A tail: out of the band, then down; it opens a little and closes towards the end.
            let below = (knot.y - p.y).max(0.0);
            let wanted = BAND_M + 0.016 * smoothstep(0.0, 0.08, below);
            let spread = aside.with_y(0.0) * ((wanted - aside.with_y(0.0).length()) / 0.02).clamp(-1.0, 0.6) * 12.0;
            return back * (0.9 * (1.0 - smoothstep(0.0, 0.03, past))) + Vec3::NEG_Y + spread * 0.5;
        }
        let near = aside.length();
        let through = smoothstep(0.028, BAND_M, near);
        // Over the ear, whose top is as high as the brows, not across it.
        let q = self.shell.local(p);
        let low = smoothstep(self.brow_y + 0.012, self.brow_y - 0.008, p.y);
        let lifted = Vec3::Y * (1.6 * low * smoothstep(-0.35, 0.0, q.z) * smoothstep(0.45, 0.75, q.x.abs()));
        along(knot - p + lifted * knot.distance(p), n).lerp(back * 1.2 - aside * 40.0, through)
    }
}

/// The way a coil strays: it never runs straight, and bends over before it ends, so that no tip stands out.
struct Wander {
    direction: Vec3,
    /// Where the tip bends to.
    over: Vec3,
}

impl Wander {
    fn new(s: &mut Stream) -> Self {
        Wander { direction: any_direction(s) * 0.5, over: any_direction(s) }
    }

    /// What is added to the wanted direction at `share` of the length.
    fn turn(&mut self, normal: Vec3, share: f32, s: &mut Stream) -> Vec3 {
        self.direction = self.direction * 0.75 + any_direction(s) * 0.35;
        self.direction + along(self.over, normal) * (1.5 * smoothstep(0.45, 1.0, share))
    }
}

fn any_direction(s: &mut Stream) -> Vec3 {
    Vec3::new(s.normal(0.0, 1.0), s.normal(0.0, 1.0), s.normal(0.0, 1.0)).normalize_or(Vec3::Y)
}

/// Points of a guide.
const POINTS: usize = 48;

/// As many points as all guides have, at even distances along a path.
fn resampled(path: &[Vec3]) -> Vec<Vec3> {
    let n = POINTS;
    let last = (path.len() - 1) as f32;
    let at = |k: usize| {
        let x = k as f32 / (n - 1) as f32 * last;
        let i = (x as usize).min(path.len() - 2);
        path[i].lerp(path[i + 1], x - i as f32)
    };
    (0..n).map(at).collect()
}

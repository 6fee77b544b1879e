//! Hair on the scalp: strands walk along a field of directions that belongs to the style, fall by their weight, stay
//! outside the head, then gather to locks and curl.
use super::{Binding, CLASS_HAIR, Ground, Shell, Strand, Tuft, along, tapered, thickened};
use crate::light::smoothstep;
use crate::person::{Hair, HairStyle};
use crate::stream::{Stream, noise, subject};

use glam::Vec3;

pub(super) fn grow(ground: &Ground, hair: &Hair, strands: u32, seed: u64) -> Option<Tuft> {
    if hair.style == HairStyle::Bald || strands == 0 {
        return None;
    }
    let scalp = ground.region("scalp");
    let shell = Shell::new(ground.skin, &scalp);
    let mut s = Stream::new(seed, &[subject::HAIR, 1]);
    let density = density(ground, &shell, hair, &scalp);
    // Short hair needs its full number to cover; long strands cover with fewer, and cost more each.
    let share = match hair.style {
        HairStyle::Buzz => 1.6,
        HairStyle::Short | HairStyle::Swept => 1.2,
        HairStyle::Afro => 0.9,
        _ => 0.8,
    };
    let roots = ground.skin.scatter(&density, (strands as f32 * share) as usize, &mut s);
    let walk = Walk { shell: &shell, hair, brow_y: brow_y(ground), seed };
    let mut spines: Vec<Vec<Vec3>> =
        roots.iter().map(|&r| walk.strand(ground.skin.position(r), ground.skin.normal(r), &mut s)).collect();
    gather(&mut spines, hair, &mut s);
    let mut tuft = Tuft::new(CLASS_HAIR, Binding::Skull, hair.pigment.material());
    let radius = if hair.style == HairStyle::Buzz { 0.6 } else { 0.85 } * thickened(40e-6, strands);
    for (root, spine) in roots.iter().zip(&spines) {
        let absorption = hair.pigment.absorption(&mut s);
        tuft.strands.push(Strand { root: *root, points: tapered(spine, radius), absorption });
    }
    Some(tuft)
}

/// How much hair grows at each vertex: the scalp without what has receded, with an uneven line.
fn density(ground: &Ground, shell: &Shell, hair: &Hair, scalp: &[f32]) -> Vec<f32> {
    let each = ground.skin.positions.iter().zip(scalp);
    each.map(|(p, w)| smoothstep(0.25, 0.75, *w) * hairline(shell.local(*p), hair)).collect()
}

/// 1 where the head still has hair, 0 where it has receded: first the temples, then the top from the front.
/// `q` is a position in half extents of the scalp.
pub fn hairline(q: Vec3, hair: &Hair) -> f32 {
    let temples = smoothstep(0.25, 0.7, q.x.abs()) * (1.0 - smoothstep(0.75, 0.95, q.x.abs()));
    let reach = 1.02 - 0.55 * hair.receding * temples - 0.35 * smoothstep(0.3, 1.0, hair.receding);
    let uneven = 0.03 * noise(17, q * 12.0);
    1.0 - smoothstep(reach - 0.08, reach + 0.04, q.z + uneven)
}

fn brow_y(ground: &Ground) -> f32 {
    ground.landmarks.get(17..27).map_or(0.02, |l| l.iter().map(|p| p.y).sum::<f32>() / 10.0)
}

/// One person's way of growing.
struct Walk<'a> {
    shell: &'a Shell,
    hair: &'a Hair,
    brow_y: f32,
    seed: u64,
}

impl Walk<'_> {
    fn strand(&self, root: Vec3, normal: Vec3, s: &mut Stream) -> Vec<Vec3> {
        let h = self.hair;
        let q = self.shell.local(root);
        let n_points = match h.style {
            HairStyle::Buzz => 4,
            HairStyle::Short | HairStyle::Swept => 7,
            HairStyle::Afro => 18,
            HairStyle::Curly => 30,
            _ => 14,
        };
        let length = self.length(root, q) * s.normal_within(1.0, 0.12, [0.6, 1.25]);
        let step = length / (n_points - 1) as f32;
        let close = if h.style == HairStyle::Tied { 0.25 } else { 1.0 };
        let layer = close * h.volume_m * s.uniform(0.05, 1.0);
        let mut one = || s.normal_within(0.0, 0.18, [-0.36, 0.36]) * h.frizz;
        let stray = Vec3::new(one(), one(), one());
        let mut p = root - normal * 0.0005;
        let mut d = (normal * self.lift(q) + along(self.field(root, q, 0.0), normal) + stray).normalize_or(normal);
        let mut points = vec![p];
        for i in 1..n_points {
            let k = i as f32 / (n_points - 1) as f32;
            let here = self.shell.local(p);
            let pull = self.field(p, here, k * length);
            d = (d * self.stiffness() + pull + stray * 0.5).normalize_or(d);
            let next = p + d * step;
            let gap = 0.0012 + layer * smoothstep(0.0, 0.25, k * length / 0.06);
            let mut free = self.shell.pushed_out(next, gap);
            // A strand is as long as it is: what the push added is taken back.
            free = p + (free - p).normalize_or(d) * step;
            let mut out = self.shell.pushed_out(free, 0.0008);
            if out.distance(free) > 0.006 {
                // Seen from the skull's middle something else stands out there: an ear, a fold of the neck.
                out = free;
            }
            d = (out - p).normalize_or(d);
            p = out;
            points.push(p);
        }
        if h.curl_radius_m > 0.0 && h.style != HairStyle::Tied {
            self.curl(&mut points, s);
        }
        points
    }

    /// Length of a strand rooted at `q` (metres).
    fn length(&self, root: Vec3, q: Vec3) -> f32 {
        let h = self.hair;
        let top = smoothstep(0.25, 0.8, q.y);
        match h.style {
            HairStyle::Short => h.length_m * (0.28 + 0.72 * top),
            HairStyle::Swept => h.length_m * (0.3 + 0.7 * top),
            HairStyle::Buzz => h.length_m * (0.6 + 0.4 * top),
            HairStyle::Afro => h.length_m * (0.55 + 0.45 * top),
            // Curls over the forehead are kept short enough to see.
            HairStyle::Curly => h.length_m * (0.75 + 0.25 * top) * (1.0 - 0.6 * smoothstep(0.55, 0.85, q.z)),
            HairStyle::Tied => {
                (root - self.knot()).length() * 1.15
                    + 0.6 * h.length_m * noise(self.seed ^ 3, root * 40.0).abs().max(0.3)
            }
            _ if self.in_fringe(q) => (root.y - self.brow_y).max(0.02) * 1.25 + 0.012,
            // Cut at one height rather than at one length: roots that lie higher grow longer.
            _ => (h.length_m * 0.75 + (root.y - self.shell.center.y).max(-0.06)).max(0.04),
        }
    }

    fn in_fringe(&self, q: Vec3) -> bool {
        self.hair.fringe && q.z > 0.55 && q.x.abs() < 0.62
    }

    /// How steeply a strand leaves the skin.
    fn lift(&self, q: Vec3) -> f32 {
        let top = smoothstep(0.4, 0.9, q.y);
        match self.hair.style {
            HairStyle::Buzz => 1.2,
            HairStyle::Short => 0.35 + 0.75 * top,
            HairStyle::Swept => 0.25 + 0.55 * top * smoothstep(-0.2, 0.8, q.z),
            HairStyle::Afro => 4.0,
            HairStyle::Curly => 1.6,
            HairStyle::Tied => 0.08,
            _ => 0.3,
        }
    }

    /// How much a strand keeps its direction from one point to the next.
    fn stiffness(&self) -> f32 {
        match self.hair.style {
            HairStyle::Afro => 6.0,
            HairStyle::Curly => 2.2,
            HairStyle::Buzz | HairStyle::Short => 2.0,
            _ => 1.1,
        }
    }

    /// Where the hair is tied.
    fn knot(&self) -> Vec3 {
        self.shell.center + self.shell.half * Vec3::new(0.0, 0.15 + 0.5 * noise(self.seed, Vec3::splat(0.3)), -1.22)
    }

    /// The direction hair takes at `p` (`q` in half extents), `along_m` metres from the root.
    fn field(&self, p: Vec3, q: Vec3, along_m: f32) -> Vec3 {
        let n = self.shell.outward(p);
        let turbulence = Vec3::new(
            noise(self.seed ^ 11, p * 28.0),
            noise(self.seed ^ 12, p * 28.0),
            noise(self.seed ^ 13, p * 28.0),
        );
        let wild = turbulence * (0.25 + 0.3 * self.hair.frizz);
        let down = Vec3::NEG_Y;
        match self.hair.style {
            HairStyle::Buzz | HairStyle::Short => along(self.whorl(p, n), n) * 1.0 + down * 0.25 + wild,
            HairStyle::Swept => {
                along(Vec3::new(0.25 * q.x, -0.35, -1.0), n) + down * 0.3 * smoothstep(0.03, 0.09, along_m) + wild * 0.6
            }
            HairStyle::Afro => n * 1.2 + wild * 1.5,
            HairStyle::Curly => {
                along(self.whorl(p, n), n) * 0.5 + n * 0.3 + down * (0.25 + 10.0 * along_m) + wild * 0.6
            }
            HairStyle::Tied => self.tied(p, n, q) + wild * 0.25,
            _ => self.parted(p, n, q, along_m) + wild * 0.7,
        }
    }

    /// Away from the crown, with a slight turn.
    fn whorl(&self, p: Vec3, n: Vec3) -> Vec3 {
        let side = self.hair.part.signum();
        let crown = self.shell.center + self.shell.half * Vec3::new(0.12 * side, 0.8, -0.55);
        let away = along(p - crown, n);
        away + n.cross(away) * 0.45 * side
    }

    /// From the parting to both sides and back, then down; off the face.
    fn parted(&self, p: Vec3, n: Vec3, q: Vec3, along_m: f32) -> Vec3 {
        let side = if q.x > self.hair.part { 1.0 } else { -1.0 };
        if self.in_fringe(self.shell.local(p)) && q.y > 0.0 && along_m < 0.08 {
            return along(Vec3::new(0.25 * side, -0.3, 1.0), n) * 0.9 + Vec3::NEG_Y * 0.5;
        }
        let high = smoothstep(0.0, 0.55, q.y);
        // The parting ends at the crown; behind it hair falls from the whorl.
        let front = smoothstep(-0.65, -0.05, q.z);
        let aside = Vec3::new(side, -0.35, -0.55 * smoothstep(-0.2, 0.9, q.z));
        let comb =
            (along(aside, n) * front + along(self.whorl(p, n) + Vec3::NEG_Y, n) * (1.0 - front)).normalize_or(aside);
        let weight = 0.35 + 6.0 * along_m.min(0.12) * (1.0 - 0.5 * high);
        // Below the temples, strands before the ears are drawn back and outwards.
        let face = smoothstep(0.15, 0.6, q.z) * (1.0 - high);
        let off = Vec3::new(1.1 * side, 0.0, -0.9) * face;
        comb * (0.15 + high) + Vec3::NEG_Y * weight + off
    }

    /// To the knot close to the skull, then down as a tail.
    fn tied(&self, p: Vec3, n: Vec3, q: Vec3) -> Vec3 {
        let knot = self.knot();
        let near = (knot - p).length();
        if near < 0.022 || q.z < -1.15 {
            let spread = Vec3::new(p.x - knot.x, 0.0, 0.0) * -6.0;
            return Vec3::new(0.0, -1.0, -0.12) + spread;
        }
        along(knot - p, n).lerp((knot - p).normalize_or(Vec3::NEG_Z), 1.0 - smoothstep(0.02, 0.07, near)) * 1.4
    }

    /// Winds a strand around itself.
    fn curl(&self, points: &mut [Vec3], s: &mut Stream) {
        let h = self.hair;
        // Neighbours curl alike: the phase is a smooth function of the root.
        let root = points[0];
        let phase = 9.0 * noise(self.seed ^ 21, root * 55.0) + s.normal(0.0, 0.35 + 0.5 * h.frizz);
        let radius = h.curl_radius_m * s.normal_within(1.0, 0.15, [0.6, 1.4]);
        let mut walked = 0.0;
        let spine = points.to_vec();
        for i in 1..points.len() {
            let d = spine[i] - spine[i - 1];
            walked += d.length();
            let t = d.normalize_or(Vec3::Y);
            let a = t.cross(Vec3::new(0.31, 0.2, 0.93)).normalize_or(t.any_orthonormal_vector());
            let (sin, cos) = (phase + walked * h.curl_turns * std::f32::consts::TAU).sin_cos();
            let wound = spine[i] + (a * cos + t.cross(a) * sin) * radius * smoothstep(0.0, 0.03, walked);
            points[i] = self.shell.pushed_out(wound, 0.0008);
        }
    }
}

/// Draws strands towards the nearest of some locks, more at the tips.
fn gather(spines: &mut [Vec<Vec3>], hair: &Hair, s: &mut Stream) {
    let strength = match hair.style {
        HairStyle::Buzz | HairStyle::Afro => 0.0,
        _ => hair.clump,
    };
    let n_locks = spines.len() / 28;
    if strength <= 0.0 || n_locks == 0 {
        return;
    }
    let locks: Vec<Vec<Vec3>> = (0..n_locks)
        .map(|_| spines[(s.uniform(0.0, spines.len() as f32) as usize).min(spines.len() - 1)].clone())
        .collect();
    for spine in spines.iter_mut() {
        let nearest =
            locks.iter().min_by(|a, b| a[0].distance_squared(spine[0]).total_cmp(&b[0].distance_squared(spine[0])));
        let Some(lock) = nearest.filter(|l| {
            l[0].distance(spine[0]) < 0.02 && l.last().zip(spine.last()).is_some_and(|(a, b)| a.distance(*b) < 0.06)
        }) else {
            continue;
        };
        let last = (spine.len() - 1) as f32;
        let own = strength * s.uniform(0.4, 1.0);
        for (i, p) in spine.iter_mut().enumerate() {
            let k = i as f32 / last;
            *p = p.lerp(lock[i], own * k.powf(1.3) * 0.85);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::person::{Looks, Origin};

    #[test]
    fn a_receding_line_recedes() {
        let mut hair = Looks::sample(1, Origin { age: 60.0, sex: 1.0, ancestry: [0.0, 0.0, 1.0] }).hair;
        let front = Vec3::new(0.4, 0.6, 0.85);
        hair.receding = 0.0;
        assert!(hairline(front, &hair) > 0.9);
        hair.receding = 1.0;
        assert!(hairline(front, &hair) < 0.1);
    }
}

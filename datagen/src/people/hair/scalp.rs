//! Hair on the scalp: roots by density, guides for locks, strands from guides, pigment with streaks of gray.
use super::guides::Walk;
use super::locks::{self, Seat, coils};
use super::{Binding, Ground, Shell, Strand, Tuft, tapered, thickened};
use crate::people::headwear::Cover;
use crate::people::person::{Curl, Hair, HairStyle};
use crate::stream::{Stream, Subject, noise};
use crate::tracer::elementary::smoothstep;
use formats::segmentation::Class;
use glam::Vec3;
use head::ibug;

/// Locks of a head at most.
const MOST_LOCKS: usize = 2800;

pub(super) fn grow(ground: &Ground, hair: &Hair, cover: Option<&Cover>, strands: u32, seed: u64) -> Option<Tuft> {
    if hair.style == HairStyle::Bald || strands == 0 {
        return None;
    }
    let scalp = ground.region("scalp");
    let shell = Shell::new(ground.skin, &scalp);
    let mut s = Stream::new(seed, Subject::ScalpStrands, &[]);
    let density = density(ground, &shell, hair, &scalp);
    let crowded = ground.skin.positions.iter().zip(&density).map(|(p, d)| d * parting(shell.local(*p), hair));
    let roots = ground.skin.scatter(&crowded.collect::<Vec<_>>(), (strands as f32 * share(hair)) as usize, &mut s);
    let seats: Vec<Seat> = roots
        .iter()
        .map(|&r| {
            let weight = ground.skin.value(r, &density);
            Seat { position: ground.skin.position(r), normal: ground.skin.normal(r), weight }
        })
        .collect();
    let walk = Walk { shell: &shell, clearance: ground.clearance, hair, brow_y: brow_y(ground), seed };
    let n_guides =
        ((seats.len() as f32 / strands_in_a_lock(hair, strands)) as usize).clamp(1, MOST_LOCKS).min(seats.len());
    let chosen = ground.skin.scatter(&density, n_guides, &mut s);
    let guides: Vec<_> =
        chosen.iter().map(|&r| walk.guide(ground.skin.position(r), ground.skin.normal(r), &mut s)).collect();
    if guides.is_empty() {
        return None;
    }
    let mut tuft = Tuft::new(Class::Hair, Binding::Skull, hair.pigment.material());
    let radius =
        if hair.style == HairStyle::Buzz { 0.6 } else { 0.85 } * thickened(40e-6, strands) * share(hair).powf(-0.4);
    let shade: Vec<f32> = guides.iter().map(|_| s.normal_within(1.0, 0.12, [0.7, 1.4])).collect();
    for ((root, seat), (spine, lock)) in
        roots.iter().zip(&seats).zip(locks::strands(&walk, &guides, &seats, points(hair)))
    {
        let fine = 0.45 + 0.55 * smoothstep(0.0, 0.7, seat.weight);
        let q = shell.local(seat.position);
        let absorption =
            shade[lock] * hair.pigment.streaked(graying(q, seat.position, guides[lock].root, seed), &mut s);
        let pressed = |p: &Vec3| cover.map_or(*p, |c| c.pressed(*p));
        let spine: Vec<Vec3> = spine.iter().map(pressed).collect();
        let points = tapered(&spine, radius * fine);
        tuft.strands.push(Strand { root: *root, points, absorption: absorption * (0.5 + 0.5 * fine) });
    }
    Some(tuft)
}

/// How much earlier than elsewhere a place turns gray: the temples first, and streak by streak.
fn graying(q: Vec3, p: Vec3, lock: Vec3, seed: u64) -> f32 {
    let temples = smoothstep(0.5, 0.9, q.x.abs()) * smoothstep(-0.3, 0.3, q.z) * (1.0 - smoothstep(0.2, 0.6, q.y));
    0.35 * temples + 0.55 * noise(seed ^ 81, lock * 55.0) + 0.25 * noise(seed ^ 82, p * 14.0)
}

/// Strands of this style for one of a plain scalp: short hair needs its full number to cover; long strands cover with
/// fewer, and cost more each; coils are long and hide each other.
fn share(hair: &Hair) -> f32 {
    match hair.style {
        HairStyle::Buzz => 1.5,
        _ if coils(hair) => 0.6,
        HairStyle::Short | HairStyle::Swept => 1.2,
        _ if hair.curl == Curl::Coily => 0.5,
        HairStyle::Curly => 0.6,
        _ => 0.8,
    }
}

fn strands_in_a_lock(hair: &Hair, strands: u32) -> f32 {
    let full = match (hair.style, hair.curl) {
        (HairStyle::Buzz, _) => 30.0,
        (_, Curl::Coily) => 11.0,
        (_, Curl::Curly) => 55.0,
        (HairStyle::Short | HairStyle::Swept, _) => 45.0,
        _ => 60.0,
    };
    // Fewer, thicker strands make as many locks.
    (full * strands as f32 / 50_000.0).max(5.0)
}

/// Control points of a strand: enough for its turns.
fn points(hair: &Hair) -> usize {
    let straight = match hair.style {
        HairStyle::Buzz => 4,
        HairStyle::Short | HairStyle::Swept => 8,
        HairStyle::Tied | HairStyle::Bun => 30,
        _ => 16,
    };
    let turns = if hair.curl_radius_m > 0.0 { hair.length_m * hair.curl_turns } else { 0.0 };
    ((turns * 6.5) as usize).clamp(straight, 64)
}

/// How much hair grows at each vertex: the scalp without what has receded.
fn density(ground: &Ground, shell: &Shell, hair: &Hair, scalp: &[f32]) -> Vec<f32> {
    let each = ground.skin.positions.iter().zip(scalp);
    each.map(|(p, w)| if *w > 0.03 { w * hairline(shell.local(*p), hair) } else { 0.0 }).collect()
}

/// Along a parting, from where strands lie down to both sides, more are needed to cover.
fn parting(q: Vec3, hair: &Hair) -> f32 {
    let parted = matches!(hair.style, HairStyle::Medium | HairStyle::Long) && q.y > 0.1 && q.z > -0.4;
    1.0 + if parted { 1.2 * (1.0 - smoothstep(0.04, 0.2, (q.x - hair.part).abs())) } else { 0.0 }
}

/// 1 where the head still has hair, 0 where it has receded: first the temples, then the crown, then the top from the front.
/// `q` is a position in half extents of the scalp.
pub fn hairline(q: Vec3, hair: &Hair) -> f32 {
    let lost = hair.receding;
    let temples = smoothstep(0.2, 0.5, q.x.abs()) * (1.0 - smoothstep(0.72, 0.95, q.x.abs()));
    let reach = 1.10 - 0.55 * lost * temples - 0.4 * smoothstep(0.35, 1.0, lost);
    let uneven = 0.04 * noise(17, q * 9.0) + 0.025 * noise(18, q * 31.0);
    let front = 1.0 - smoothstep(reach - 0.14, reach + 0.05, q.z + uneven);
    // A tonsure around the whorl, in the later half.
    let crown = (q - Vec3::new(0.0, 0.85, -0.5)).length() + uneven;
    let bare = smoothstep(0.5, 1.0, lost);
    front * (1.0 - bare * (1.0 - smoothstep(0.25 * bare, 0.25 * bare + 0.35, crown)))
}

fn brow_y(ground: &Ground) -> f32 {
    ground.landmarks.get(ibug::BROWS).map_or(0.02, |l| l.iter().map(|p| p.y).sum::<f32>() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::people::person::{Looks, Origin};

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

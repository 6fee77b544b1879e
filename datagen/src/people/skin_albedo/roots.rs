//! The shadow of hair in the skin: roots on scalp and chin, and under the brows.
use super::Painter;
use crate::people::hair::hairline;
use crate::people::person::{BeardStyle, HairStyle};
use crate::stream::noise;
use crate::tracer::elementary::smoothstep;
use glam::Vec3;

impl Painter<'_> {
    /// The tone of hair roots on scalp, chin and under the brows, which gaps between strands let through.
    pub(super) fn shaded_by_hair(&self, skin: Vec3, p: Vec3, scalp: f32, beard: f32) -> Vec3 {
        let looks = self.looks;
        let hair_cover = match looks.hair.style {
            HairStyle::Bald => 0.10 * (1.0 - looks.hair.pigment.grey),
            HairStyle::Buzz => 0.55,
            _ => 0.8,
        };
        let grown = smoothstep(0.25, 0.85, scalp);
        let line = if looks.hair.style == HairStyle::Bald { 1.0 } else { hairline(self.shell.local(p), &looks.hair) };
        let mut c = skin.lerp((self.hair * 0.6).min(skin), hair_cover * grown * line);
        let stubble = match looks.beard.style {
            BeardStyle::None => 0.40 * looks.beard.shadow,
            BeardStyle::Stubble => 0.30,
            _ => 0.35,
        };
        // Under fair skin, dark roots look blue: the skin scatters the short waves over them.
        let roots = (self.beard * 0.5 + c * Vec3::new(0.42, 0.5, 0.58)).min(c);
        c = c.lerp(
            roots,
            stubble
                * beard
                * (0.75 + 0.25 * noise(looks.skin.seed ^ 8, p * 300.0) + 0.2 * noise(looks.skin.seed ^ 10, p * 700.0))
                * (1.0 - looks.beard.pigment.grey),
        );
        let brow = self.brow_cover(p) * 0.5 * looks.brows.density;
        c.lerp((self.brow * 0.8).min(c), brow)
    }

    /// 1 on the line of a brow.
    fn brow_cover(&self, p: Vec3) -> f32 {
        let line = |points: &[Vec3; 5]| {
            let d = points.windows(2).map(|w| {
                let (a, d) = (w[0], w[1] - w[0]);
                let k = ((p - a).dot(d) / d.length_squared().max(1e-12)).clamp(0.0, 1.0);
                p.distance(a + d * k)
            });
            d.fold(f32::MAX, f32::min)
        };
        let d = line(&self.brows[0]).min(line(&self.brows[1]));
        let half = self.looks.brows.half_height_m;
        1.0 - smoothstep(0.2 * half, 1.2 * half, d)
    }
}

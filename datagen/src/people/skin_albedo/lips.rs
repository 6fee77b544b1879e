//! The red of the lips.
use super::Painter;
use crate::stream::noise;
use crate::tracer::elementary::smoothstep;
use glam::Vec3;
use head::ibug;

impl Painter<'_> {
    /// `skin` turned to lip where `lips` is one; `p` on the neutral head.
    pub(super) fn lips(&self, skin: Vec3, lips: f32, p: Vec3) -> Vec3 {
        let k = &self.looks.skin;
        let edge = smoothstep(0.35, 0.75, lips + 0.08 * noise(k.seed ^ 6, p * 350.0));
        let absorbed = Vec3::new(0.16, 0.80, 0.66) * k.lip * (1.0 - 0.45 * smoothstep(2.0, 5.0, k.melanin));
        let furrows = 1.0 + 0.10 * noise(k.seed ^ 7, p * Vec3::new(900.0, 120.0, 300.0));
        // Redder where the lips meet and blotched with blood; paler over the swell of the lower lip.
        let meet = 0.5 * (self.landmarks[ibug::UPPER_LIP_INNER] + self.landmarks[ibug::LOWER_LIP_INNER]);
        let sag = self.landmarks[ibug::MOUTH_RIGHT].y.min(self.landmarks[ibug::MOUTH_LEFT].y) - meet.y;
        let half = (0.5 * (self.landmarks[ibug::MOUTH_LEFT].x - self.landmarks[ibug::MOUTH_RIGHT].x)).max(1e-3);
        let from_line = p.y - (meet.y + sag * ((p.x - meet.x) / half).powi(2));
        let inner = (-(from_line / 0.0021).powi(2)).exp();
        let swell = (-((from_line + 0.0055) / 0.003).powi(2) - ((p.x - meet.x) / 0.012).powi(2)).exp();
        let deep = 1.0 + 0.75 * inner - 0.25 * swell + 0.22 * noise(k.seed ^ 9, p * 210.0);
        let own = skin * Vec3::from_array((-absorbed * deep).to_array().map(f32::exp)) * furrows;
        let colored = match k.lipstick {
            Some([r, g, b, opacity]) => own.lerp(Vec3::new(r, g, b), opacity),
            None => own,
        };
        skin.lerp(colored, edge)
    }
}

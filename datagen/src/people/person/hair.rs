//! Hair on the scalp: how it is worn.
//!
//! Constants, and where they come from:
//!
//! | constants                                        | source        |
//! | ------------------------------------------------ | ------------- |
//! | weights of styles by sex; bald men with age      | chosen by eye |
//! | what coily and curly hair adds and takes away    | chosen by eye |
//! | lengths of styles, radii and turns of curls      | chosen by eye |
//! | hair line: share of its retreat by age           | chosen by eye |
//! | locks, stray strands, fringe, sweep, quiff, fade | chosen by eye |
use super::{Curl, HairStyle, Origin, Pigment};
use crate::stream::Stream;
use serde::Serialize;

/// Hair on the scalp.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hair {
    /// How it is worn.
    pub style: HairStyle,
    /// Pigment.
    pub pigment: Pigment,
    /// Typical length (meters).
    pub length_m: f32,
    /// Where it is parted: x in half head widths; the sign is the side.
    pub part: f32,
    /// Thickness of the whole (meters over the skull).
    pub volume_m: f32,
    /// How it curls by itself.
    pub curl: Curl,
    /// Radius of curls (meters); 0 straight.
    pub curl_radius_m: f32,
    /// Turns a meter.
    pub curl_turns: f32,
    /// How strands gather to locks, 0..=1.
    pub clump: f32,
    /// Stray strands, 0..=1.
    pub frizz: f32,
    /// How far the hair line has gone back, 0..=1.
    pub receding: f32,
    /// Whether a fringe covers the forehead.
    pub fringe: bool,
    /// How far the front is combed aside, -1..=1.
    pub sweep: f32,
    /// How far the front stands up, 0..=1.
    pub quiff: f32,
    /// How much shorter the sides are than the top, 0..=1.
    pub fade: f32,
}

impl Hair {
    pub(super) fn sample(s: &mut Stream, origin: Origin, pigment: Pigment) -> Self {
        const STYLES: [HairStyle; 10] = [
            HairStyle::Bald,
            HairStyle::Buzz,
            HairStyle::Short,
            HairStyle::Swept,
            HairStyle::Medium,
            HairStyle::Long,
            HairStyle::Tied,
            HairStyle::Bun,
            HairStyle::Curly,
            HairStyle::Afro,
        ];
        let (male, old) = (origin.sex, ((origin.age - 30.0) / 50.0).clamp(0.0, 1.0));
        let curl = Curl::sample(s, origin.ancestry);
        //                 bald  buzz  short swept medium long tied bun curly afro
        let women = [0.01, 0.02, 0.10, 0.05, 0.27, 0.30, 0.13, 0.09, 0.0, 0.0];
        let men = [0.04 + 0.14 * old, 0.14, 0.46, 0.16, 0.07, 0.03, 0.015, 0.015, 0.0, 0.0];
        let mut weights: [f32; 10] = std::array::from_fn(|i| women[i] + (men[i] - women[i]) * male);
        match curl {
            Curl::Coily => {
                weights[1] += 0.25;
                weights[9] += 0.8;
                (weights[3], weights[4], weights[5]) = (0.0, 0.0, 0.05);
            }
            Curl::Curly => weights[8] += 0.6,
            _ => {}
        }
        let style = STYLES[s.pick(&weights)];
        let length_m = match style {
            HairStyle::Bald => 0.0,
            HairStyle::Buzz => s.uniform(0.003, 0.009),
            HairStyle::Short if curl == Curl::Coily => s.uniform(0.012, 0.025),
            HairStyle::Short => s.uniform(0.022, 0.055),
            HairStyle::Swept => s.uniform(0.05, 0.09),
            HairStyle::Medium => s.uniform(0.14, 0.22),
            HairStyle::Long => s.uniform(0.28, 0.42),
            HairStyle::Tied | HairStyle::Bun => s.uniform(0.24, 0.36),
            HairStyle::Curly => s.uniform(0.07, 0.16),
            HairStyle::Afro => s.uniform(0.015, 0.055),
        };
        let (curl_radius_m, curl_turns) = match curl {
            Curl::Straight => (0.0, 0.0),
            Curl::Wavy => (s.uniform(0.004, 0.010), s.uniform(10.0, 18.0)),
            Curl::Curly => (s.uniform(0.004, 0.009), s.uniform(22.0, 45.0)),
            Curl::Coily => (s.uniform(0.0013, 0.0026), s.uniform(130.0, 210.0)),
        };
        let receding = if male > 0.5 && origin.age > 20.0 && style != HairStyle::Bald {
            // Who has lost much wears the rest short.
            let most = if matches!(style, HairStyle::Medium | HairStyle::Long | HairStyle::Curly) { 0.3 } else { 1.0 };
            (s.normal(0.1, 0.25) + 0.6 * old).clamp(0.0, most)
        } else {
            0.0
        };
        let tight = match curl {
            Curl::Coily | Curl::Curly => 0.28,
            _ => 0.0,
        };
        Hair {
            style,
            pigment,
            length_m,
            part: s.sign() * s.uniform(0.0, 0.5),
            volume_m: s.uniform(0.005, 0.014),
            curl,
            curl_radius_m,
            curl_turns,
            clump: s.uniform(0.35, 0.7) + tight,
            frizz: s.uniform(0.05, 0.5),
            receding,
            fringe: s.chance(0.25 * (1.0 - male)),
            sweep: s.sign() * s.uniform(0.0, 1.0),
            quiff: s.uniform(-0.6, 0.9).max(0.0),
            fade: s.uniform(0.2, 0.85),
        }
    }
}

//! The unknowns, and a step from one set of values to the next.
use crate::fit::view::{RIGID, View};

/// Expression units.
pub const UNITS: usize = 52;
/// Unknowns of a picture.
pub const OWN: usize = RIGID + UNITS;
/// Identity coefficients stay within this many deviations.
pub const MOST_UNUSUAL: f64 = 3.5;

/// All unknowns.
#[derive(Clone)]
pub struct State {
    /// `[Kc]`
    pub c: Vec<f64>,
    /// `[cameras]`
    pub log_focals: Vec<f64>,
    /// `[N]`
    pub views: Vec<View>,
    /// `[N]`
    pub expressions: Vec<[f64; UNITS]>,
}

impl State {
    /// A step further, within the bounds; `cameras` `[N]` is the camera of each picture.
    pub fn moved(&self, step: &[f64], cameras: &[usize]) -> State {
        let mut next = self.clone();
        let (kc, nf) = (self.c.len(), self.log_focals.len());
        next.c.iter_mut().zip(step).for_each(|(c, s)| *c = (*c + s).clamp(-MOST_UNUSUAL, MOST_UNUSUAL));
        next.log_focals.iter_mut().zip(&step[kc..]).for_each(|(f, s)| *f += s);
        for (i, own) in step[kc + nf..].chunks_exact(OWN).enumerate() {
            next.views[i] = View { log_focal: next.log_focals[cameras[i]], ..self.views[i].moved(&own[..RIGID]) };
            for k in 0..UNITS {
                next.expressions[i][k] = (self.expressions[i][k] + own[RIGID + k]).clamp(0.0, 1.0);
            }
        }
        next
    }

    pub fn c_f32(&self) -> Vec<f32> {
        self.c.iter().map(|v| *v as f32).collect()
    }

    pub fn expression_f32(&self, i: usize) -> [f32; UNITS] {
        self.expressions[i].map(|v| v as f32)
    }
}

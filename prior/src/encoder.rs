//! E_id and E_expr: UV maps → code grids.
//!
//! Widths start from those of the UV encoders of the field (ava-256 lists them).
use crate::config::ModelConfig;
use nets::blocks::conv::{Conv2d, channels_last, conv1, conv3, halve, leaky};
use tch::{Tensor, nn};

/// Halvings from `from` to `to` texels a side.
fn levels(from: i64, to: i64) -> i64 {
    (from / to).ilog2() as i64
}

/// `z_id = E_id(x_tex, x_verts)`: two stems, merged after the first halving; never sees the expression.
#[derive(Debug)]
pub struct IdentityEncoder {
    texture_stem: Conv2d,
    position_stem: Conv2d,
    body: Trunk,
}

impl IdentityEncoder {
    /// `[B, 3, U, U]` twice → `[B, code_dim, id_grid, id_grid]`.
    pub fn new(p: nn::Path, c: &ModelConfig) -> Self {
        IdentityEncoder {
            texture_stem: halve(&p / "texture_stem", 3, 16),
            position_stem: halve(&p / "position_stem", 3, 16),
            body: Trunk::new(&p / "body", 32, levels(c.uv_size, c.id_grid) - 1, c.code_dim),
        }
    }

    /// `texture` in −1..=1, `position` normalized (see [`crate::maps`]).
    pub fn forward(&self, texture: &Tensor, position: &Tensor) -> Tensor {
        let x = Tensor::cat(
            &[
                &leaky(&channels_last(texture).apply(&self.texture_stem)),
                &leaky(&channels_last(position).apply(&self.position_stem)),
            ],
            1,
        );
        self.body.forward(&x)
    }
}

/// `z_expr = E_expr(x_exp)`: the per-texel expression offset alone; never sees the identity.
#[derive(Debug)]
pub struct ExpressionEncoder {
    stem: Conv2d,
    body: Trunk,
}

impl ExpressionEncoder {
    /// `[B, 3, U, U]` → `[B, code_dim, expr_grid, expr_grid]`.
    pub fn new(p: nn::Path, c: &ModelConfig) -> Self {
        ExpressionEncoder {
            stem: halve(&p / "stem", 3, 32),
            body: Trunk::new(&p / "body", 32, levels(c.uv_size, c.expr_grid) - 1, c.code_dim),
        }
    }

    /// `offset` in units of 1 cm.
    pub fn forward(&self, offset: &Tensor) -> Tensor {
        self.body.forward(&leaky(&channels_last(offset).apply(&self.stem)))
    }
}

/// Halvings that double the width up to 128, a 3×3, and a 1×1 to the code.
#[derive(Debug)]
struct Trunk {
    down: Vec<Conv2d>,
    mix: Conv2d,
    code: Conv2d,
}

impl Trunk {
    fn new(p: nn::Path, from: i64, halvings: i64, code_dim: i64) -> Self {
        let mut width = from;
        let down = (0..halvings)
            .map(|i| {
                let wider = (2 * width).min(128);
                let layer = halve(&p / format!("down{i}"), width, wider);
                width = wider;
                layer
            })
            .collect();
        Trunk { down, mix: conv3(&p / "mix", width, width), code: conv1(&p / "code", width, code_dim) }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let x = self.down.iter().fold(x.shallow_clone(), |x, layer| leaky(&x.apply(layer)));
        (&x + leaky(&x.apply(&self.mix))).apply(&self.code)
    }
}

//! D_id, D_expr and D_feat: codes → UV maps.
use crate::config::ModelConfig;
use nets::blocks::conv::{Conv2d, channels_last, conv3, conv3_zero, double, leaky};
use tch::{Kind, Tensor, nn};

/// What a decoder puts out before it is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Zero.
    AtMean,
    /// Whatever random weights give; for features, which need not mean anything at first.
    Random,
}

/// Doublings from a code grid to the UV size, then a 3×3 to the output, plus a per-texel bias.
#[derive(Debug)]
pub struct MapDecoder {
    widen: Conv2d,
    up: Vec<Conv2d>,
    last: Conv2d,
    texel_bias: Tensor,
}

impl MapDecoder {
    /// `[B, channels_in, grid, grid]` → `[B, channels_out, U, U]`.
    ///
    /// With [`Start::AtMean`] the last convolution starts at zero: training starts from the mean map the caller adds.
    pub fn new(p: nn::Path, c: &ModelConfig, grid: i64, channels_in: i64, channels_out: i64, start: Start) -> Self {
        let doublings = (c.uv_size / grid).ilog2() as i64;
        let width = |level: i64| (c.decoder_channels << (doublings - level).min(6)).min(128);
        let up = (0..doublings).map(|i| conv3(&p / format!("up{i}"), width(i), width(i + 1))).collect();
        let last = match start {
            Start::AtMean => conv3_zero,
            Start::Random => conv3,
        };
        MapDecoder {
            widen: conv3(&p / "widen", channels_in, width(0)),
            up,
            last: last(&p / "last", width(doublings), channels_out),
            texel_bias: p.var("texel_bias", &[1, channels_out, c.uv_size, c.uv_size], nn::Init::Const(0.0)),
        }
    }

    /// See [`MapDecoder::new`] for the shapes. Convolves in the number format of `code`; the map is `Float`.
    pub fn forward(&self, code: &Tensor) -> Tensor {
        let wide = leaky(&channels_last(code).apply(&self.widen));
        let x = self.up.iter().fold(wide, |x, layer| leaky(&double(&x).apply(layer)));
        x.apply(&self.last).to_kind(Kind::Float) + &self.texel_bias
    }
}

/// `f = D_feat(zq_id, zq_expr)`: the one place where identity and expression meet.
#[derive(Debug)]
pub struct FeatureDecoder {
    map: MapDecoder,
    id_grid: i64,
}

impl FeatureDecoder {
    /// Codes → `[B, F, U, U]`.
    pub fn new(p: nn::Path, c: &ModelConfig) -> Self {
        let map = MapDecoder::new(p.sub("map"), c, c.id_grid, 2 * c.code_dim, c.feature_channels, Start::Random);
        FeatureDecoder { map, id_grid: c.id_grid }
    }

    /// The expression grid is enlarged to the identity's and stacked onto it.
    pub fn forward(&self, zq_id: &Tensor, zq_expr: &Tensor) -> Tensor {
        let zq_expr = zq_expr.upsample_nearest2d([self.id_grid, self.id_grid], None, None);
        self.map.forward(&Tensor::cat(&[zq_id, &zq_expr], 1))
    }
}

//! D_id, D_expr and D_feat: codes → UV maps.
use crate::config::ModelConfig;
use tch::{Tensor, nn};

const SLOPE: f64 = 0.2;

fn leaky(x: &Tensor) -> Tensor {
    x.maximum(&(x * SLOPE))
}

/// Repeats texels so that the map is `size` a side (nearest; the convolution that follows smooths it).
fn enlarge(x: &Tensor, size: i64) -> Tensor {
    x.upsample_nearest2d([size, size], None, None)
}

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
    widen: nn::Conv2D,
    up: Vec<nn::Conv2D>,
    last: nn::Conv2D,
    texel_bias: Tensor,
    uv_size: i64,
}

impl MapDecoder {
    /// `[B, channels_in, grid, grid]` → `[B, channels_out, U, U]`.
    ///
    /// With [`Start::AtMean`] the last convolution starts at zero: training starts from the mean map the caller adds.
    pub fn new(p: nn::Path, c: &ModelConfig, grid: i64, channels_in: i64, channels_out: i64, start: Start) -> Self {
        let doublings = (c.uv_size / grid).ilog2() as i64;
        let width = |level: i64| (c.decoder_channels << (doublings - level).min(6)).min(128);
        let same = nn::ConvConfig { padding: 1, ..Default::default() };
        let up = (0..doublings).map(|i| nn::conv2d(&p / format!("up{i}"), width(i), width(i + 1), 3, same)).collect();
        let last = match start {
            Start::AtMean => nn::ConvConfig { ws_init: nn::Init::Const(0.0), bs_init: nn::Init::Const(0.0), ..same },
            Start::Random => same,
        };
        MapDecoder {
            widen: nn::conv2d(&p / "widen", channels_in, width(0), 3, same),
            up,
            last: nn::conv2d(&p / "last", width(doublings), channels_out, 3, last),
            texel_bias: p.var("texel_bias", &[1, channels_out, c.uv_size, c.uv_size], nn::Init::Const(0.0)),
            uv_size: c.uv_size,
        }
    }

    /// See [`MapDecoder::new`] for the shapes.
    pub fn forward(&self, code: &Tensor) -> Tensor {
        let mut x = leaky(&code.apply(&self.widen));
        let mut size = self.uv_size >> self.up.len();
        for layer in &self.up {
            size *= 2;
            x = leaky(&enlarge(&x, size).apply(layer));
        }
        x.apply(&self.last) + &self.texel_bias
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
        self.map.forward(&Tensor::cat(&[zq_id.shallow_clone(), enlarge(zq_expr, self.id_grid)], 1))
    }
}

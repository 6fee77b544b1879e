//! The prior whole: encoders, quantizers, decoders, sampling, regressors.
use crate::config::ModelConfig;
use crate::decoder::{FeatureDecoder, MapDecoder, Start};
use crate::encoder::{ExpressionEncoder, IdentityEncoder};
use crate::regions::RegionPoints;
use crate::regressor::{Base, Regressor};
use crate::tangent::frames_of_map;
use nets::blocks::vq::{Mode, Vq, VqConfig};
use splat::Colors;
use tch::{Kind, Tensor, nn};

/// Maps are learned in centimeters: offsets of a head are then of order one.
pub const CENTIMETER: f64 = 0.01;

/// UV maps of a batch of heads, as the encoders take them.
pub struct UvMaps {
    /// x_tex `[B, 3, U, U]`, display RGB in 0..=1: the head as it shows from outside, hair included.
    pub texture: Tensor,
    /// x_verts `[B, 3, U, U]`, neutral positions (meters).
    pub position: Tensor,
    /// x_exp `[B, 3, U, U]`, offset of the expression (meters).
    pub expression: Tensor,
}

impl UvMaps {
    /// Without the expression.
    pub fn at_rest(&self) -> IdentityMaps {
        IdentityMaps { texture: self.texture.shallow_clone(), position: self.position.shallow_clone() }
    }
}

/// What the three decoders make of a code.
pub struct Decoded {
    /// `[B, 3, U, U]` display RGB.
    pub texture: Tensor,
    /// `[B, 3, U, U]` meters.
    pub position: Tensor,
    /// `[B, 3, U, U]` meters.
    pub expression: Tensor,
    /// `[B, F, U, U]`
    pub features: Tensor,
}

/// A head at rest; what D_id makes of an identity code.
pub struct IdentityMaps {
    /// `[B, 3, U, U]` display RGB.
    pub texture: Tensor,
    /// `[B, 3, U, U]` meters.
    pub position: Tensor,
}

/// A batch of heads as Gaussians: `[B, N, ..]`, in head space (meters, display RGB).
pub struct HeadGaussians {
    /// `[B, N, 3]`
    pub means: Tensor,
    /// `[B, N, 4]` w x y z
    pub quats: Tensor,
    /// `[B, N, 3]`
    pub log_scales: Tensor,
    /// `[B, N]`
    pub opacity_logits: Tensor,
    /// `[B, N, 3 · K]`
    pub colors: Tensor,
    /// How `colors` is read.
    pub kind: Colors,
    /// Mean squared corrections, for L_reg.
    pub penalty: Tensor,
}

/// A code grid after quantization, with the loss that training adds.
pub struct Quantized {
    /// Same shape as the code.
    pub code: Tensor,
    /// Commitment term; zero when quantization is off.
    pub loss: Tensor,
}

struct Region {
    /// `[1, N, 1, 2]` for `grid_sample`, x right and y down in −1..1.
    grid: Tensor,
    /// `[N, 1]`
    log_scales: Tensor,
    regressor: usize,
}

/// SynShot's prior. Variables and buffers live in the `VarStore` of the path given to [`Prior::new`].
pub struct Prior {
    /// What it was built with.
    pub config: ModelConfig,
    /// Number format of the convolutions: `Float`, or `BFloat16` while training. Codes and maps are `Float` always.
    pub kind: Kind,
    id_encoder: IdentityEncoder,
    expr_encoder: ExpressionEncoder,
    id_quantizer: Vq,
    expr_quantizer: Vq,
    quantizing: bool,
    features: FeatureDecoder,
    identity: MapDecoder,
    expression: MapDecoder,
    regressors: Vec<Regressor>,
    regions: Vec<Region>,
    /// `[1, 3, U, U]` meters: mean of the training heads.
    mean_position: Tensor,
    /// `[1, 3, U, U]` display RGB.
    mean_texture: Tensor,
    /// `[1, 1, U, U]` 1 on the surface.
    mask: Tensor,
}

impl Decoded {
    /// The same appearance on the surface of `maps`.
    pub fn on(self, maps: &UvMaps) -> Decoded {
        let (position, expression) = (maps.position.shallow_clone(), maps.expression.shallow_clone());
        Decoded { position, expression, ..self }
    }

    /// D_id's maps.
    pub fn identity(&self) -> IdentityMaps {
        IdentityMaps { texture: self.texture.shallow_clone(), position: self.position.shallow_clone() }
    }
}

impl Prior {
    /// `n_points`: Gaussians of each region (stored with the weights); buffers are filled by [`Prior::set_mean`] and
    /// [`Prior::set_regions`], or by loading weights.
    pub fn new(p: nn::Path, config: &ModelConfig, n_points: &[i64]) -> Self {
        let c = config;
        let vq = |codes| VqConfig { codes, dim: c.code_dim, reseed_after: c.reseed_after, ..Default::default() };
        let decoder = |name: &str, grid, channels| {
            MapDecoder::new(p.sub("decoders").sub(name), c, grid, c.code_dim, channels, Start::AtMean)
        };
        let trained = trained_regions(c);
        let n_regressors = if c.two_layers { trained } else { 1 };
        // Parts that only avatars keep apart were trained as detail, or as face where there was no detail.
        let regressor_of = |i: usize| if i < trained { i } else { (trained - 1) / 2 * 2 };
        let reach = |i: usize| match i {
            1 => (c.hair_reach_m, 0.01),
            2 => (c.detail_reach_m, 1.0),
            _ => (c.skin_reach_m, 1.0),
        };
        let zeros = |name: &str, shape: &[i64]| p.sub("buffers").zeros_no_train(name, shape);
        let regions = n_points.iter().enumerate().map(|(i, &n)| Region {
            grid: zeros(&format!("grid{i}"), &[1, n, 1, 2]),
            log_scales: zeros(&format!("log_scales{i}"), &[n, 1]),
            regressor: regressor_of(i).min(n_regressors - 1),
        });
        Prior {
            kind: Kind::Float,
            id_encoder: IdentityEncoder::new(p.sub("encoders").sub("identity"), c),
            expr_encoder: ExpressionEncoder::new(p.sub("encoders").sub("expression"), c),
            id_quantizer: Vq::new(&p.sub("quantizers").sub("identity"), vq(c.id_codes)),
            expr_quantizer: Vq::new(&p.sub("quantizers").sub("expression"), vq(c.expr_codes)),
            quantizing: c.quantise,
            features: FeatureDecoder::new(p.sub("decoders").sub("features"), c),
            identity: decoder("identity", c.id_grid, 6),
            expression: decoder("expression", c.expr_grid, 3),
            regressors: (0..n_regressors)
                .map(|i| Regressor::new(p.sub("regressors").sub(i.to_string()), c, reach(i).0, reach(i).1))
                .collect(),
            regions: regions.collect(),
            mean_position: zeros("mean_position", &[1, 3, c.uv_size, c.uv_size]),
            mean_texture: zeros("mean_texture", &[1, 3, c.uv_size, c.uv_size]),
            mask: zeros("mask", &[1, 1, c.uv_size, c.uv_size]),
            config: config.clone(),
        }
    }

    /// Sets the mean maps `[3, U, U]` (meters, display RGB) and the surface mask `[1, U, U]`.
    pub fn set_mean(&mut self, position: &Tensor, texture: &Tensor, mask: &Tensor) {
        tch::no_grad(|| {
            self.mean_position.copy_(&position.unsqueeze(0));
            self.mean_texture.copy_(&texture.unsqueeze(0));
            self.mask.copy_(&mask.unsqueeze(0));
        });
    }

    /// Sets where the Gaussians sit.
    pub fn set_regions(&mut self, points: &[RegionPoints]) {
        tch::no_grad(|| {
            for (region, points) in self.regions.iter_mut().zip(points) {
                let xy: Vec<f32> = points.uvs.iter().flat_map(|uv| [2.0 * uv.x - 1.0, 1.0 - 2.0 * uv.y]).collect();
                region.grid.copy_(&Tensor::from_slice(&xy).view_as(&region.grid));
                region.log_scales.copy_(&Tensor::from_slice(&points.log_scales).view_as(&region.log_scales));
            }
        });
    }

    /// Lets codes pass as they are while training is `young` and the codebook empty; else as the configuration says.
    pub fn quantize_unless(&mut self, young: bool) {
        self.quantizing = self.config.quantise && (!young || self.id_quantizer.is_filled());
    }

    /// z_id `[B, code_dim, id_grid, id_grid]`, not yet quantized.
    pub fn encode_identity(&self, texture: &Tensor, position: &Tensor) -> Tensor {
        let offset = (position - &self.mean_position) / CENTIMETER * &self.mask;
        let (texture, offset) = (((texture * 2.0 - 1.0) * &self.mask).to_kind(self.kind), offset.to_kind(self.kind));
        self.id_encoder.forward(&texture, &offset).to_kind(Kind::Float)
    }

    /// z_expr `[B, code_dim, expr_grid, expr_grid]`, not yet quantized.
    pub fn encode_expression(&self, expression: &Tensor) -> Tensor {
        let offset = (expression / CENTIMETER * &self.mask).to_kind(self.kind);
        self.expr_encoder.forward(&offset).to_kind(Kind::Float)
    }

    /// Nearest codes, straight-through; [`Mode::Train`] also moves the codebook.
    pub fn quantize_identity(&mut self, z: &Tensor, mode: Mode) -> Quantized {
        quantize(self.quantizing.then_some(&mut self.id_quantizer), z, mode)
    }

    /// Nearest codes, straight-through; [`Mode::Train`] also moves the codebook.
    pub fn quantize_expression(&mut self, z: &Tensor, mode: Mode) -> Quantized {
        quantize(self.quantizing.then_some(&mut self.expr_quantizer), z, mode)
    }

    /// D_id, D_expr and D_feat.
    pub fn decode(&self, zq_id: &Tensor, zq_expr: &Tensor) -> Decoded {
        self.decode_with(&self.decode_identity(zq_id), zq_id, zq_expr)
    }

    /// D_id: texture (display RGB) and position (meters), `[B, 3, U, U]` each. The same for every expression, so a
    /// driven avatar asks once.
    pub fn decode_identity(&self, zq_id: &Tensor) -> IdentityMaps {
        let maps = self.identity.forward(&zq_id.to_kind(self.kind));
        IdentityMaps {
            texture: &self.mean_texture + maps.narrow(1, 0, 3) * 0.5,
            position: &self.mean_position + maps.narrow(1, 3, 3) * CENTIMETER,
        }
    }

    /// D_expr: `[B, 3, U, U]` meters.
    pub fn decode_expression(&self, zq_expr: &Tensor) -> Tensor {
        self.expression.forward(&zq_expr.to_kind(self.kind)) * CENTIMETER
    }

    /// D_expr and D_feat, beside identity maps at hand.
    pub fn decode_with(&self, identity: &IdentityMaps, zq_id: &Tensor, zq_expr: &Tensor) -> Decoded {
        Decoded {
            texture: identity.texture.shallow_clone(),
            position: identity.position.shallow_clone(),
            expression: self.decode_expression(zq_expr),
            features: self.features.forward(&zq_id.to_kind(self.kind), &zq_expr.to_kind(self.kind)),
        }
    }

    /// Samples the maps at every region's grid and regresses the Gaussians.
    pub fn gaussians(&self, maps: &Decoded) -> HeadGaussians {
        let surface = &maps.position + &maps.expression;
        let frames = frames_of_map(&surface);
        let parts: Vec<_> = self
            .regions
            .iter()
            .map(|region| {
                let at = |map: &Tensor| sample(map, &region.grid);
                let base = Base {
                    means: at(&surface),
                    quats: at(&frames),
                    texture: at(&maps.texture),
                    features: at(&maps.features),
                    log_scales: region.log_scales.shallow_clone(),
                };
                self.regressors[region.regressor].forward(&base)
            })
            .collect();
        let cat =
            |f: fn(&crate::regressor::Regressed) -> &Tensor| Tensor::cat(&parts.iter().map(f).collect::<Vec<_>>(), 1);
        HeadGaussians {
            means: cat(|r| &r.means),
            quats: cat(|r| &r.quats),
            log_scales: cat(|r| &r.log_scales),
            opacity_logits: cat(|r| &r.opacity_logits),
            colors: cat(|r| &r.colors),
            kind: Colors::Sh { degree: self.config.sh_degree as usize },
            penalty: Tensor::stack(&parts.iter().map(|r| &r.penalty).collect::<Vec<_>>(), 0).mean(Kind::Float),
        }
    }

    /// Mean maps of the training heads: position (meters), texture (display RGB), mask.
    pub fn means(&self) -> (&Tensor, &Tensor, &Tensor) {
        (&self.mean_position, &self.mean_texture, &self.mask)
    }

    /// Codes in use of each quantizer (perplexity of the averaged counts).
    pub fn code_usage(&self) -> (f64, f64) {
        (self.id_quantizer.usage(), self.expr_quantizer.usage())
    }

    /// Gaussians of each region.
    pub fn n_points(&self) -> Vec<i64> {
        self.regions.iter().map(|r| r.log_scales.size()[0]).collect()
    }

    /// Gaussians of the regions that the regressors were trained for; the rest are an avatar's rigid parts.
    pub fn n_trained(&self) -> i64 {
        self.n_points()[..trained_regions(&self.config).min(self.regions.len())].iter().sum()
    }

    /// `[N, 1]` ln of the neighbors' distance (meters) of every Gaussian.
    pub fn base_log_scales(&self) -> Tensor {
        Tensor::cat(&self.regions.iter().map(|r| &r.log_scales).collect::<Vec<_>>(), 0)
    }

    /// A map `[B, C, U, U]` at every Gaussian: `[B, N, C]`.
    pub fn at_points(&self, map: &Tensor) -> Tensor {
        Tensor::cat(&self.regions.iter().map(|r| sample(map, &r.grid)).collect::<Vec<_>>(), 1)
    }
}

/// Regions of the training: face and scalp, and detail where it has a grid of its own.
fn trained_regions(c: &ModelConfig) -> usize {
    match (c.sampling, c.detail_grid > 0) {
        (false, _) => 1,
        (true, false) => 2,
        (true, true) => 3,
    }
}

/// Without a quantizer the code passes as it is.
fn quantize(quantizer: Option<&mut Vq>, z: &Tensor, mode: Mode) -> Quantized {
    match quantizer {
        Some(quantizer) => {
            let out = quantizer.forward(z, mode);
            Quantized { code: out.codes, loss: out.loss }
        }
        None => Quantized { code: z.shallow_clone(), loss: Tensor::zeros([], (Kind::Float, z.device())) },
    }
}

/// Bilinear lookup `[B, C, U, U]` at `[1, N, 1, 2]` → `[B, N, C]`; texel centers at +0.5.
fn sample(map: &Tensor, grid: &Tensor) -> Tensor {
    let (batch, n) = (map.size()[0], grid.size()[1]);
    map.grid_sampler(&grid.expand([batch, n, 1, 2], false), 0, 1, false).squeeze_dim(3).transpose(1, 2)
}

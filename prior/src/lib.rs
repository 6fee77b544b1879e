//! The prior of 3D-Gaussian heads, after SynShot (Zielon et al., CVPR 2025, arXiv 2501.06903), learned from renders alone.
//!
//! ```text
//! z_id   = E_id(x_tex, x_verts)      z_expr = E_expr(x_exp)         encoder
//! zq_id  = q(z_id)                   zq_expr = q(z_expr)            nets::blocks::vq
//! x̂_tex, x̂_verts = D_id(zq_id)       x̂_exp = D_expr(zq_expr)        decoder
//! f      = D_feat(zq_id, zq_expr)
//! X      = x̂_verts + x̂_exp; per region: φ = B(X, uv), θ from ∂X/∂uv, σ from neighbors, g = B(f, uv)
//! SH     = R_color(g, x̂_tex)         δφ, δσ, δθ, opacity = R_gauss(g)   regressor
//! ```
//! Gaussians live in head space (meters); their colors are display-referred sRGB, as `.ply` viewers expect, because
//! photos are compared there.
#![deny(missing_docs)]

pub mod config;
pub mod data;
pub mod decoder;
pub mod encoder;
pub mod eval;
pub mod loss;
pub mod maps;
pub mod model;
pub mod picture;
pub mod regions;
pub mod regressor;
pub mod sample;
pub mod tangent;
pub mod tone;
pub mod train;
pub mod weights;

pub use config::PriorConfig;
pub use model::Prior;

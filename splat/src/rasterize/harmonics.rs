//! Real spherical harmonics up to degree 3, in the order and with the signs of Kerbl et al. 2023.
use crate::gaussians::SH_C0_F32;

/// Coefficients at the highest degree.
pub const MAX_K: usize = 16;

/// The first `(degree + 1)²` basis functions in unit direction `d`; the rest is 0.
#[inline(always)]
pub fn basis(degree: usize, [x, y, z]: [f32; 3]) -> [f32; MAX_K] {
    let mut b = [0.0; MAX_K];
    b[0] = SH_C0_F32;
    if degree >= 1 {
        b[1] = -0.488_602_5 * y;
        b[2] = 0.488_602_5 * z;
        b[3] = -0.488_602_5 * x;
    }
    let (xx, yy, zz) = (x * x, y * y, z * z);
    if degree >= 2 {
        b[4] = 1.092_548_4 * x * y;
        b[5] = -1.092_548_4 * y * z;
        b[6] = 0.315_391_57 * (2.0 * zz - xx - yy);
        b[7] = -1.092_548_4 * x * z;
        b[8] = 0.546_274_2 * (xx - yy);
    }
    if degree >= 3 {
        b[9] = -0.590_043_6 * y * (3.0 * xx - yy);
        b[10] = 2.890_611_4 * x * y * z;
        b[11] = -0.457_045_8 * y * (4.0 * zz - xx - yy);
        b[12] = 0.373_176_34 * z * (2.0 * zz - 3.0 * xx - 3.0 * yy);
        b[13] = -0.457_045_8 * x * (4.0 * zz - xx - yy);
        b[14] = 1.445_305_7 * z * (xx - yy);
        b[15] = -0.590_043_6 * x * (xx - 3.0 * yy);
    }
    b
}

/// `Σ_k weights[k] · ∂basis[k]/∂d`, d taken as three free numbers.
#[inline(always)]
pub fn gradient(degree: usize, [x, y, z]: [f32; 3], weights: &[f32; MAX_K]) -> [f32; 3] {
    let v = weights;
    let mut g = [0.0; 3];
    if degree >= 1 {
        g = [-0.488_602_5 * v[3], -0.488_602_5 * v[1], 0.488_602_5 * v[2]];
    }
    if degree >= 2 {
        let (a, b, c, d, e) =
            (1.092_548_4 * v[4], -1.092_548_4 * v[5], 0.315_391_57 * v[6], -1.092_548_4 * v[7], 0.546_274_2 * v[8]);
        g[0] += a * y - 2.0 * c * x + d * z + 2.0 * e * x;
        g[1] += a * x + b * z - 2.0 * c * y - 2.0 * e * y;
        g[2] += b * y + 4.0 * c * z + d * x;
    }
    if degree >= 3 {
        let (xx, yy, zz) = (x * x, y * y, z * z);
        let (a, b, c, d) = (-0.590_043_6 * v[9], 2.890_611_4 * v[10], -0.457_045_8 * v[11], 0.373_176_34 * v[12]);
        let (e, f, h) = (-0.457_045_8 * v[13], 1.445_305_7 * v[14], -0.590_043_6 * v[15]);
        g[0] += 6.0 * a * x * y + b * y * z - 2.0 * c * x * y - 6.0 * d * x * z;
        g[0] += e * (4.0 * zz - 3.0 * xx - yy) + 2.0 * f * x * z + h * (3.0 * xx - 3.0 * yy);
        g[1] += a * (3.0 * xx - 3.0 * yy) + b * x * z + c * (4.0 * zz - xx - 3.0 * yy) - 6.0 * d * y * z;
        g[1] += -2.0 * e * x * y - 2.0 * f * y * z - 6.0 * h * x * y;
        g[2] += b * x * y + 8.0 * c * y * z + d * (6.0 * zz - 3.0 * xx - 3.0 * yy);
        g[2] += 8.0 * e * x * z + f * (xx - yy);
    }
    g
}

//! Three numbers at a time, as plain arrays: the loops over Gaussians are compiled for several instruction sets, and
//! arrays leave the compiler free in each.

/// Rows.
pub type Mat3 = [[f32; 3]; 3];

#[inline(always)]
pub fn triple(v: &[f32], n: usize) -> [f32; 3] {
    [v[3 * n], v[3 * n + 1], v[3 * n + 2]]
}

#[inline(always)]
pub fn dot(a: [f32; 3], b: [f32; 3]) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

#[inline(always)]
pub fn cross(a: [f32; 3], b: [f32; 3]) -> [f32; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

#[inline(always)]
pub fn scaled(v: [f32; 3], s: f32) -> [f32; 3] {
    [v[0] * s, v[1] * s, v[2] * s]
}

#[inline(always)]
pub fn sum_of(a: [f32; 3], b: [f32; 3]) -> [f32; 3] {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

/// `s · a + t · b`
#[inline(always)]
pub fn mix(s: f32, a: [f32; 3], t: f32, b: [f32; 3]) -> [f32; 3] {
    [s * a[0] + t * b[0], s * a[1] + t * b[1], s * a[2] + t * b[2]]
}

#[inline(always)]
pub fn times(m: &Mat3, v: [f32; 3]) -> [f32; 3] {
    [dot(m[0], v), dot(m[1], v), dot(m[2], v)]
}

#[inline(always)]
pub fn transposed_times(m: &Mat3, v: [f32; 3]) -> [f32; 3] {
    sum_of(scaled(m[0], v[0]), mix(v[1], m[1], v[2], m[2]))
}

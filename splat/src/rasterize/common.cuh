// What the kernels share. The host writes before it the constants of the CPU rasterizer (ALPHA_CUT, ALPHA_CAP,
// TRANSMITTANCE_STOP, DILATION_PX2) and the variant:
//   CHANNELS   C of the image                     SH_DEGREE  0 to 3, or -1 where colors are features
//   DEPTH      1 if expected depth is drawn too   SMOOTH     1 for the smooth alpha cutoff of tests
//
// Letters: B scenes, N Gaussians a scene, V cameras a scene, I = B·V images, P = I·N (image, Gaussian) pairs,
// T tiles an image, Q (Gaussian, tile) instances. A pair's index is image·N + n, a tile's key image·T + tile.
// No sum depends on the order in which threads run; atomics only ever count in integers.

typedef unsigned int u32;
typedef unsigned long long u64;

constexpr u32 WARP = 32;
constexpr u32 ALL_LANES = 0xffffffffu;
constexpr int TILE = 16;                // pixels a tile side
constexpr int TILE_PIXELS = TILE * TILE;

// Values blended: channels, then camera z.
constexpr int PLANES = CHANNELS + DEPTH;
// Instances that a lane owns on the backward pass, and a warp: what a pixel's state before each bucket is kept for. Two a lane
// halve that memory, and the shuffles and loads an instance; wide images have no registers for it.
constexpr int OWN = PLANES <= 4 ? 2 : 1;
constexpr int BUCKET = OWN * WARP;
// Floats a splat: mean x y, xx, xy, yy, log2(opacity), camera z, channels; filled up to whole float4.
constexpr int SPLAT_FLOATS = (7 + CHANNELS + 3) / 4 * 4;
constexpr int COLOR_FLOATS = SH_DEGREE < 0 ? CHANNELS : 3 * (SH_DEGREE + 1) * (SH_DEGREE + 1);

#define DEVICE __device__ __forceinline__

// A camera as the host uploads it. Rows of the rotation from world to camera, pixels, meters.
struct Lens {
    float rotation[9];
    float translation[3];
    float eye[3];
    float focal[2];
    float center[2];
    float size[2];
};

DEVICE u32 lane_index() { return threadIdx.x % WARP; }
DEVICE u32 lanes_below(u32 lane) { return (1u << lane) - 1u; }

DEVICE float dot3(const float* a, const float* b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

DEVICE void cross3(const float* a, const float* b, float* out) {
    out[0] = a[1] * b[2] - a[2] * b[1];
    out[1] = a[2] * b[0] - a[0] * b[2];
    out[2] = a[0] * b[1] - a[1] * b[0];
}

// out = m · v, m by rows.
DEVICE void times3(const float* m, const float* v, float* out) {
    for (int i = 0; i < 3; i++) out[i] = dot3(m + 3 * i, v);
}

// out = mᵀ · v
DEVICE void transposed_times3(const float* m, const float* v, float* out) {
    for (int i = 0; i < 3; i++) out[i] = m[i] * v[0] + m[3 + i] * v[1] + m[6 + i] * v[2];
}

// Sum over a warp in a fixed order; every lane gets it.
DEVICE float warp_sum(float v) {
    for (int step = WARP / 2; step > 0; step /= 2) v += __shfl_xor_sync(ALL_LANES, v, step);
    return v;
}

// 2ˣ within 2 ulp; results under 2⁻¹²⁶ are 0.
DEVICE float exp2_fast(float x) {
#ifdef EMULATED
    return exp2f(x);
#else
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
#endif
}

// First index in `sorted[0..n]` whose key is not under `key`.
DEVICE u32 lower_bound(const u32* sorted, u32 n, u32 key) {
    u32 low = 0, high = n;
    while (low < high) {
        const u32 middle = low + (high - low) / 2;
        if (sorted[middle] < key) low = middle + 1;
        else high = middle;
    }
    return low;
}

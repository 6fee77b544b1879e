// L1 and structural similarity of two images in one loss, and its gradient. Mirrors loss.rs.
// Variant: CHANNELS. Images are [I, H, W, CHANNELS]; beyond the frame all is 0.

typedef unsigned int u32;
typedef unsigned long long u64;
#define DEVICE __device__ __forceinline__

constexpr u32 ALL_LANES = 0xffffffffu;
constexpr int TILE = 16, RADIUS = WINDOW / 2, HALO = TILE + 2 * RADIUS;
constexpr u32 THREADS = TILE * TILE;
constexpr int MOMENTS = 5;  // x, y, x², y², xy under the window

struct LossArgs {
    const float* image;         // [I, H, W, CHANNELS]
    const float* target;        // [I, H, W, CHANNELS]
    float* partials;            // [3, I, H, W, CHANNELS] of similarity by E[x], E[x²], E[xy]
    float* shares;              // [blocks, 2] Σ|x − y| and Σ similarity
    float* gradient;            // [I, H, W, CHANNELS]
    u32 width;
    u32 height;
    u32 n_images;
    float l1_weight;            // of each |x − y|
    float similarity_weight;    // of each window's similarity
};

// The tile of one channel of one image that a block works on.
struct Patch {
    int left, top;
    u64 base;   // of the image's channel
};

DEVICE Patch patch_of(const LossArgs& a) {
    const u32 across = (a.width + TILE - 1) / TILE, down = (a.height + TILE - 1) / TILE;
    const u32 tile = blockIdx.x % (across * down), plane = blockIdx.x / (across * down);
    const u32 image = plane / CHANNELS, channel = plane % CHANNELS;
    return Patch{(int)(tile % across) * TILE, (int)(tile / across) * TILE, (u64)image * a.width * a.height * CHANNELS + channel};
}

DEVICE bool inside(const LossArgs& a, int x, int y) { return x >= 0 && y >= 0 && x < (int)a.width && y < (int)a.height; }
DEVICE u64 index_of(const LossArgs& a, const Patch& p, int x, int y) { return p.base + ((u64)y * a.width + x) * CHANNELS; }

// Sum over the block in a fixed order; thread 0 gets it. Every thread must come here.
DEVICE float block_sum(float v) {
    __shared__ float sums[THREADS / 32];
    for (int step = 16; step > 0; step /= 2) v += __shfl_xor_sync(ALL_LANES, v, step);
    if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = v;
    __syncthreads();
    float sum = 0.0f;
    for (u32 w = 0; w < THREADS / 32; w++) sum += sums[w];
    __syncthreads();
    return sum;
}

// Similarity of one window (Wang et al. 2004, eq. 13) and its partial derivatives by E[x], E[x²] and E[xy].
DEVICE float similarity(const float* m, float* partials) {
    const float x = m[0], y = m[1];
    const float a1 = 2.0f * x * y + SSIM_C1, a2 = 2.0f * (m[4] - x * y) + SSIM_C2;
    const float b1 = x * x + y * y + SSIM_C1, b2 = m[2] - x * x + m[3] - y * y + SSIM_C2;
    const float per_b = 1.0f / (b1 * b2), s = a1 * a2 * per_b;
    partials[0] = 2.0f * y * (a2 - a1) * per_b - 2.0f * x * s / b1 + 2.0f * x * s / b2;
    partials[1] = -s / b2;
    partials[2] = 2.0f * a1 * per_b;
    return s;
}

// grid: one block of 16×16 threads per tile of every channel of every image.
extern "C" __global__ void __launch_bounds__(THREADS) loss(LossArgs a) {
    __shared__ float pixels[2][HALO][HALO];
    __shared__ float rows[MOMENTS][HALO][TILE];
    const u32 thread = threadIdx.x;
    const Patch p = patch_of(a);
    for (u32 i = thread; i < HALO * HALO; i += THREADS) {
        const int column = i % HALO, row = i / HALO, x = p.left + column - RADIUS, y = p.top + row - RADIUS;
        const bool in = inside(a, x, y);
        pixels[0][row][column] = in ? a.image[index_of(a, p, x, y)] : 0.0f;
        pixels[1][row][column] = in ? a.target[index_of(a, p, x, y)] : 0.0f;
    }
    __syncthreads();
    for (u32 i = thread; i < HALO * TILE; i += THREADS) {
        const int column = i % TILE, row = i / TILE;
        float m[MOMENTS] = {};
        for (int k = 0; k < WINDOW; k++) {
            const float w = WEIGHTS[k], x = pixels[0][row][column + k], y = pixels[1][row][column + k];
            m[0] += w * x, m[1] += w * y, m[2] += w * x * x, m[3] += w * y * y, m[4] += w * x * y;
        }
        for (int j = 0; j < MOMENTS; j++) rows[j][row][column] = m[j];
    }
    __syncthreads();
    const int column = thread % TILE, row = thread / TILE, x = p.left + column, y = p.top + row;
    float m[MOMENTS] = {}, partials[3] = {}, alike = 0.0f;
    for (int k = 0; k < WINDOW; k++)
        for (int j = 0; j < MOMENTS; j++) m[j] += WEIGHTS[k] * rows[j][row + k][column];
    if (inside(a, x, y)) {
        alike = similarity(m, partials);
        const u64 at = index_of(a, p, x, y), plane = (u64)a.n_images * a.width * a.height * CHANNELS;
        for (int j = 0; j < 3; j++) a.partials[j * plane + at] = partials[j];
    }
    // Outside the image both are 0.
    const float distance = fabsf(pixels[0][row + RADIUS][column + RADIUS] - pixels[1][row + RADIUS][column + RADIUS]);
    const float l1 = block_sum(distance), similar = block_sum(alike);
    if (thread == 0) a.shares[2 * blockIdx.x] = l1, a.shares[2 * blockIdx.x + 1] = similar;
}

// grid: as `loss`.
extern "C" __global__ void __launch_bounds__(THREADS) loss_back(LossArgs a) {
    __shared__ float partials[3][HALO][HALO];
    __shared__ float rows[3][HALO][TILE];
    const u32 thread = threadIdx.x;
    const Patch p = patch_of(a);
    const u64 plane = (u64)a.n_images * a.width * a.height * CHANNELS;
    for (u32 i = thread; i < HALO * HALO; i += THREADS) {
        const int column = i % HALO, row = i / HALO, x = p.left + column - RADIUS, y = p.top + row - RADIUS;
        const bool in = inside(a, x, y);
        for (int j = 0; j < 3; j++) partials[j][row][column] = in ? a.partials[j * plane + index_of(a, p, x, y)] : 0.0f;
    }
    __syncthreads();
    for (u32 i = thread; i < HALO * TILE; i += THREADS) {
        const int column = i % TILE, row = i / TILE;
        for (int j = 0; j < 3; j++) {
            float sum = 0.0f;
            for (int k = 0; k < WINDOW; k++) sum += WEIGHTS[k] * partials[j][row][column + k];
            rows[j][row][column] = sum;
        }
    }
    __syncthreads();
    const int column = thread % TILE, row = thread / TILE, x = p.left + column, y = p.top + row;
    if (!inside(a, x, y)) return;
    float by[3] = {};
    for (int k = 0; k < WINDOW; k++)
        for (int j = 0; j < 3; j++) by[j] += WEIGHTS[k] * rows[j][row + k][column];
    const u64 at = index_of(a, p, x, y);
    const float mine = a.image[at], wanted = a.target[at];
    const float sign = mine > wanted ? 1.0f : mine < wanted ? -1.0f : 0.0f;
    a.gradient[at] = a.l1_weight * sign + a.similarity_weight * (by[0] + 2.0f * mine * by[1] + wanted * by[2]);
}

struct LossSumArgs {
    const float* shares;    // [n, 2]
    float* loss;            // [3] (1 − λ) l1 + λ (1 − similarity), l1, similarity
    u32 n;
    float count;            // numbers of all images
    float ssim_weight;      // λ
};

// grid: one block of 256 threads.
extern "C" __global__ void __launch_bounds__(THREADS) loss_sum(LossSumArgs a) {
    __shared__ double sums[2][THREADS];
    double l1 = 0.0, similar = 0.0;
    for (u32 i = threadIdx.x; i < a.n; i += THREADS) l1 += a.shares[2 * i], similar += a.shares[2 * i + 1];
    sums[0][threadIdx.x] = l1, sums[1][threadIdx.x] = similar;
    for (u32 half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x >= half) continue;
        for (int k = 0; k < 2; k++) sums[k][threadIdx.x] += sums[k][threadIdx.x + half];
    }
    if (threadIdx.x > 0) return;
    const double mean_l1 = sums[0][0] / a.count, mean_similar = sums[1][0] / a.count;
    a.loss[0] = (float)((1.0 - a.ssim_weight) * mean_l1 + a.ssim_weight * (1.0 - mean_similar));
    a.loss[1] = (float)mean_l1;
    a.loss[2] = (float)mean_similar;
}

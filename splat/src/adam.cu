// One step of Adam (Kingma & Ba 2015, algorithm 1) on several arrays in one launch. Mirrors adam.rs; no variant.
// grid: blocks of 256 threads with 4 numbers each; every array begins with a block of its own.

typedef unsigned int u32;

constexpr u32 MOST_ARRAYS = 8, THREADS = 256, ITEMS = 4;

struct AdamArray {
    float* values;          // [n]
    const float* gradient;  // [n]
    float* mean;            // [n] running mean of the gradient
    float* square;          // [n] running mean of its square
    u32 n;
    u32 first_block;
    float rate;
    u32 unused;             // so that arrays of this follow each other without a gap
};

struct AdamArgs {
    AdamArray arrays[MOST_ARRAYS];
    u32 n_arrays;
    float beta1;
    float beta2;
    float epsilon;
    float mean_scale;       // 1 / (1 − beta1ᵗ)
    float square_scale;     // 1 / (1 − beta2ᵗ)
};

extern "C" __global__ void __launch_bounds__(THREADS) adam(const __grid_constant__ AdamArgs a) {
    u32 which = 0;
    while (which + 1 < a.n_arrays && blockIdx.x >= a.arrays[which + 1].first_block) which++;
    const AdamArray& array = a.arrays[which];
    const u32 first = (blockIdx.x - array.first_block) * THREADS * ITEMS + threadIdx.x;
    for (u32 i = first; i < first + THREADS * ITEMS && i < array.n; i += THREADS) {
        const float g = array.gradient[i];
        const float mean = a.beta1 * array.mean[i] + (1.0f - a.beta1) * g;
        const float square = a.beta2 * array.square[i] + (1.0f - a.beta2) * g * g;
        array.mean[i] = mean;
        array.square[i] = square;
        array.values[i] -= array.rate * mean * a.mean_scale / (sqrtf(square * a.square_scale) + a.epsilon);
    }
}

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
    float rate;             // of the first `head` of every `stride` numbers
    float tail_rate;        // of the others
    u32 stride;
    u32 head;
};

struct AdamArgs {
    AdamArray arrays[MOST_ARRAYS];
    u32 n_arrays;
    float beta1;
    float beta2;
    float epsilon;
    float correction1;      // 1 − beta1ᵗ
    float correction2;      // 1 − beta2ᵗ
};

extern "C" __global__ void __launch_bounds__(THREADS) adam(const __grid_constant__ AdamArgs a) {
    u32 which = 0;
    while (which + 1 < a.n_arrays && blockIdx.x >= a.arrays[which + 1].first_block) which++;
    const AdamArray& array = a.arrays[which];
    const u32 first = (blockIdx.x - array.first_block) * THREADS * ITEMS + threadIdx.x;
    for (u32 i = first; i < first + THREADS * ITEMS && i < array.n; i += THREADS) {
        // A gradient that is not finite counts as 0.
        const float given = array.gradient[i], g = isfinite(given) ? given : 0.0f;
        const float mean = array.mean[i] + (1.0f - a.beta1) * (g - array.mean[i]);
        const float square = array.square[i] + (1.0f - a.beta2) * (g * g - array.square[i]);
        const float rate = i % array.stride < array.head ? array.rate : array.tail_rate;
        array.mean[i] = mean;
        array.square[i] = square;
        array.values[i] -= rate * ((mean / a.correction1) / (sqrtf(square / a.correction2) + a.epsilon));
    }
}

// Exclusive scan and stable radix sort, each in one pass over the data. Mirrors `depth_order` and `tile_starts` of
// tiles.rs by their result; no variant.
//
// Both look back over the blocks before them (Merrill & Garland 2016, "Single-pass parallel prefix scan with decoupled
// look-back"; Adinets & Merrill 2022, "Onesweep"): a block takes a ticket, publishes its own sum, then adds up what
// its predecessors have published, as far back as the first that already knows its running sum. A word holds sum and
// state together, so that no fence is needed; tickets are handed out in order, so that no block waits for one that
// has not started. Results are the same whatever the timing: sums are integers and the sort is stable.

typedef unsigned int u32;
typedef unsigned long long u64;

constexpr u32 WARP = 32;
constexpr u32 ALL_LANES = 0xffffffffu;
#define DEVICE __device__ __forceinline__

DEVICE u32 lanes_below(u32 lane) { return (1u << lane) - 1u; }

// Inclusive sum over a warp.
template <class Sum>
DEVICE Sum warp_inclusive(Sum v, u32 lane) {
    for (u32 step = 1; step < WARP; step *= 2) {
        const Sum below = __shfl_up_sync(ALL_LANES, v, step);
        if (lane >= step) v += below;
    }
    return v;
}

// ---- scan -------------------------------------------------------------------------------------------------------

struct ScanArgs {
    const u32* values;  // [n], or read through `index`
    const u32* index;   // [n] or null
    u32* sums;          // [n] exclusive
    u64* status;        // [blocks] zeroed: state in the two highest bits, then the sum
    u32* ticket;        // zeroed
    u32* total;         // [2] the sum, at most `limit`; then the sum itself, at most 2³² − 1
    u32 n;
    u32 limit;
};

constexpr u32 SCAN_THREADS = 256, SCAN_ITEMS = 8;
constexpr u64 OWN_SUM = 1ull << 62, RUNNING_SUM = 2ull << 62, SUM_BITS = (1ull << 62) - 1;

// What all blocks before this one sum to. By the first warp, 32 predecessors at a time.
DEVICE u64 scan_look_back(volatile u64* status, int block, u32 lane) {
    u64 before = 0;
    for (int last = block - 1; last >= 0; last -= WARP) {
        const int mine = last - (int)lane;
        u64 word = RUNNING_SUM; // before the first block: a running sum of 0
        if (mine >= 0) do word = status[mine]; while (word >> 62 == 0);
        const u32 known = __ballot_sync(ALL_LANES, word >> 62 == 2);
        const u32 nearest = known ? __ffs(known) - 1 : WARP - 1;
        u64 share = lane <= nearest ? word & SUM_BITS : 0;
        for (u32 step = WARP / 2; step > 0; step /= 2) share += __shfl_xor_sync(ALL_LANES, share, step);
        before += share;
        if (known) break;
    }
    return before;
}

// grid: one block of 256 threads per 2,048 values.
extern "C" __global__ void __launch_bounds__(SCAN_THREADS) scan(ScanArgs a) {
    __shared__ u32 block_shared;
    __shared__ u64 warp_sums[SCAN_THREADS / WARP];
    __shared__ u64 before_shared;
    const u32 thread = threadIdx.x, lane = thread % WARP, warp = thread / WARP;
    if (thread == 0) block_shared = atomicAdd(a.ticket, 1u);
    __syncthreads();
    const u32 block = block_shared, first = (block * SCAN_THREADS + thread) * SCAN_ITEMS;
    u64 running[SCAN_ITEMS], sum = 0;
    for (u32 i = 0; i < SCAN_ITEMS; i++) {
        const u32 at = first + i;
        running[i] = sum;
        if (at < a.n) sum += a.values[a.index ? a.index[at] : at];
    }
    const u64 inclusive = warp_inclusive(sum, lane);
    if (lane == WARP - 1) warp_sums[warp] = inclusive;
    __syncthreads();
    u64 own = 0, below = 0; // of the whole block, and of the warps before this one
    for (u32 w = 0; w < SCAN_THREADS / WARP; w++) {
        if (w < warp) below += warp_sums[w];
        own += warp_sums[w];
    }
    if (warp == 0) {
        volatile u64* status = a.status;
        if (lane == 0) status[block] = (block == 0 ? RUNNING_SUM : OWN_SUM) | own;
        const u64 before = scan_look_back(status, block, lane);
        if (lane == 0) {
            if (block > 0) status[block] = RUNNING_SUM | (before + own);
            before_shared = before;
            if (block == gridDim.x - 1) {
                const u64 total = before + own;
                a.total[0] = total < a.limit ? (u32)total : a.limit;
                a.total[1] = total < 0xffffffffull ? (u32)total : 0xffffffffu;
            }
        }
    }
    __syncthreads();
    const u64 base = before_shared + below + inclusive - sum;
    for (u32 i = 0; i < SCAN_ITEMS; i++)
        if (first + i < a.n) a.sums[first + i] = (u32)(base + running[i] < 0xffffffffull ? base + running[i] : 0xffffffffull);
}

// ---- radix sort ---------------------------------------------------------------------------------------------------
// 8 bits a pass, from the lowest. Values start as the keys' own indices.

constexpr u32 DIGITS = 256;
constexpr u32 SORT_THREADS = 256, SORT_WARPS = SORT_THREADS / WARP, SORT_ITEMS = 8;
constexpr u32 SORT_TILE = SORT_THREADS * SORT_ITEMS;

struct HistogramArgs {
    const u32* keys;   // [n]
    const u32* n;      // on the device
    u32* histograms;   // [passes, 256] zeroed; after `sort_starts` each digit's first position
    u32 passes;
};

// How often each digit of each pass occurs. grid: blocks of 256 threads that stride over the keys.
extern "C" __global__ void __launch_bounds__(SORT_THREADS) sort_histogram(HistogramArgs a) {
    __shared__ u32 counts[4][DIGITS];
    for (u32 pass = 0; pass < a.passes; pass++) counts[pass][threadIdx.x] = 0;
    __syncthreads();
    const u32 n = *a.n, stride = gridDim.x * SORT_THREADS;
    for (u32 i = blockIdx.x * SORT_THREADS + threadIdx.x; i < n; i += stride) {
        const u32 key = a.keys[i];
        for (u32 pass = 0; pass < a.passes; pass++) atomicAdd(&counts[pass][key >> 8 * pass & 255u], 1u);
    }
    __syncthreads();
    for (u32 pass = 0; pass < a.passes; pass++) {
        const u32 count = counts[pass][threadIdx.x];
        if (count) atomicAdd(a.histograms + pass * DIGITS + threadIdx.x, count);
    }
}

// grid: one block of 256 threads per pass.
extern "C" __global__ void __launch_bounds__(DIGITS) sort_starts(HistogramArgs a) {
    __shared__ u32 warp_sums[DIGITS / WARP];
    u32* histogram = a.histograms + blockIdx.x * DIGITS;
    const u32 lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, own = histogram[threadIdx.x];
    u32 sum = warp_inclusive(own, lane);
    if (lane == WARP - 1) warp_sums[warp] = sum;
    __syncthreads();
    for (u32 w = 0; w < warp; w++) sum += warp_sums[w];
    histogram[threadIdx.x] = sum - own;
}

struct SortArgs {
    const u32* keys_in;
    const u32* values_in;  // null: the indices 0, 1, 2, ...
    u32* keys_out;
    u32* values_out;
    const u32* n;          // on the device
    const u32* starts;     // [256] of this pass
    u32* status;           // [blocks, 256] zeroed: state in the two highest bits, then the count
    u32* ticket;           // zeroed
    u32 shift;
};

constexpr u32 OWN_COUNT = 1u << 30, RUNNING_COUNT = 2u << 30, COUNT_BITS = (1u << 30) - 1;

// Keys with digit `digit` in all blocks before this one.
DEVICE u32 sort_look_back(volatile u32* status, int block, u32 digit) {
    u32 before = 0;
    for (int other = block - 1; other >= 0; other--) {
        u32 word;
        do word = status[other * DIGITS + digit]; while (word >> 30 == 0);
        before += word & COUNT_BITS;
        if (word >> 30 == 2) break;
    }
    return before;
}

// One pass. grid: one block of 256 threads per 2,048 keys of the buffers, as many as could be in use; those past the
// end leave at once. A warp holds 256 consecutive keys, 32 at a time, so that ranks follow the order of the input.
extern "C" __global__ void __launch_bounds__(SORT_THREADS) sort_pass(SortArgs a) {
    __shared__ u32 block_shared;
    __shared__ u32 warp_counts[SORT_WARPS][DIGITS];  // then: keys of that digit in the warps before
    __shared__ u32 scan_sums[SORT_WARPS];
    __shared__ u32 place[DIGITS];                    // where the block's first key of a digit goes, less its rank here
    __shared__ u32 staged_keys[SORT_TILE], staged_values[SORT_TILE];
    const u32 thread = threadIdx.x, lane = thread % WARP, warp = thread / WARP;
    if (thread == 0) block_shared = atomicAdd(a.ticket, 1u);
    for (u32 w = 0; w < SORT_WARPS; w++) warp_counts[w][thread] = 0;
    __syncthreads();
    const u32 block = block_shared, n = *a.n, first = block * SORT_TILE;
    if (first >= n) return;
    const u32 in_block = n - first < SORT_TILE ? n - first : SORT_TILE;

    // Rank of each key among those of its digit and warp.
    u32 keys[SORT_ITEMS], values[SORT_ITEMS], ranks[SORT_ITEMS];
    for (u32 i = 0; i < SORT_ITEMS; i++) {
        const u32 local = warp * WARP * SORT_ITEMS + i * WARP + lane, at = first + local;
        const bool inside = local < in_block;
        keys[i] = inside ? a.keys_in[at] : 0xffffffffu;
        values[i] = inside ? (a.values_in ? a.values_in[at] : at) : 0;
        // Past the end: a digit of its own, which is not counted.
        const u32 digit = inside ? keys[i] >> a.shift & 255u : DIGITS;
        const u32 peers = __match_any_sync(ALL_LANES, digit);
        const u32 rank = __popc(peers & lanes_below(lane));
        const u32 so_far = inside ? warp_counts[warp][digit] : 0;
        __syncwarp();
        if (inside && rank == 0) warp_counts[warp][digit] = so_far + __popc(peers);
        __syncwarp();
        ranks[i] = so_far + rank;
    }
    __syncthreads();

    // Thread d: digit d over the warps, then over the block, then over all blocks before.
    u32 count = 0;
    for (u32 w = 0; w < SORT_WARPS; w++) {
        const u32 own = warp_counts[w][thread];
        warp_counts[w][thread] = count;
        count += own;
    }
    volatile u32* status = a.status;
    status[block * DIGITS + thread] = (block == 0 ? RUNNING_COUNT : OWN_COUNT) | count;
    u32 inclusive = warp_inclusive(count, lane);
    if (lane == WARP - 1) scan_sums[warp] = inclusive;
    __syncthreads();
    for (u32 w = 0; w < warp; w++) inclusive += scan_sums[w];
    const u32 rank_here = inclusive - count;
    const u32 before = sort_look_back(status, block, thread);
    if (block > 0) status[block * DIGITS + thread] = RUNNING_COUNT | (before + count);
    place[thread] = a.starts[thread] + before - rank_here;
    for (u32 w = 0; w < SORT_WARPS; w++) warp_counts[w][thread] += rank_here;
    __syncthreads();

    // Through shared memory in sorted order, so that runs of a digit are written together.
    for (u32 i = 0; i < SORT_ITEMS; i++) {
        if (warp * WARP * SORT_ITEMS + i * WARP + lane >= in_block) continue;
        const u32 at = warp_counts[warp][keys[i] >> a.shift & 255u] + ranks[i];
        staged_keys[at] = keys[i];
        staged_values[at] = values[i];
    }
    __syncthreads();
    for (u32 i = thread; i < in_block; i += SORT_THREADS) {
        const u32 key = staged_keys[i], at = place[key >> a.shift & 255u] + i;
        a.keys_out[at] = key;
        a.values_out[at] = staged_values[i];
    }
}

// Which splats touch which 16×16 tile, front to back. Mirrors tiles.rs by its result: the lists are the same.
// Between the two sorts of sort.cu: pairs by depth, ties by index; then instances by tile, stable.

struct EmitArgs {
    const u32* order;           // [P] pairs, nearest first
    const u32* counts;          // [P]
    const u32* offsets;         // [P] by rank: exclusive sums of the counts in that order
    const float4* outlines;     // [P, 2]
    u32* first_slots;           // [P] where the pair's instances begin
    u32* keys;                  // [Q] image·T + tile
    u32* owners;                // [Q] pair
    const u32* total;           // instances there is room for; at most all there are
    u32 n_pairs;
    u32 n_gaussians;
    u32 tiles_x;
    u32 tiles_y;
};

// Tile number `nth` of an outline, in order of rows.
DEVICE u32 nth_tile(const Outline& o, u32 nth, u32 tiles_x, u32 tiles_y) {
    const Range rows = tile_rows(o, tiles_y);
    for (int row = rows.first; row < rows.end; row++) {
        const Range columns = tile_columns(o, row, tiles_x);
        const u32 here = columns.end - columns.first;
        if (nth < here) return row * tiles_x + columns.first + nth;
        nth -= here;
    }
    return 0;
}

// Writes (tile, pair) for every instance. A warp takes 32 pairs in depth order and shares their instances evenly,
// however many each has. grid: a warp per 32 pairs, 4 warps a block.
extern "C" __global__ void __launch_bounds__(128) emit_instances(EmitArgs a) {
    __shared__ float4 outlines[128][2];
    __shared__ u32 pairs[128], ends[128];
    const u32 thread = threadIdx.x, lane = lane_index(), warp_first = thread - lane;
    const u32 rank = blockIdx.x * blockDim.x + thread;
    const bool inside = rank < a.n_pairs;
    const u32 pair = inside ? a.order[rank] : 0;
    const u32 count = inside ? a.counts[pair] : 0, offset = inside ? a.offsets[rank] : 0xffffffffu;
    if (count > 0) {
        outlines[thread][0] = a.outlines[2 * pair];
        outlines[thread][1] = a.outlines[2 * pair + 1];
        a.first_slots[pair] = offset;
    }
    const u32 begin = __shfl_sync(ALL_LANES, offset, 0);
    pairs[thread] = pair;
    ends[thread] = inside ? offset - begin + count : 0xffffffffu;
    __syncwarp();
    const u32 most = *a.total, room = begin < most ? most - begin : 0;
    u32 all = inside ? offset - begin + count : 0;
    for (u32 step = WARP / 2; step > 0; step /= 2) all = max(all, __shfl_xor_sync(ALL_LANES, all, step));
    for (u32 i = lane; i < min(all, room); i += WARP) {
        u32 owner = warp_first; // the first whose end lies beyond i
        for (u32 step = WARP / 2; step > 0; step /= 2)
            if (ends[owner + step - 1] <= i) owner += step;
        const u32 nth = i - (owner > warp_first ? ends[owner - 1] : 0);
        const float4 p = outlines[owner][0], q = outlines[owner][1];
        const Outline o = {p.x, p.y, p.z, p.w, q.x, q.y, q.z};
        const u32 image = pairs[owner] / a.n_gaussians;
        a.keys[begin + i] = image * a.tiles_x * a.tiles_y + nth_tile(o, nth, a.tiles_x, a.tiles_y);
        a.owners[begin + i] = pairs[owner];
    }
}

struct TileArgs {
    const u32* keys;        // [Q] sorted
    const u32* total;
    u32* starts;            // [I·T + 1] where each tile's instances begin
    u32* bucket_counts;     // [I·T] buckets of each tile
    u32 n_tiles;            // I·T
};

// grid: one thread per tile, 128 a block.
extern "C" __global__ void __launch_bounds__(128) tile_ranges(TileArgs a) {
    const u32 tile = blockIdx.x * blockDim.x + threadIdx.x;
    if (tile >= a.n_tiles) return;
    const u32 n = *a.total, start = lower_bound(a.keys, n, tile), end = lower_bound(a.keys, n, tile + 1);
    a.starts[tile] = start;
    if (tile + 1 == a.n_tiles) a.starts[a.n_tiles] = end;
    a.bucket_counts[tile] = (end - start + BUCKET - 1) / BUCKET;
}

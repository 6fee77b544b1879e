// Blends each tile front to back. Mirrors blend.rs: same alpha, same cut, cap and early stop, same order of sums.
// grid: one block per tile of every image; block: 16×16 threads, one pixel each, 8 warps of 8×4 pixels.
// Splats come through shared memory 256 at a time; a warp asks which of 32 reach its 8×4 pixels and walks only those
// (as in "Faster-GS", arXiv 2602.09999). Before each bucket of instances but a tile's first every unfinished pixel leaves
// its state, so that the backward pass can begin anywhere (Mallick et al. 2024, "Taming 3DGS").
//
// Tiles come in order of index, not the longest first as on the CPU: an H100 holds 792 of these blocks at once, more than
// a head fills of one camera's tiles, so sorting them would cost a launch and change nothing; of eight cameras it could
// gain half a long tile's time. The backward pass is even by construction.

// Which splats each tile blends, and what the backward pass begins from.
struct Lists {
    const float* splats;        // [P, SPLAT_FLOATS]
    const u32* slots;           // [Q] slot of each instance, tile by tile, front to back
    const u32* owners;          // [slots] pair
    const u32* starts;          // [I·T + 1]
    const u32* bucket_starts;   // [I·T]
    u32* bucket_tiles;          // [buckets]
    float* bucket_states;       // [Q / BUCKET, 1 + PLANES, 256] transmittance and sums before the bucket
    u32* lasts;                 // [I·T, 256] position after the last instance that counted
    u32* tile_lasts;            // [I·T] greatest of them
    u32 tiles_x;
    u32 tiles_y;
    float cutoff_width;         // of the smooth cutoff
};

struct BlendArgs {
    Lists lists;
    float* end_states;          // [I·T, 1 + PLANES, 256] after the last instance
    const float* background;    // [CHANNELS]
    float* color;               // [I, H, W, CHANNELS]
    float* alpha;               // [I, H, W] or null
    float* depth;               // [I, H, W] or null
    u32 width;
    u32 height;
    u32 expected_depth;         // depth is divided by alpha
};

struct Place {
    u32 tile;         // among all images
    u32 image;
    u32 left, top;    // pixels
};

DEVICE Place place_of(u32 tile, u32 tiles_x, u32 tiles_y) {
    const u32 in_image = tile % (tiles_x * tiles_y);
    return Place{tile, tile / (tiles_x * tiles_y), in_image % tiles_x * TILE, in_image / tiles_x * TILE};
}

// Where in its tile the pixel of a thread lies: warps are blocks of 8×4 pixels, two across.
DEVICE u32 column_of(u32 pixel) { return pixel / WARP % 2 * 8 + pixel % 8; }
DEVICE u32 row_of(u32 pixel) { return pixel / WARP / 2 * 4 + pixel % WARP / 8; }

// log2(alpha) before cutoff and cap. One expression for both directions: both must come to the same bits.
DEVICE float log2_alpha(float xx, float xy, float yy, float log2_opacity, float dx, float dy) {
    const float linear = __fmul_rn(xy, dy);
    const float constant = __fmaf_rn(__fmul_rn(yy, dy), dy, log2_opacity);
    return __fmaf_rn(__fmaf_rn(xx, dx, linear), dx, constant);
}

// Alpha as blended and its derivative by the raw alpha; both 0 under the cut.
DEVICE float cut_alpha(float raw, float width, float& slope) {
    const float capped = fminf(raw, ALPHA_CAP), open = raw < ALPHA_CAP ? 1.0f : 0.0f;
    if constexpr (SMOOTH) {
        const float t = fminf(fmaxf((raw - ALPHA_CUT) / width, 0.0f), 1.0f);
        const float step = t * t * (3.0f - 2.0f * t);
        slope = open * step + capped * 6.0f * t * (1.0f - t) / width;
        return capped * step;
    } else {
        slope = raw >= ALPHA_CUT ? open : 0.0f;
        return raw >= ALPHA_CUT ? capped : 0.0f;
    }
}

// Where the pixels' state is kept before the bucket that begins `first` > 0 instances into a tile that begins at `start`:
// in the group of BUCKET instances that holds the last one before it, of which there is only one such.
DEVICE u64 state_offset(u32 start, u32 first) {
    return (u64)(start / BUCKET + first / BUCKET - 1) * (1 + PLANES) * TILE_PIXELS;
}

#ifndef BACKWARD
// Greatest log2(alpha) along one edge: at distance `across` from the mean, `low..=high` along it.
DEVICE float greatest_on_edge(float aa, float ab, float bb, float across, float low, float high) {
    const float best = fminf(fmaxf(__fdividef(-0.5f * ab * across, bb), low), high);
    return (aa * across + ab * best) * across + bb * best * best;
}

// Whether alpha reaches the cut anywhere in the rectangle of pixel centers (Radl et al. 2024, "StopThePop": the
// nearest point of a rectangle outside the mean lies on an edge that faces it). Errs towards yes.
DEVICE bool reaches(const float* splat, float left, float right, float top, float bottom) {
    const float x0 = left - splat[0], x1 = right - splat[0], y0 = top - splat[1], y1 = bottom - splat[1];
    const float xx = splat[2], xy = splat[3], yy = splat[4], log2_opacity = splat[5];
    const float edge_x = x0 > 0.0f ? x0 : fminf(x1, 0.0f), edge_y = y0 > 0.0f ? y0 : fminf(y1, 0.0f);
    float greatest = edge_x == 0.0f && edge_y == 0.0f ? 0.0f : -3.4e38f;
    if (edge_x != 0.0f) greatest = fmaxf(greatest, greatest_on_edge(xx, xy, yy, edge_x, y0, y1));
    if (edge_y != 0.0f) greatest = fmaxf(greatest, greatest_on_edge(yy, xy, xx, edge_y, x0, x1));
    const float margin = 0.02f;
    return greatest + log2_opacity >= LOG2_ALPHA_CUT - margin;
}

// A pixel on its way through the tile.
struct Pixel {
    float x, y;             // its center
    float transmittance;
    float sums[PLANES + 1]; // + 1: there may be none
    u32 last;
    bool done;
};

DEVICE void save_state(float* state, const Pixel& p, u32 thread) {
    state[thread] = p.transmittance;
    for (int k = 0; k < PLANES; k++) state[(1 + k) * TILE_PIXELS + thread] = p.sums[k];
}

DEVICE void blend_splat(Pixel& p, const float* splat, u32 position, float cutoff_width) {
    const float raw = exp2_fast(log2_alpha(splat[2], splat[3], splat[4], splat[5], p.x - splat[0], p.y - splat[1]));
    float slope;
    const float alpha = cut_alpha(raw, cutoff_width, slope);
    if (alpha <= 0.0f || p.done) return;
    const float next = __fmaf_rn(-alpha, p.transmittance, p.transmittance);
    if (next <= TRANSMITTANCE_STOP) {
        p.done = true;
        return;
    }
    const float weight = alpha * p.transmittance;
    for (int c = 0; c < CHANNELS; c++) p.sums[c] += weight * splat[7 + c];
    if constexpr (DEPTH) p.sums[CHANNELS] += weight * splat[6];
    p.transmittance = next;
    p.last = position + 1;
}

DEVICE void write_pixel(const BlendArgs& a, const Place& place, const Pixel& p, u32 thread) {
    const u32 x = place.left + column_of(thread), y = place.top + row_of(thread);
    if (x >= a.width || y >= a.height) return;
    const u64 at = ((u64)place.image * a.height + y) * a.width + x;
    for (int c = 0; c < CHANNELS; c++) a.color[at * CHANNELS + c] = p.sums[c] + p.transmittance * a.background[c];
    if (a.alpha) a.alpha[at] = 1.0f - p.transmittance;
    if constexpr (DEPTH) {
        const float sum = p.sums[CHANNELS];
        a.depth[at] = a.expected_depth ? sum / fmaxf(1.0f - p.transmittance, LEAST_ALPHA) : sum;
    }
}

// Blocks a multiprocessor, which bounds the registers: left to itself the assembler spills wide images on sm_100.
constexpr int BLEND_BLOCKS = PLANES <= 4 ? 6 : PLANES <= 9 ? 5 : 2;

extern "C" __global__ void __launch_bounds__(TILE_PIXELS, BLEND_BLOCKS) blend(BlendArgs a) {
    __shared__ __align__(16) float staged[TILE_PIXELS][SPLAT_FLOATS];
    __shared__ u32 warp_lasts[TILE_PIXELS / WARP];
    const Lists& lists = a.lists;
    const u32 thread = threadIdx.x, lane = lane_index(), warp = thread / WARP;
    const Place place = place_of(blockIdx.x, lists.tiles_x, lists.tiles_y);
    const u32 start = lists.starts[place.tile], n = lists.starts[place.tile + 1] - start;
    const u32 first_bucket = lists.bucket_starts[place.tile];
    for (u32 b = thread; b < (n + BUCKET - 1) / BUCKET; b += TILE_PIXELS) lists.bucket_tiles[first_bucket + b] = place.tile;

    const float left = place.left + warp % 2 * 8 + 0.5f, top = place.top + warp / 2 * 4 + 0.5f;
    Pixel p;
    p.x = place.left + column_of(thread) + 0.5f, p.y = place.top + row_of(thread) + 0.5f;
    p.transmittance = 1.0f, p.last = 0;
    p.done = p.x > (float)a.width || p.y > (float)a.height;
    for (int k = 0; k < PLANES; k++) p.sums[k] = 0.0f;

    for (u32 batch = 0; batch < n; batch += TILE_PIXELS) {
        if (__syncthreads_and(p.done)) break;
        const u32 in_batch = min(n - batch, (u32)TILE_PIXELS);
        if (thread < in_batch) {
            const u32 pair = lists.owners[lists.slots[start + batch + thread]];
            const float4* from = (const float4*)(lists.splats + (u64)pair * SPLAT_FLOATS);
            for (int i = 0; i < SPLAT_FLOATS / 4; i++) ((float4*)staged[thread])[i] = from[i];
        }
        __syncthreads();
        for (u32 group = 0; group < in_batch; group += WARP) {
            if (__all_sync(ALL_LANES, p.done)) break;
            const u32 first = batch + group;
            if (first > 0 && first % BUCKET == 0 && !p.done)
                save_state(lists.bucket_states + state_offset(start, first), p, thread);
            const bool mine = group + lane < in_batch
                && reaches(staged[group + lane], left, left + 7.0f, top, top + 3.0f);
            for (u32 hits = __ballot_sync(ALL_LANES, mine); hits; hits &= hits - 1) {
                const u32 i = group + __ffs(hits) - 1;
                blend_splat(p, staged[i], batch + i, lists.cutoff_width);
            }
        }
    }

    save_state(a.end_states + (u64)place.tile * (1 + PLANES) * TILE_PIXELS, p, thread);
    lists.lasts[place.tile * TILE_PIXELS + thread] = p.last;
    const u32 warp_last = __reduce_max_sync(ALL_LANES, p.last);
    if (lane == 0) warp_lasts[warp] = warp_last;
    __syncthreads();
    if (thread == 0) {
        u32 last = 0;
        for (u32 w = 0; w < TILE_PIXELS / WARP; w++) last = max(last, warp_lasts[w]);
        lists.tile_lasts[place.tile] = last;
    }
    write_pixel(a, place, p, thread);
}
#endif

// Each tile's gradients into one slot per instance. Mirrors blend_back.rs and `tile_backward` of gather.rs.
//
// With wᵢ = αᵢ Tᵢ, image = Σ wᵢ vᵢ + T background and alpha = 1 − T, T being what the last instance leaves:
// ∂L/∂αᵢ = Tᵢ (vᵢ·g) − (Σ_{j>i} wⱼ (vⱼ·g) + T (background·g − g_alpha)) / (1 − αᵢ), where g is the gradient by the pixel.
// The CPU walks back to front and adds the sum up; here every bucket starts from its saved state and takes away.

// Floats a gradient slot: g, gx, gy, gxx, gxy, gyy, |x|, |y| (Moments, absgrad), planes; filled up to whole float4.
constexpr int SHAPE_SLOTS = 8;
constexpr int SLOT_FLOATS = (SHAPE_SLOTS + PLANES + 3) / 4 * 4;

struct PixelBackArgs {
    const float* end_states;        // [I·T, 1 + PLANES, 256]
    const float* background;        // [CHANNELS]
    const float* by_color;          // [I, H, W, CHANNELS]
    const float* by_alpha;          // [I, H, W] or null
    const float* by_depth;          // [I, H, W] or null
    float* upstream;                // [I·T, 1 + PLANES, 256] Σ wⱼ (vⱼ·g) + T (background·g − g_alpha), then g
    float* background_shares;       // [I·T, CHANNELS]
    u32 width;
    u32 height;
    u32 tiles_x;
    u32 tiles_y;
    u32 expected_depth;             // depth was divided by alpha
};

// Brings the upstream gradients into the order of tiles. grid: one block of 256 threads per tile.
extern "C" __global__ void __launch_bounds__(TILE_PIXELS) pixels_back(PixelBackArgs a) {
    __shared__ float shares[TILE_PIXELS / WARP][CHANNELS + 1];
    const u32 thread = threadIdx.x;
    const Place place = place_of(blockIdx.x, a.tiles_x, a.tiles_y);
    const u32 x = place.left + column_of(thread), y = place.top + row_of(thread);
    const bool inside = x < a.width && y < a.height;
    const u64 at = ((u64)place.image * a.height + y) * a.width + x;
    const u64 in_tiles = (u64)place.tile * (1 + PLANES) * TILE_PIXELS + thread;
    const float* end = a.end_states + in_tiles;
    float* out = a.upstream + in_tiles;
    const float transmittance = end[0];
    float total = 0.0f, by_transmittance = inside && a.by_alpha ? -a.by_alpha[at] : 0.0f;
    for (int c = 0; c < CHANNELS; c++) {
        const float g = inside ? a.by_color[at * CHANNELS + c] : 0.0f;
        out[(1 + c) * TILE_PIXELS] = g;
        total += g * end[(1 + c) * TILE_PIXELS];
        by_transmittance += g * a.background[c];
        const float share = warp_sum(transmittance * g);
        if (lane_index() == 0) shares[thread / WARP][c] = share;
    }
    if constexpr (DEPTH) {
        const float sum = end[(1 + CHANNELS) * TILE_PIXELS];
        float g = inside && a.by_depth ? a.by_depth[at] : 0.0f;
        if (a.expected_depth) {
            // By `sum` and by `transmittance` through sum / alpha; where alpha is tiny the divisor is a constant.
            const float alpha = 1.0f - transmittance;
            if (alpha > LEAST_ALPHA) by_transmittance += g * sum / (alpha * alpha);
            g /= fmaxf(alpha, LEAST_ALPHA);
        }
        out[(1 + CHANNELS) * TILE_PIXELS] = g;
        total += g * sum;
    }
    out[0] = total + transmittance * by_transmittance;
    __syncthreads();
    for (int c = thread; c < CHANNELS; c += TILE_PIXELS) {
        float sum = 0.0f;
        for (u32 w = 0; w < TILE_PIXELS / WARP; w++) sum += shares[w][c];
        a.background_shares[place.tile * CHANNELS + c] = sum;
    }
}

struct BlendBackArgs {
    Lists lists;
    const float* upstream;          // [I·T, 1 + PLANES, 256]
    float* gradients;               // [slots, SLOT_FLOATS]
    const u32* n_buckets;
};

constexpr u32 BACK_WARPS = 4;
// Blocks a multiprocessor: up to 128 registers a thread, or all there are. Left to itself the assembler aims at 48 and
// spills some variants.
constexpr int BACK_BLOCKS = PLANES <= 8 ? 4 : 1;
// Pixels in flight: those of the 32 steps at hand and of the 32 before.
constexpr u32 RING = 2 * WARP;

// Pixels on their way through a warp, and the list of those that are.
struct Stream {
    unsigned char pixels[TILE_PIXELS];
    u32 last[RING];
    float x[RING], y[RING];
    float transmittance[RING];
    float rest[RING];               // what is behind the bucket's first instance
    float g[PLANES + 1][RING];
};

// Sums over pixels of one instance; as `Moments` in project_back.rs.
struct Sums {
    float g, gx, gy, gxx, gxy, gyy, abs_x, abs_y;
    float planes[PLANES + 1];
};

// Lists the tile's pixels that are not finished at position `first`, in order.
DEVICE u32 list_pixels(Stream& stream, const u32* lasts, u32 first, u32 lane) {
    u32 n = 0;
    for (u32 base = 0; base < TILE_PIXELS; base += WARP) {
        const bool live = lasts[base + lane] > first;
        const u32 all = __ballot_sync(ALL_LANES, live);
        if (live) stream.pixels[n + __popc(all & lanes_below(lane))] = base + lane;
        n += __popc(all);
    }
    __syncwarp();
    return n;
}

// Puts pixel number `k` of the list into the ring, with its state before the bucket; null before a tile's first.
DEVICE void stage_pixel(const BlendBackArgs& a, Stream& stream, const Place& place, const float* states, u32 k) {
    const u32 pixel = stream.pixels[k], slot = k % RING;
    const u64 in_tile = (u64)place.tile * (1 + PLANES) * TILE_PIXELS + pixel;
    float rest = a.upstream[in_tile];
    for (int p = 0; p < PLANES; p++) {
        const float g = a.upstream[in_tile + (1 + p) * TILE_PIXELS];
        stream.g[p][slot] = g;
        if (states) rest -= g * states[(1 + p) * TILE_PIXELS + pixel];
    }
    stream.rest[slot] = rest;
    stream.transmittance[slot] = states ? states[pixel] : 1.0f;
    stream.last[slot] = a.lists.lasts[place.tile * TILE_PIXELS + pixel];
    stream.x[slot] = place.left + column_of(pixel) + 0.5f;
    stream.y[slot] = place.top + row_of(pixel) + 0.5f;
}

// A pixel as a lane has it.
struct Passing {
    float x, y;
    float g[PLANES + 1];
    float transmittance, rest;
};

// The pixel meets one instance: adds to its sums, and moves the pixel's state behind it.
DEVICE void back_splat(Sums& sums, const float* splat, Passing& p, float cutoff_width) {
    const float dx = p.x - splat[0], dy = p.y - splat[1];
    const float raw = exp2_fast(log2_alpha(splat[2], splat[3], splat[4], splat[5], dx, dy));
    float slope;
    const float alpha = cut_alpha(raw, cutoff_width, slope);
    if (alpha <= 0.0f) return;
    float along = 0.0f;
    for (int c = 0; c < CHANNELS; c++) along += splat[7 + c] * p.g[c];
    if constexpr (DEPTH) along += splat[6] * p.g[CHANNELS];
    const float weight = alpha * p.transmittance;
    p.rest -= weight * along;
    const float by_alpha = p.transmittance * along - __fdividef(p.rest, 1.0f - alpha);
    p.transmittance = __fmaf_rn(-alpha, p.transmittance, p.transmittance);
    for (int i = 0; i < PLANES; i++) sums.planes[i] += weight * p.g[i];
    const float g = by_alpha * slope * raw, gx = g * dx, gy = g * dy;
    sums.g += g, sums.gx += gx, sums.gy += gy;
    sums.gxx += gx * dx, sums.gxy += gx * dy, sums.gyy += gy * dy;
    sums.abs_x += fabsf(g * (2.0f * splat[2] * dx + splat[3] * dy));
    sums.abs_y += fabsf(g * (splat[3] * dx + 2.0f * splat[4] * dy));
}

DEVICE void write_slot(const Sums& s, float* out) {
    float all[SLOT_FLOATS] = {s.g, s.gx, s.gy, s.gxx, s.gxy, s.gyy, s.abs_x, s.abs_y};
    for (int p = 0; p < PLANES; p++) all[SHAPE_SLOTS + p] = s.planes[p];
    for (int i = 0; i < SLOT_FLOATS; i += 4)
        *(float4*)(out + i) = make_float4(all[i], all[i + 1], all[i + 2], all[i + 3]);
}

// A warp owns the instances of a bucket, OWN a lane, and the tile's pixels stream through it: at step s lane l holds
// pixel s − l, whose state it has from lane l − 1. So each instance's sums stay in registers and are written once.
// grid: a warp per bucket, 4 warps a block.
extern "C" __global__ void __launch_bounds__(BACK_WARPS * WARP, BACK_BLOCKS) blend_back(BlendBackArgs a) {
    __shared__ Stream streams[BACK_WARPS];
    const Lists& lists = a.lists;
    const u32 lane = lane_index(), warp = threadIdx.x / WARP, bucket = blockIdx.x * BACK_WARPS + warp;
    if (bucket >= *a.n_buckets) return;
    Stream& stream = streams[warp];
    const Place place = place_of(lists.bucket_tiles[bucket], lists.tiles_x, lists.tiles_y);
    const u32 first = (bucket - lists.bucket_starts[place.tile]) * BUCKET, position = first + OWN * lane;
    const u32 start = lists.starts[place.tile], n = lists.starts[place.tile + 1] - start;
    const float* states = first == 0 ? nullptr : lists.bucket_states + state_offset(start, first);
    const bool reached = lists.tile_lasts[place.tile] > first;

    Sums sums[OWN] = {};
    u32 slots[OWN];
    float splats[OWN][SPLAT_FLOATS] = {};
    for (int own = 0; own < OWN; own++) {
        slots[own] = position + own < n ? lists.slots[start + position + own] : 0;
        if (!reached || position + own >= n) continue;
        const float4* from = (const float4*)(lists.splats + (u64)lists.owners[slots[own]] * SPLAT_FLOATS);
        for (int i = 0; i < SPLAT_FLOATS / 4; i++) {
            const float4 v = from[i];
            float* to = splats[own] + 4 * i;
            to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
        }
    }
    const u32 n_pixels = reached ? list_pixels(stream, lists.lasts + place.tile * TILE_PIXELS, first, lane) : 0;
    const u32 steps = n_pixels == 0 ? 0 : n_pixels + WARP - 1;
    Passing p = {};
    for (u32 step = 0; step < steps; step++) {
        if (step % WARP == 0) {
            __syncwarp();
            if (step + lane < n_pixels) stage_pixel(a, stream, place, states, step + lane);
            __syncwarp();
        }
        p.transmittance = __shfl_up_sync(ALL_LANES, p.transmittance, 1);
        p.rest = __shfl_up_sync(ALL_LANES, p.rest, 1);
        const u32 k = step - lane, at = k % RING; // wraps around before this lane's first pixel
        if (k >= n_pixels) continue;
        if (lane == 0) p.transmittance = stream.transmittance[at], p.rest = stream.rest[at];
        const u32 last = stream.last[at];
        if (position >= last) continue;
        p.x = stream.x[at], p.y = stream.y[at];
        for (int i = 0; i < PLANES; i++) p.g[i] = stream.g[i][at];
        for (int own = 0; own < OWN; own++)
            if (position + own < last) back_splat(sums[own], splats[own], p, lists.cutoff_width);
    }
    for (int own = 0; own < OWN; own++)
        if (position + own < n) write_slot(sums[own], a.gradients + (u64)slots[own] * SLOT_FLOATS);
}

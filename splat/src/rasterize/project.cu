// One Gaussian through every camera of its scene: splat, outline, depth key, tile count, reason if not drawn.
// Mirrors project.rs, color.rs, harmonics.rs and splat.rs: same names, same order of tests.
// grid: one thread per Gaussian of every scene, 128 a block; cameras in a loop, so that a Gaussian is read once a batch.

struct Scene {
    const float* means;           // [B, N, 3] meters, world
    const float* quats;           // [B, N, 4] w x y z
    const float* log_scales;      // [B, N, 3]
    const float* opacity_logits;  // [B, N]
    const float* colors;          // [B, N, COLOR_FLOATS]
    const Lens* lenses;           // [B, V]
    u32 n_gaussians;              // N
    u32 n_scenes;                 // B
    u32 n_views;                  // V
    u32 tiles_x;
    u32 tiles_y;
    u32 antialiased;
    float near_m;
    float far_m;
    float radius_clip_px;
};

struct ProjectArgs {
    Scene scene;
    float* splats;        // [P, SPLAT_FLOATS]
    float4* outlines;     // [P, 2]
    u32* depth_keys;      // [P] bits of camera z, which is positive; CULLED_KEY if not drawn
    u32* counts;          // [P] tiles touched; 0 if not drawn
    float* radii;         // [I, N] three standard deviations along the longer axis, pixels; 0 if not drawn; or null
    u32* stats;           // [I, 5] not drawn: non-finite, depth, transparent, small, outside
};

constexpr u32 CULLED_KEY = 0xffffffffu;

enum Culled { DRAWN = 0, NON_FINITE = 1, OUT_OF_DEPTH = 2, TRANSPARENT = 3, SMALL = 4, OUTSIDE = 5 };
constexpr u32 REASONS = 5;

// Everything between the parameters and the footprint that the gradient needs again; as `Geometry` in project.rs.
struct Geometry {
    float t[3];
    float quat[4];
    float quat_length;
    float rotation[9];
    float scale[3];
    float axes[9];
    float jx, jxz, jy, jyz;
    bool clamped[2];
    float rows[2][3];
    float covariance[3];
    float determinant;
    float dilated_determinant;
};

// A Gaussian on the image plane, pixels; covariance after dilation.
struct Footprint {
    float mean[2];
    float covariance[3];
    float determinant;
    float opacity;
    float depth;
    float reach;
    float radius;
};

// Where alpha reaches the cut: row at dy is mean + slope·dy ± √(span − shrink·dy²). As in splat.rs.
struct Outline {
    float mean_x, mean_y;
    float slope, span, shrink;
    float far_y, dy_right;
};

struct Range {
    int first, end;
};

DEVICE float sigmoid(float v) { return 1.0f / (1.0f + expf(-v)); }

DEVICE Culled in_camera(const Scene& s, const Lens& lens, u32 g, float* t) {
    const float mean[3] = {s.means[3 * g], s.means[3 * g + 1], s.means[3 * g + 2]};
    times3(lens.rotation, mean, t);
    for (int i = 0; i < 3; i++) t[i] += lens.translation[i];
    if (!(isfinite(t[0]) && isfinite(t[1]) && isfinite(t[2]))) return NON_FINITE;
    return t[2] < s.near_m || t[2] > s.far_m || t[2] <= 0.0f ? OUT_OF_DEPTH : DRAWN;
}

DEVICE void rotation_from_quat(const float* q, float* r) {
    const float w = q[0], x = q[1], y = q[2], z = q[3];
    r[0] = 1.0f - 2.0f * (y * y + z * z), r[1] = 2.0f * (x * y - w * z), r[2] = 2.0f * (x * z + w * y);
    r[3] = 2.0f * (x * y + w * z), r[4] = 1.0f - 2.0f * (x * x + z * z), r[5] = 2.0f * (y * z - w * x);
    r[6] = 2.0f * (x * z - w * y), r[7] = 2.0f * (y * z + w * x), r[8] = 1.0f - 2.0f * (x * x + y * y);
}

// Fills `out` but for the Jacobian and what follows from it; false if quaternion or scales are not usable.
DEVICE bool principal_axes(const Scene& s, const Lens& lens, u32 g, Geometry& out) {
    float square = 0.0f;
    bool usable = true;
    for (int i = 0; i < 4; i++) {
        out.quat[i] = s.quats[4 * g + i];
        square += out.quat[i] * out.quat[i];
    }
    for (int i = 0; i < 3; i++) {
        const float log_scale = s.log_scales[3 * g + i];
        usable = usable && isfinite(log_scale);
        out.scale[i] = expf(log_scale);
    }
    out.quat_length = sqrtf(square);
    if (!usable || !isfinite(out.quat_length) || !(out.quat_length > 1e-18f)) return false;
    for (int i = 0; i < 4; i++) out.quat[i] /= out.quat_length;
    rotation_from_quat(out.quat, out.rotation);
    for (int i = 0; i < 3; i++) {
        const float* c = lens.rotation + 3 * i;
        for (int j = 0; j < 3; j++) {
            const float* r = out.rotation + j;
            out.axes[3 * i + j] = (c[0] * r[0] + c[1] * r[3] + c[2] * r[6]) * out.scale[j];
        }
    }
    return true;
}

// Zwicker et al. 2002, eq. 24–31; far outside the frame the affine approximation is taken at its edge.
DEVICE bool geometry_of(const Scene& s, const Lens& lens, u32 g, const float* t, Geometry& out) {
    for (int i = 0; i < 3; i++) out.t[i] = t[i];
    if (!principal_axes(s, lens, g, out)) return false;
    const float z = t[2];
    float j[2], jz[2];
    for (int axis = 0; axis < 2; axis++) {
        const float f = lens.focal[axis], size = lens.size[axis], center = lens.center[axis];
        const float ratio = t[axis] / z;
        const float limited = fminf(fmaxf(ratio, -(center + 0.15f * size) / f), (1.15f * size - center) / f);
        out.clamped[axis] = limited != ratio;
        j[axis] = f / z;
        jz[axis] = -f * limited / z;
        for (int k = 0; k < 3; k++) out.rows[axis][k] = j[axis] * out.axes[3 * axis + k] + jz[axis] * out.axes[6 + k];
    }
    out.jx = j[0], out.jy = j[1], out.jxz = jz[0], out.jyz = jz[1];
    out.covariance[0] = dot3(out.rows[0], out.rows[0]);
    out.covariance[1] = dot3(out.rows[0], out.rows[1]);
    out.covariance[2] = dot3(out.rows[1], out.rows[1]);
    // |r0 × r1|² = det(rows · rowsᵀ), without the cancellation of xx·yy − xy².
    float normal[3];
    cross3(out.rows[0], out.rows[1], normal);
    out.determinant = dot3(normal, normal);
    out.dilated_determinant = out.determinant + DILATION_PX2 * (out.covariance[0] + out.covariance[2])
        + DILATION_PX2 * DILATION_PX2;
    return true;
}

DEVICE Culled project_one(const Scene& s, const Lens& lens, u32 g, Footprint& out) {
    float t[3];
    const Culled reason = in_camera(s, lens, g, t);
    if (reason != DRAWN) return reason;
    const float logit = s.opacity_logits[g];
    if (!isfinite(logit)) return NON_FINITE;
    out.opacity = sigmoid(logit);
    if (out.opacity < ALPHA_CUT) return TRANSPARENT;
    Geometry geometry;
    if (!geometry_of(s, lens, g, t, geometry)) return NON_FINITE;
    out.determinant = geometry.dilated_determinant;
    if (s.antialiased) out.opacity *= sqrtf(geometry.determinant / geometry.dilated_determinant);
    out.depth = t[2];
    out.covariance[0] = geometry.covariance[0] + DILATION_PX2;
    out.covariance[1] = geometry.covariance[1];
    out.covariance[2] = geometry.covariance[2] + DILATION_PX2;
    bool finite = isfinite(out.determinant) && out.determinant > 0.0f && isfinite(out.opacity);
    for (int i = 0; i < 3; i++) finite = finite && isfinite(out.covariance[i]);
    for (int axis = 0; axis < 2; axis++) {
        out.mean[axis] = lens.focal[axis] * t[axis] / t[2] + lens.center[axis];
        finite = finite && isfinite(out.mean[axis]);
    }
    if (!finite) return NON_FINITE;
    if (out.opacity < ALPHA_CUT) return TRANSPARENT;
    const float middle = 0.5f * (out.covariance[0] + out.covariance[2]), half = 0.5f * (out.covariance[0] - out.covariance[2]);
    out.radius = 3.0f * sqrtf(middle + sqrtf(half * half + out.covariance[1] * out.covariance[1]));
    if (out.radius <= s.radius_clip_px) return SMALL;
    out.reach = fmaxf(logf(out.opacity / ALPHA_CUT), 0.0f);
    for (int axis = 0; axis < 2; axis++) {
        const float extent = sqrtf(2.0f * out.reach * out.covariance[2 * axis]);
        if (out.mean[axis] + extent < 0.5f || out.mean[axis] - extent > lens.size[axis] - 0.5f) return OUTSIDE;
    }
    return DRAWN;
}

// ---- color -----------------------------------------------------------------------------------------------------

// Unit direction from the eye to the Gaussian; returns the distance.
DEVICE float view_direction(const Scene& s, const Lens& lens, u32 g, float* d) {
    for (int i = 0; i < 3; i++) d[i] = s.means[3 * g + i] - lens.eye[i];
    const float length = sqrtf(dot3(d, d));
    if (length > 0.0f) {
        const float scale = 1.0f / length;
        for (int i = 0; i < 3; i++) d[i] *= scale;
    } else {
        d[0] = d[1] = 0.0f, d[2] = 1.0f;
    }
    return length;
}

constexpr int SH_BASIS = SH_DEGREE < 0 ? 1 : (SH_DEGREE + 1) * (SH_DEGREE + 1);

// The first (degree + 1)² real spherical harmonics, in the order and with the signs of Kerbl et al. 2023.
DEVICE void harmonics_basis(const float* d, float* b) {
    const float x = d[0], y = d[1], z = d[2];
    b[0] = 0.2820948f;
    if constexpr (SH_DEGREE >= 1) {
        b[1] = -0.4886025f * y, b[2] = 0.4886025f * z, b[3] = -0.4886025f * x;
    }
    const float xx = x * x, yy = y * y, zz = z * z;
    if constexpr (SH_DEGREE >= 2) {
        b[4] = 1.0925484f * x * y, b[5] = -1.0925484f * y * z;
        b[6] = 0.31539157f * (2.0f * zz - xx - yy);
        b[7] = -1.0925484f * x * z, b[8] = 0.5462742f * (xx - yy);
    }
    if constexpr (SH_DEGREE >= 3) {
        b[9] = -0.5900436f * y * (3.0f * xx - yy);
        b[10] = 2.8906114f * x * y * z;
        b[11] = -0.4570458f * y * (4.0f * zz - xx - yy);
        b[12] = 0.37317634f * z * (2.0f * zz - 3.0f * xx - 3.0f * yy);
        b[13] = -0.4570458f * x * (4.0f * zz - xx - yy);
        b[14] = 1.4453057f * z * (xx - yy);
        b[15] = -0.5900436f * x * (xx - 3.0f * yy);
    }
}

// Color before it is cut at 0.
DEVICE void sh_color(const Scene& s, u32 g, const float* basis, float* sum) {
    const float* stored = s.colors + (u64)g * COLOR_FLOATS;
    for (int c = 0; c < 3; c++) sum[c] = 0.5f;
    for (int k = 0; k < SH_BASIS; k++)
        for (int c = 0; c < 3; c++) sum[c] += basis[k] * stored[3 * k + c];
}

// Color into `out` [C]; false if it is not finite.
DEVICE bool color_of(const Scene& s, const Lens& lens, u32 g, float* out) {
    bool finite = true;
    if constexpr (SH_DEGREE >= 0) {
        float d[3], basis[SH_BASIS], sum[3];
        view_direction(s, lens, g, d);
        harmonics_basis(d, basis);
        sh_color(s, g, basis, sum);
        for (int c = 0; c < 3; c++) {
            finite = finite && isfinite(sum[c]);
            out[c] = fmaxf(sum[c], 0.0f);
        }
    } else {
        for (int c = 0; c < CHANNELS; c++) {
            out[c] = s.colors[(u64)g * COLOR_FLOATS + c];
            finite = finite && isfinite(out[c]);
        }
    }
    return finite;
}

// ---- tiles ------------------------------------------------------------------------------------------------------
// Counting and emitting must agree to the last bit, so nothing here may be contracted differently in two kernels:
// every product and sum that decides is an intrinsic.

DEVICE Outline outline_of(const Footprint& f) {
    const float xx = f.covariance[0], xy = f.covariance[1], yy = f.covariance[2];
    // A little beyond the cut: the exact test is alpha's, these may only err towards too much.
    const float reach = 2.0f * (f.reach + 0.01f);
    Outline out;
    out.mean_x = f.mean[0], out.mean_y = f.mean[1];
    out.slope = xy / yy;
    out.span = reach * f.determinant / yy;
    out.shrink = f.determinant / (yy * yy);
    out.far_y = sqrtf(reach * yy);
    out.dy_right = xy * sqrtf(reach / xx);
    return out;
}

// Tiles that hold a pixel center within low..=high, both pixels.
DEVICE Range tile_range(float low, float high, u32 count) {
    const float end = (float)(count * TILE);
    const int first = (int)fminf(fmaxf(ceilf(__fsub_rn(low, 0.5f)), 0.0f), end) / TILE;
    const int last = (int)fminf(fmaxf(__fadd_rn(floorf(__fsub_rn(high, 0.5f)), 1.0f), 0.0f), end);
    return Range{first, max((last + TILE - 1) / TILE, first)};
}

DEVICE Range tile_rows(const Outline& o, u32 count) {
    return tile_range(__fsub_rn(o.mean_y, o.far_y), __fadd_rn(o.mean_y, o.far_y), count);
}

// Half the width of the outline's row at dy.
DEVICE float half_width(const Outline& o, float dy) {
    return __fsqrt_rn(fmaxf(__fsub_rn(o.span, __fmul_rn(__fmul_rn(o.shrink, dy), dy)), 0.0f));
}

// Of row `row` of tiles, those that it touches: one range, for the ellipse is convex.
DEVICE Range tile_columns(const Outline& o, int row, u32 count) {
    const float top = __fsub_rn((float)(row * TILE) + 0.5f, o.mean_y);
    const float low = fminf(fmaxf(top, -o.far_y), o.far_y);
    const float high = fminf(fmaxf(__fadd_rn(top, (float)(TILE - 1)), -o.far_y), o.far_y);
    // The outline's x at the row's point nearest to the rightmost (leftmost) one.
    const float right = fminf(fmaxf(o.dy_right, low), high), left = fminf(fmaxf(-o.dy_right, low), high);
    return tile_range(
        __fsub_rn(__fadd_rn(o.mean_x, __fmul_rn(o.slope, left)), half_width(o, left)),
        __fadd_rn(__fadd_rn(o.mean_x, __fmul_rn(o.slope, right)), half_width(o, right)),
        count);
}

DEVICE u32 count_tiles(const Outline& o, u32 tiles_x, u32 tiles_y) {
    const Range rows = tile_rows(o, tiles_y);
    u32 count = 0;
    for (int row = rows.first; row < rows.end; row++) {
        const Range columns = tile_columns(o, row, tiles_x);
        count += columns.end - columns.first;
    }
    return count;
}

#ifndef BACKWARD
// ---- the kernel -------------------------------------------------------------------------------------------------

DEVICE void write_splat(const Footprint& f, const float* color, float* out) {
    const float scale = -0.5f * 1.44269504f / f.determinant; // log2 e
    float all[SPLAT_FLOATS] = {
        f.mean[0], f.mean[1], scale * f.covariance[2], -2.0f * scale * f.covariance[1],
        scale * f.covariance[0], log2f(f.opacity), f.depth,
    };
    for (int c = 0; c < CHANNELS; c++) all[7 + c] = color[c];
    for (int i = 0; i < SPLAT_FLOATS; i += 4)
        *(float4*)(out + i) = make_float4(all[i], all[i + 1], all[i + 2], all[i + 3]);
}

// At most 128 registers a thread; left to itself the assembler aims at 72 on sm_100 and spills.
extern "C" __global__ void __launch_bounds__(128, 4) project(ProjectArgs a) {
    const Scene& s = a.scene;
    const u32 g = blockIdx.x * blockDim.x + threadIdx.x;
    if (g >= s.n_scenes * s.n_gaussians) return;
    const u32 scene = g / s.n_gaussians, n = g % s.n_gaussians;
    for (u32 view = 0; view < s.n_views; view++) {
        const u32 image = scene * s.n_views + view, pair = image * s.n_gaussians + n;
        const Lens& lens = s.lenses[image];
        Footprint footprint = {};
        float color[CHANNELS + 1];
        Culled reason = project_one(s, lens, g, footprint);
        if (reason == DRAWN && !color_of(s, lens, g, color)) reason = NON_FINITE;
        const Outline o = outline_of(footprint);
        const u32 count = reason == DRAWN ? count_tiles(o, s.tiles_x, s.tiles_y) : 0;
        if (reason == DRAWN && count == 0) reason = OUTSIDE;
        if (a.radii) a.radii[pair] = reason == DRAWN ? footprint.radius : 0.0f;
        if (reason != DRAWN) {
            a.depth_keys[pair] = CULLED_KEY;
            a.counts[pair] = 0;
            atomicAdd(a.stats + REASONS * image + reason - 1, 1u);
            continue;
        }
        write_splat(footprint, color, a.splats + (u64)pair * SPLAT_FLOATS);
        a.outlines[2 * pair] = make_float4(o.mean_x, o.mean_y, o.slope, o.span);
        a.outlines[2 * pair + 1] = make_float4(o.shrink, o.far_y, o.dy_right, 0.0f);
        a.depth_keys[pair] = __float_as_uint(footprint.depth);
        a.counts[pair] = count;
    }
}
#endif

// Sums each Gaussian's slots in order and takes the gradient back through color and projection, for every camera of
// its scene. Mirrors gather.rs, project_back.rs, `color_backward` of color.rs and `gradient` of harmonics.rs.

struct GatherArgs {
    Scene scene;
    const u32* counts;          // [P]
    const u32* first_slots;     // [P]
    const float* slots;         // [slots, SLOT_FLOATS]
    const u32* total;           // slots that were written
    float* means;               // [B, N, 3]
    float* quats;               // [B, N, 4]
    float* log_scales;          // [B, N, 3]
    float* opacity_logits;      // [B, N]
    float* colors;              // [B, N, COLOR_FLOATS]
    float* mean_2d;             // [B, N] or null
    float* mean_2d_abs;         // [B, N] or null
    float* camera_shares;       // [I, blocks of a scene, 10] or null: pose, then intrinsics
};

constexpr u32 GATHER_THREADS = 128;
constexpr int CAMERA_FLOATS = 10;

// Of one Gaussian from one camera.
struct Share {
    float mean[3];
    float quat[4];
    float log_scale[3];
    float opacity_logit;
    float mean_2d[2];
    float camera[CAMERA_FLOATS];
};

DEVICE void sum_slots(const GatherArgs& a, u32 pair, float* sums) {
    for (int i = 0; i < SLOT_FLOATS; i++) sums[i] = 0.0f;
    const u32 count = a.counts[pair];
    if (count == 0) return;
    const u32 first = a.first_slots[pair], end = min(first + count, *a.total);
    for (u32 slot = first; slot < end; slot++) {
        const float4* from = (const float4*)(a.slots + (u64)slot * SLOT_FLOATS);
        for (int i = 0; i < SLOT_FLOATS / 4; i++) {
            const float4 v = from[i];
            sums[4 * i] += v.x, sums[4 * i + 1] += v.y, sums[4 * i + 2] += v.z, sums[4 * i + 3] += v.w;
        }
    }
}

// Σ_k weights[k] · ∂basis[k]/∂d, d taken as three free numbers.
DEVICE void harmonics_gradient(const float* d, const float* v, float* g) {
    const float x = d[0], y = d[1], z = d[2];
    g[0] = g[1] = g[2] = 0.0f;
    if constexpr (SH_DEGREE >= 1) {
        g[0] = -0.4886025f * v[3], g[1] = -0.4886025f * v[1], g[2] = 0.4886025f * v[2];
    }
    if constexpr (SH_DEGREE >= 2) {
        const float a = 1.0925484f * v[4], b = -1.0925484f * v[5], c = 0.31539157f * v[6];
        const float p = -1.0925484f * v[7], q = 0.5462742f * v[8];
        g[0] += a * y - 2.0f * c * x + p * z + 2.0f * q * x;
        g[1] += a * x + b * z - 2.0f * c * y - 2.0f * q * y;
        g[2] += b * y + 4.0f * c * z + p * x;
    }
    if constexpr (SH_DEGREE >= 3) {
        const float xx = x * x, yy = y * y, zz = z * z;
        const float a = -0.5900436f * v[9], b = 2.8906114f * v[10], c = -0.4570458f * v[11], p = 0.37317634f * v[12];
        const float e = -0.4570458f * v[13], f = 1.4453057f * v[14], h = -0.5900436f * v[15];
        g[0] += 6.0f * a * x * y + b * y * z - 2.0f * c * x * y - 6.0f * p * x * z
            + e * (4.0f * zz - 3.0f * xx - yy) + 2.0f * f * x * z + h * (3.0f * xx - 3.0f * yy);
        g[1] += a * (3.0f * xx - 3.0f * yy) + b * x * z + c * (4.0f * zz - xx - 3.0f * yy) - 6.0f * p * y * z
            - 2.0f * e * x * y - 2.0f * f * y * z - 6.0f * h * x * y;
        g[2] += b * x * y + 8.0f * c * y * z + p * (6.0f * zz - 3.0f * xx - 3.0f * yy)
            + 8.0f * e * x * z + f * (xx - yy);
    }
}

// Adds to `stored` (gradient by the Gaussian's colors); `by_mean` is that by its mean through the view direction.
DEVICE void color_back(const Scene& s, const Lens& lens, u32 g, const float* by_color, float* stored, float* by_mean) {
    by_mean[0] = by_mean[1] = by_mean[2] = 0.0f;
    if constexpr (SH_DEGREE < 0) {
        for (int c = 0; c < CHANNELS; c++) stored[c] += by_color[c];
    } else {
        float d[3], basis[SH_BASIS], weights[SH_BASIS], color[3], open[3], by_d[3];
        const float length = view_direction(s, lens, g, d);
        harmonics_basis(d, basis);
        sh_color(s, g, basis, color);
        for (int c = 0; c < 3; c++) open[c] = color[c] > 0.0f ? by_color[c] : 0.0f;
        const float* coefficients = s.colors + (u64)g * COLOR_FLOATS;
        for (int k = 0; k < SH_BASIS; k++) {
            for (int c = 0; c < 3; c++) stored[3 * k + c] += basis[k] * open[c];
            weights[k] = dot3(coefficients + 3 * k, open);
        }
        harmonics_gradient(d, weights, by_d);
        if (!(length > 0.0f)) return;
        const float along = dot3(by_d, d);
        for (int i = 0; i < 3; i++) by_mean[i] = (by_d[i] - along * d[i]) / length;
    }
}

// By the covariance before dilation, as a symmetric matrix (xx, xy, yy).
DEVICE void covariance_back(const Scene& s, const Geometry& geometry, const float* conic, const float* moments, float* out) {
    const float a = conic[0], b = conic[1], c = conic[2], g = moments[0];
    // By the conic as a symmetric matrix: q = ½(a dx² + 2b dx dy + c dy²), so b carries both off-diagonals.
    const float ga = -0.5f * moments[3], gb = -0.5f * moments[4], gc = -0.5f * moments[5];
    // ∂L/∂cov = −conic · G · conic
    const float x0 = ga * a + gb * b, x1 = ga * b + gb * c, y0 = gb * a + gc * b, y1 = gb * b + gc * c;
    out[0] = -(a * x0 + b * y0), out[1] = -(a * x1 + b * y1), out[2] = -(b * x1 + c * y1);
    if (s.antialiased) {
        // ln compensation = ½ ln det − ½ ln dilated det
        const float det = fmaxf(geometry.determinant, 1.17549435e-38f);
        out[0] += 0.5f * g * (geometry.covariance[2] / det - a);
        out[1] += 0.5f * g * (-geometry.covariance[1] / det - b);
        out[2] += 0.5f * g * (geometry.covariance[0] / det - c);
    }
}

// By the mean in camera space; adds to `intrinsics`.
DEVICE void position_back(
    const Lens& lens, const Geometry& geometry, const float* by_mean_2d, const float by_rows[2][3], float by_depth,
    float* by_t, float* intrinsics) {
    const float z = geometry.t[2];
    by_t[0] = by_t[1] = 0.0f, by_t[2] = by_depth;
    for (int axis = 0; axis < 2; axis++) {
        const float f = lens.focal[axis], v = geometry.t[axis], g = by_mean_2d[axis];
        const float by_j = dot3(by_rows[axis], geometry.axes + 3 * axis);
        const float by_jz = dot3(by_rows[axis], geometry.axes + 6);
        const float jz = axis == 0 ? geometry.jxz : geometry.jyz;
        by_t[axis] += g * f / z;
        by_t[2] -= (g * v + by_j) * f / (z * z);
        intrinsics[axis] += (g * v + by_j) / z;
        intrinsics[2 + axis] += g;
        if (geometry.clamped[axis]) {
            // jz = −f·limit/z and f·limit = center + 0.15 size or center − 1.15 size: free of f.
            by_t[2] -= by_jz * jz / z;
            intrinsics[2 + axis] += by_jz / z;
        } else {
            by_t[axis] -= by_jz * f / (z * z);
            by_t[2] -= 2.0f * by_jz * jz / z;
            intrinsics[axis] -= by_jz * v / (z * z);
        }
    }
}

// By quaternion and log scales.
DEVICE void axes_back(const Lens& lens, const Geometry& geometry, const float* by_axes, float* by_quat, float* by_log_scale) {
    float d[9];
    for (int j = 0; j < 3; j++) by_log_scale[j] = 0.0f;
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 3; j++) {
            const float* c = lens.rotation;
            const float v = c[i] * by_axes[j] + c[3 + i] * by_axes[3 + j] + c[6 + i] * by_axes[6 + j];
            by_log_scale[j] += v * geometry.rotation[3 * i + j] * geometry.scale[j];
            d[3 * i + j] = v * geometry.scale[j];
        }
    }
    const float* q = geometry.quat;
    const float w = q[0], x = q[1], y = q[2], z = q[3];
    const float by_unit[4] = {
        2.0f * (x * (d[7] - d[5]) + y * (d[2] - d[6]) + z * (d[3] - d[1])),
        2.0f * (y * (d[3] + d[1]) + z * (d[6] + d[2]) + w * (d[7] - d[5])) - 4.0f * x * (d[4] + d[8]),
        2.0f * (x * (d[3] + d[1]) + z * (d[7] + d[5]) + w * (d[2] - d[6])) - 4.0f * y * (d[0] + d[8]),
        2.0f * (x * (d[6] + d[2]) + y * (d[7] + d[5]) + w * (d[3] - d[1])) - 4.0f * z * (d[0] + d[4]),
    };
    const float along = q[0] * by_unit[0] + q[1] * by_unit[1] + q[2] * by_unit[2] + q[3] * by_unit[3];
    for (int i = 0; i < 4; i++) by_quat[i] = (by_unit[i] - along * q[i]) / geometry.quat_length;
}

// From the sums over pixels; `by_mean` is what reached the mean through the color's view direction.
DEVICE void project_back(
    const Scene& s, const Lens& lens, u32 g, const float* moments, float by_depth, const float* by_mean, Share& out) {
    float t[3];
    Geometry geometry;
    if (in_camera(s, lens, g, t) != DRAWN || !geometry_of(s, lens, g, t, geometry)) return;
    const float d = geometry.dilated_determinant;
    const float conic[3] = {
        (geometry.covariance[2] + DILATION_PX2) / d, -geometry.covariance[1] / d, (geometry.covariance[0] + DILATION_PX2) / d};
    float by_covariance[3], by_rows[2][3], by_t[3];
    covariance_back(s, geometry, conic, moments, by_covariance);
    out.mean_2d[0] = conic[0] * moments[1] + conic[1] * moments[2];
    out.mean_2d[1] = conic[1] * moments[1] + conic[2] * moments[2];
    for (int k = 0; k < 3; k++) {
        const float r0 = geometry.rows[0][k], r1 = geometry.rows[1][k];
        by_rows[0][k] = 2.0f * by_covariance[0] * r0 + 2.0f * by_covariance[1] * r1;
        by_rows[1][k] = 2.0f * by_covariance[1] * r0 + 2.0f * by_covariance[2] * r1;
    }
    position_back(lens, geometry, out.mean_2d, by_rows, by_depth, by_t, out.camera + 6);
    float by_axes[9];
    for (int k = 0; k < 3; k++) {
        by_axes[k] = by_rows[0][k] * geometry.jx;
        by_axes[3 + k] = by_rows[1][k] * geometry.jy;
        by_axes[6 + k] = geometry.jxz * by_rows[0][k] + geometry.jyz * by_rows[1][k];
    }
    transposed_times3(lens.rotation, by_t, out.mean);
    for (int i = 0; i < 3; i++) out.mean[i] += by_mean[i];
    // Left twist: t moves by ρ + φ×t, the axes by φ×axes, the eye by −Rᵀρ (so view directions by +Rᵀρ).
    float seen[3], torque[3];
    times3(lens.rotation, by_mean, seen);
    cross3(t, by_t, torque);
    for (int i = 0; i < 3; i++) {
        const int j = (i + 1) % 3, k = (i + 2) % 3;
        const float spin = dot3(by_axes + 3 * k, geometry.axes + 3 * j) - dot3(by_axes + 3 * j, geometry.axes + 3 * k);
        out.camera[i] = by_t[i] + seen[i];
        out.camera[3 + i] = torque[i] + spin;
    }
    axes_back(lens, geometry, by_axes, out.quat, out.log_scale);
    out.opacity_logit = moments[0] * (1.0f - sigmoid(s.opacity_logits[g]));
}

// Sums a camera's shares over the block in a fixed order. Every thread of the block must come here.
DEVICE void reduce_camera(const float* share, float* out) {
    __shared__ float sums[GATHER_THREADS / WARP][CAMERA_FLOATS];
    const u32 thread = threadIdx.x;
    for (int i = 0; i < CAMERA_FLOATS; i++) {
        const float sum = warp_sum(share[i]);
        if (lane_index() == 0) sums[thread / WARP][i] = sum;
    }
    __syncthreads();
    if (thread < CAMERA_FLOATS) {
        float sum = 0.0f;
        for (u32 w = 0; w < GATHER_THREADS / WARP; w++) sum += sums[w][thread];
        out[thread] = sum;
    }
    __syncthreads();
}

// Third-degree colors take 48 sums a thread, so 200 registers and two blocks a multiprocessor. Bounded to three blocks the
// assembler spills 200 bytes on sm_90; in shared memory each view would load and store all sums, which costs what it gains.
//
// grid: blocks of 128 threads, one Gaussian each; a scene begins with a block of its own, scenes one after the other.
extern "C" __global__ void __launch_bounds__(GATHER_THREADS) gather(GatherArgs a) {
    const Scene& s = a.scene;
    const u32 blocks = (s.n_gaussians + GATHER_THREADS - 1) / GATHER_THREADS;
    const u32 scene = blockIdx.x / blocks, block = blockIdx.x % blocks;
    const u32 n = block * GATHER_THREADS + threadIdx.x, g = scene * s.n_gaussians + n;
    const bool inside = n < s.n_gaussians;
    float mean[3] = {}, quat[4] = {}, log_scale[3] = {}, opacity_logit = 0.0f, length = 0.0f, absolute = 0.0f;
    float colors[COLOR_FLOATS + 1] = {};
    for (u32 view = 0; view < s.n_views; view++) {
        const u32 image = scene * s.n_views + view, pair = image * s.n_gaussians + n;
        Share share = {};
        if (inside && a.counts[pair] > 0) {
            const Lens& lens = s.lenses[image];
            float sums[SLOT_FLOATS], by_mean[3];
            sum_slots(a, pair, sums);
            color_back(s, lens, g, sums + SHAPE_SLOTS, colors, by_mean);
            project_back(s, lens, g, sums, DEPTH ? sums[SHAPE_SLOTS + PLANES - 1] : 0.0f, by_mean, share);
            for (int i = 0; i < 3; i++) mean[i] += share.mean[i], log_scale[i] += share.log_scale[i];
            for (int i = 0; i < 4; i++) quat[i] += share.quat[i];
            opacity_logit += share.opacity_logit;
            length += sqrtf(share.mean_2d[0] * share.mean_2d[0] + share.mean_2d[1] * share.mean_2d[1]);
            // The tile loop differentiated log2(alpha).
            absolute += sqrtf(sums[6] * sums[6] + sums[7] * sums[7]) * 0.693147181f;
        }
        if (a.camera_shares) reduce_camera(share.camera, a.camera_shares + (image * blocks + block) * CAMERA_FLOATS);
    }
    if (!inside) return;
    for (int i = 0; i < 3; i++) a.means[3 * g + i] = mean[i], a.log_scales[3 * g + i] = log_scale[i];
    for (int i = 0; i < 4; i++) a.quats[4 * g + i] = quat[i];
    a.opacity_logits[g] = opacity_logit;
    for (int i = 0; i < COLOR_FLOATS; i++) a.colors[(u64)g * COLOR_FLOATS + i] = colors[i];
    if (a.mean_2d) a.mean_2d[g] = length;
    if (a.mean_2d_abs) a.mean_2d_abs[g] = absolute;
}

struct ReduceArgs {
    const float* shares;    // [groups, shares, width]
    float* sums;            // [groups, width]
    u32 n_shares;
    u32 width;
};

// Sums shares in double precision, in a fixed order. grid: one block of 256 threads per (group, column).
extern "C" __global__ void __launch_bounds__(256) reduce_shares(ReduceArgs a) {
    __shared__ double sums[256];
    const u32 thread = threadIdx.x, group = blockIdx.x / a.width, column = blockIdx.x % a.width;
    double sum = 0.0;
    for (u32 i = thread; i < a.n_shares; i += 256) sum += a.shares[((u64)group * a.n_shares + i) * a.width + column];
    sums[thread] = sum;
    for (u32 half = 128; half > 0; half /= 2) {
        __syncthreads();
        if (thread < half) sums[thread] += sums[thread + half];
    }
    if (thread == 0) a.sums[group * a.width + column] = (float)sums[0];
}

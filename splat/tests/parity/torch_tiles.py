"""A plain PyTorch tile rasterizer on the CPU: what the benchmark's scene costs without kernels of one's own.

    python torch_tiles.py SHELL.ply OURS.f32 THREADS

Reads a scene of third-degree harmonics and what `splat` made of it (the image, then the gradients to means, quaternions,
log-scales, opacity logits and harmonics, all little-endian float32), and prints

    forward + backward ms · the same, time of all threads · greatest difference of a pixel ·
    pixels further than 2e-3 apart · greatest difference of an array of gradients, root mean square over root mean square

Autograd projects all Gaussians at once. Then each 16×16 tile gathers its list, blends it for all its pixels in matrices
[K, 256] and goes straight back to what it gathered, so that no more than one tile's graph lives per thread; the tiles' sums
go back through the projection at the end. The loss is the mean distance from a grey image. Camera, size and constants are the
benchmark's; harmonics, projection and blending as Kerbl et al. 2023 describe them.
"""
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

# Threads share out tiles; inside of one, matrices this small only lose by being shared out.
os.environ["OMP_NUM_THREADS"] = "1"
import torch  # noqa: E402

SIZE, TILE, FOCAL_PX, DISTANCE_M = 512, 16, 1500.0, 0.75
ALPHA_CUT, ALPHA_CAP, TRANSMITTANCE_STOP, DILATION_PX2 = 1 / 255, 0.999, 1e-4, 0.3
# Gaussians of a tile blended between two looks at whether any pixel still takes light.
PART = 256
# The best of these counts.
RUNS = 3
# A camera in front that looks along −z of the world: x right, y down, z forward.
TURN = torch.tensor([1.0, -1.0, -1.0])
EYE = torch.tensor([0.0, 0.0, DISTANCE_M])


def main():
    scene, threads = read_ply(sys.argv[1]), int(sys.argv[3])
    ours = torch.frombuffer(bytearray(open(sys.argv[2], "rb").read()), dtype=torch.float32)
    runs = [draw(scene, threads) for _ in range(RUNS)]
    seconds, processor, image, gradients = min(runs, key=lambda run: run[0])
    processor = min(run[1] for run in runs)
    parts = ours.split([image.numel()] + [g.numel() for g in gradients])
    apart = (image.flatten() - parts[0]).abs().reshape(-1, 3).amax(-1)
    slope = max(((g.flatten() - our).norm() / our.norm()).item() for g, our in zip(gradients, parts[1:]))
    print(f"{1e3 * seconds:.1f} {1e3 * processor:.1f} {apart.max():.3e} {(apart > 2e-3).sum()} {slope:.3e}")


def draw(scene, threads):
    """Both passes: seconds, seconds of all threads, image [H, W, 3], gradients of the scene's arrays."""
    start, processor = time.perf_counter(), time.process_time()
    scene = [values.detach().requires_grad_() for values in scene]
    projected, depth, reach = project(*scene)  # [N, 9], [N], [N, 2]
    leaves, image = projected.detach(), torch.zeros(SIZE, SIZE, 3)
    lists = lists_of_tiles(leaves[:, :2], depth, reach)

    def share(first):
        slopes = torch.zeros_like(leaves)
        for tile in range(first, len(lists), threads):
            ids, left, top = lists[tile], tile % (SIZE // TILE) * TILE, tile // (SIZE // TILE) * TILE
            if len(ids):
                rows = leaves[ids].requires_grad_()
                pixels = blend(rows, left, top)
                ((pixels - 0.5).abs().sum() / image.numel()).backward()
                slopes.index_add_(0, ids, rows.grad)
                image[top : top + TILE, left : left + TILE] = pixels.detach().reshape(TILE, TILE, 3)
        return slopes

    with ThreadPoolExecutor(threads) as pool:
        projected.backward(sum(pool.map(share, range(threads))))
    return time.perf_counter() - start, time.process_time() - processor, image, [values.grad for values in scene]


def project(means, quats, log_scales, opacity_logits, colors):
    """Mean, conic, opacity and colour of each Gaussian; depth; half the sides of the box in which it can be seen."""
    t = means * TURN + EYE
    w, x, y, z = (quats / quats.norm(dim=-1, keepdim=True)).unbind(-1)
    rotation = torch.stack([
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ], -1).reshape(-1, 3, 3)
    axes = TURN[:, None] * rotation * log_scales.exp()[:, None, :]
    zero, f = torch.zeros_like(t[:, 0]), FOCAL_PX / t[:, 2]
    jacobian = torch.stack([f, zero, -f * t[:, 0] / t[:, 2], zero, f, -f * t[:, 1] / t[:, 2]], -1).reshape(-1, 2, 3)
    half = jacobian @ axes
    covariance = half @ half.transpose(1, 2) + DILATION_PX2 * torch.eye(2)
    xx, xy, yy = covariance[:, 0, 0], covariance[:, 0, 1], covariance[:, 1, 1]
    conic = torch.stack([yy, -xy, xx], -1) / (xx * yy - xy * xy)[:, None]
    direction = means - EYE
    basis = harmonics(direction / direction.norm(dim=-1, keepdim=True))
    color = ((basis[:, :, None] * colors).sum(1) + 0.5).clamp_min(0)
    opacity = torch.sigmoid(opacity_logits)
    projected = torch.cat([f[:, None] * t[:, :2] + SIZE / 2, conic, opacity[:, None], color], -1)
    with torch.no_grad():
        sigmas = 2 * torch.log((opacity / ALPHA_CUT).clamp_min(1.0))
        reach = torch.sqrt(sigmas[:, None] * torch.stack([xx, yy], -1))
    return projected, t[:, 2].detach(), reach


def harmonics(d):
    x, y, z = d.unbind(-1)
    xx, yy, zz = x * x, y * y, z * z
    return torch.stack([
        0.2820948 * torch.ones_like(x), -0.4886025 * y, 0.4886025 * z, -0.4886025 * x,
        1.0925484 * x * y, -1.0925484 * y * z, 0.3153916 * (2 * zz - xx - yy), -1.0925484 * x * z, 0.5462742 * (xx - yy),
        -0.5900436 * y * (3 * xx - yy), 2.8906114 * x * y * z, -0.4570458 * y * (4 * zz - xx - yy),
        0.3731763 * z * (2 * zz - 3 * xx - 3 * yy), -0.4570458 * x * (4 * zz - xx - yy), 1.4453057 * z * (xx - yy),
        -0.5900436 * x * (xx - 3 * yy),
    ], -1)


def lists_of_tiles(mean, depth, reach):
    """The Gaussians of each tile, front to back."""
    tiles = SIZE // TILE
    order = torch.argsort(depth, stable=True)
    low = ((mean - reach)[order] / TILE).floor().clamp(0, tiles).long()
    high = ((mean + reach)[order] / TILE).ceil().clamp(0, tiles).long()
    sides = (high - low).clamp_min(0)
    count = sides[:, 0] * sides[:, 1]
    owner = torch.repeat_interleave(count)
    nth = torch.arange(len(owner)) - (count.cumsum(0) - count)[owner]
    column, row = low[owner, 0] + nth % sides[owner, 0], low[owner, 1] + nth // sides[owner, 0]
    tile, by_tile = torch.sort(row * tiles + column, stable=True)
    return order[owner[by_tile]].split(torch.bincount(tile, minlength=tiles * tiles).tolist())


def blend(rows, left, top):
    """Colours [256, 3] of a tile's pixels from its Gaussians, front to back."""
    at = torch.arange(TILE) + 0.5
    px, py = (left + at).repeat(TILE), (top + at).repeat_interleave(TILE)
    light, out = torch.ones(1, TILE * TILE), torch.zeros(TILE * TILE, 3)
    for part in rows.split(PART):
        x, y, a, b, c, opacity = part[:, :6, None].unbind(1)
        dx, dy = px - x, py - y
        raw = opacity * torch.exp(-0.5 * (a * dx * dx + c * dy * dy) - b * dx * dy)
        alpha = torch.where(raw >= ALPHA_CUT, raw.clamp_max(ALPHA_CAP), 0.0)
        after = light * torch.cumprod(1 - alpha, 0)
        before = torch.cat([light, after[:-1]])
        weight = torch.where(after > TRANSMITTANCE_STOP, alpha * before, 0.0)
        out, light = out + weight.T @ part[:, 6:], after[-1:]
        if light.detach().max() <= TRANSMITTANCE_STOP:
            break
    return out


def read_ply(path):
    """Means [N, 3], quaternions [N, 4], log-scales [N, 3], opacity logits [N], harmonics [N, 16, 3]."""
    head, body = open(path, "rb").read().split(b"end_header\n", 1)
    names = [line.split()[2].decode() for line in head.splitlines() if line.startswith(b"property")]
    table = torch.frombuffer(bytearray(body), dtype=torch.float32).reshape(-1, len(names))
    columns = lambda keys: table[:, [names.index(key) for key in keys]].contiguous()
    rest = [f"f_rest_{15 * channel + i}" for i in range(15) for channel in range(3)]
    return [
        columns(["x", "y", "z"]),
        columns([f"rot_{i}" for i in range(4)]),
        columns([f"scale_{i}" for i in range(3)]),
        columns(["opacity"])[:, 0],
        columns([f"f_dc_{i}" for i in range(3)] + rest).reshape(-1, 16, 3),
    ]


if __name__ == "__main__":
    main()

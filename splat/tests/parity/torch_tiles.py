"""A plain PyTorch tile rasterizer on the CPU, as a mark for the benchmark: prints milliseconds of the forward pass and
of both, from an L1 loss to all parameters, and the image's mean (by which the benchmark knows that it drew the same).

    python torch_tiles.py SHELL.ply

16×16 tiles; in each, every pixel meets every Gaussian of the tile's list in one matrix, 128 Gaussians at a time until
no pixel of the tile takes light. Camera, size and constants are the benchmark's. Harmonics, projection and blending as
Kerbl et al. 2023 describe them.
"""
import sys
import time

import numpy as np
import torch

SIZE, TILE, FOCAL, DISTANCE = 512, 16, 1500.0, 0.75


def read_ply(path):
    raw = open(path, "rb").read()
    head, body = raw.split(b"end_header\n", 1)
    names = [line.split()[2].decode() for line in head.splitlines() if line.startswith(b"property")]
    table = np.frombuffer(body, "<f4").reshape(-1, len(names))
    columns = lambda keys: torch.tensor(table[:, [names.index(k) for k in keys]].copy(), requires_grad=True)
    rest = [f"f_rest_{c * 15 + i}" for i in range(15) for c in range(3)]
    return {
        "means": columns(["x", "y", "z"]),
        "quats": columns([f"rot_{i}" for i in range(4)]),
        "log_scales": columns([f"scale_{i}" for i in range(3)]),
        "opacity_logits": columns(["opacity"]),
        "colors": columns([f"f_dc_{i}" for i in range(3)] + rest),
    }


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


def project(g):
    # The camera looks along −z of the world: x right, y down, z forward.
    t = g["means"] * torch.tensor([1.0, -1.0, -1.0]) + torch.tensor([0.0, 0.0, DISTANCE])
    w, x, y, z = (g["quats"] / g["quats"].norm(dim=-1, keepdim=True)).unbind(-1)
    turn = torch.stack([
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ], -1).reshape(-1, 3, 3)
    axes = torch.tensor([1.0, -1.0, -1.0])[:, None] * turn * g["log_scales"].exp()[:, None, :]
    zero, f = torch.zeros_like(t[:, 0]), FOCAL / t[:, 2]
    jacobian = torch.stack([f, zero, -f * t[:, 0] / t[:, 2], zero, f, -f * t[:, 1] / t[:, 2]], -1).reshape(-1, 2, 3)
    rows = jacobian @ axes
    cov = rows @ rows.transpose(1, 2) + 0.3 * torch.eye(2)
    det = cov[:, 0, 0] * cov[:, 1, 1] - cov[:, 0, 1] ** 2
    conic = torch.stack([cov[:, 1, 1], -cov[:, 0, 1], cov[:, 0, 0]], -1) / det[:, None]
    direction = g["means"] - torch.tensor([0.0, 0.0, DISTANCE])
    basis = harmonics(direction / direction.norm(dim=-1, keepdim=True))
    color = (torch.einsum("nk,nkc->nc", basis, g["colors"].reshape(-1, 16, 3)) + 0.5).clamp_min(0)
    mean = f[:, None] * t[:, :2] + SIZE / 2
    opacity = torch.sigmoid(g["opacity_logits"][:, 0])
    with torch.no_grad():
        reach = 2 * torch.log((255 * opacity).clamp_min(1.0))
        extent = torch.sqrt(reach[:, None] * torch.stack([cov[:, 0, 0], cov[:, 1, 1]], -1))
    return mean, conic, color, opacity, t[:, 2], extent


def draw(g):
    mean, conic, color, opacity, depth, extent = project(g)
    order = torch.argsort(depth.detach(), stable=True)
    low, high = (mean.detach() - extent)[order], (mean.detach() + extent)[order]
    offset = torch.stack(torch.meshgrid(torch.arange(TILE), torch.arange(TILE), indexing="xy"), -1).reshape(-1, 2) + 0.5
    bands = []
    for top in range(0, SIZE, TILE):
        band = order[(high[:, 1] > top) & (low[:, 1] < top + TILE)]
        band_low, band_high = (mean.detach() - extent)[band, 0], (mean.detach() + extent)[band, 0]
        tiles = []
        for left in range(0, SIZE, TILE):
            ids = band[(band_high > left) & (band_low < left + TILE)]
            pixel = offset + torch.tensor([left, top])
            light, out = torch.ones(TILE * TILE), torch.zeros(TILE * TILE, 3)
            for part in ids.split(128) if len(ids) else []:
                d, c = pixel[:, None] - mean[part], conic[part]
                power = -0.5 * (c[:, 0] * d[..., 0] ** 2 + c[:, 2] * d[..., 1] ** 2) - c[:, 1] * d[..., 0] * d[..., 1]
                alpha = (opacity[part] * torch.exp(power)).clamp_max(0.999)
                alpha = torch.where(alpha >= 1 / 255, alpha, torch.zeros_like(alpha))
                after = light[:, None] * torch.cumprod(1 - alpha, 1)
                before = torch.cat([light[:, None], after[:, :-1]], 1)
                weight = torch.where(after > 1e-4, alpha * before, torch.zeros_like(alpha))
                out, light = out + weight @ color[part], after[:, -1]
                if light.detach().max() <= 1e-4:
                    break
            tiles.append(out.reshape(TILE, TILE, 3))
        bands.append(torch.cat(tiles, 1))
    return torch.cat(bands, 0)


def main():
    g = read_ply(sys.argv[1])
    start = time.perf_counter()
    image = draw(g)
    forward = time.perf_counter() - start
    (image - 0.5).abs().mean().backward()
    both = time.perf_counter() - start
    assert all(v.grad.isfinite().all() for v in g.values())
    print(f"{1e3 * forward:.1f} {1e3 * both:.1f} {image.mean().item():.6f}")


if __name__ == "__main__":
    main()

"""Makes the golden files beside it: small scenes drawn and differentiated by gsplat's plain PyTorch implementation.

From the repository's root, with any Python that has torch (a virtual environment with the CPU wheel does):

    python3 -m venv .venv-parity && .venv-parity/bin/pip install torch numpy typing_extensions
    .venv-parity/bin/pip download --no-deps --dest .venv-parity gsplat==1.5.3
    .venv-parity/bin/python splat/tests/parity/make_golden.py .venv-parity/gsplat-1.5.3-py3-none-any.whl

gsplat (Apache-2.0, github.com/nerfstudio-project/gsplat) does projection, spherical harmonics and compositing in
`gsplat/cuda/_torch_impl.py`; autograd gives the gradients, in double precision. Two things it takes from CUDA packages are
stated here in plain PyTorch: which (pixel, Gaussian) pairs there are (alpha at least 1/255, in order of depth), and nerfacc's
two sums along a ray.
"""
import json
import sys
import types
import zipfile
from pathlib import Path

import torch

WIDTH, HEIGHT = 30, 22


def load_gsplat(wheel):
    source = zipfile.ZipFile(wheel).read("gsplat/cuda/_torch_impl.py").decode()
    module = types.ModuleType("torch_impl")
    exec(compile(source, "gsplat/cuda/_torch_impl.py", "exec"), module.__dict__)
    return module


def install_ray_sums():
    """`nerfacc` as `accumulate` calls it; samples of a ray are adjacent and in order."""

    def render_weight_from_alpha(alphas, ray_indices, n_rays):
        weights, trans = torch.zeros_like(alphas), torch.ones_like(alphas)
        pieces_w, pieces_t, order = [], [], []
        for ray in range(n_rays):
            at = torch.nonzero(ray_indices == ray).flatten()
            if len(at):
                through = torch.cumprod(1 - alphas[at], 0)
                before = torch.cat([torch.ones_like(through[:1]), through[:-1]])
                pieces_w.append(alphas[at] * before)
                pieces_t.append(before)
                order.append(at)
        order = torch.cat(order)
        return weights.index_copy(0, order, torch.cat(pieces_w)), trans.index_copy(0, order, torch.cat(pieces_t))

    def accumulate_along_rays(weights, values, ray_indices, n_rays):
        terms = weights[:, None] if values is None else weights[:, None] * values
        return torch.zeros(n_rays, terms.shape[1], dtype=terms.dtype).index_add(0, ray_indices, terms)

    nerfacc = types.ModuleType("nerfacc")
    nerfacc.render_weight_from_alpha = render_weight_from_alpha
    nerfacc.accumulate_along_rays = accumulate_along_rays
    sys.modules["nerfacc"] = nerfacc


def pairs(means, conics, opacities, depths, radii):
    """Pixels and Gaussians, pixel by pixel and front to back."""
    ys, xs = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    centers = torch.stack([xs, ys], -1).reshape(-1, 1, 2) + 0.5
    order = torch.argsort(depths, stable=True)
    order = order[(radii[order] > 0).all(-1)]
    d, c = centers - means[order], conics[order]
    sigma = 0.5 * (c[:, 0] * d[..., 0] ** 2 + c[:, 2] * d[..., 1] ** 2) + c[:, 1] * d[..., 0] * d[..., 1]
    pixel, rank = torch.nonzero(opacities[order] * torch.exp(-sigma) >= 1 / 255, as_tuple=True)
    return order[rank], pixel


def scene(n, degree, seed):
    rng = torch.Generator().manual_seed(seed)
    normal = lambda *shape: torch.randn(*shape, generator=rng, dtype=torch.float64)
    return {
        "means": 0.06 * normal(n, 3),
        "quats": normal(n, 4),
        "log_scales": torch.log(torch.tensor(0.014)) + 0.6 * normal(n, 3),
        "opacity_logits": 0.3 + normal(n).clamp(-1.5, 1.5),
        "colors": 0.4 * normal(n, (degree + 1) ** 2, 3),
    }


def camera(eye, up):
    """camera_from_world of a camera at `eye` that looks at the origin: x right, y down, z forward."""
    eye = torch.tensor(eye, dtype=torch.float64)
    z = -eye / eye.norm()
    x = torch.linalg.cross(z, torch.tensor(up, dtype=torch.float64))
    x = x / x.norm()
    rotation = torch.stack([x, torch.linalg.cross(z, x), z])
    out = torch.eye(4, dtype=torch.float64)
    out[:3, :3], out[:3, 3] = rotation, -rotation @ eye
    return out


def draw(gsplat, values, view, intrinsics, degree, antialiased, background):
    quats = values["quats"] / values["quats"].norm(dim=-1, keepdim=True)
    covars, _ = gsplat._quat_scale_to_covar_preci(quats, values["log_scales"].exp(), True, False)
    fx, fy, cx, cy = intrinsics
    zero, one = torch.zeros_like(fx), torch.ones_like(fx)
    k = torch.stack([fx, zero, cx, zero, fy, cy, zero, zero, one]).reshape(1, 3, 3)
    radii, means, depths, conics, compensation = gsplat._fully_fused_projection(
        values["means"], covars, view[None], k, WIDTH, HEIGHT, calc_compensations=antialiased
    )
    opacities = torch.sigmoid(values["opacity_logits"])[None]
    if antialiased:
        opacities = opacities * compensation
    eye = -view[:3, :3].T @ view[:3, 3]
    directions = values["means"] - eye
    colors = (gsplat._spherical_harmonics(degree, directions, values["colors"]) + 0.5).clamp_min(0.0)
    values_drawn = torch.cat([colors, depths[0, :, None]], -1)[None]
    with torch.no_grad():
        gaussian_ids, pixel_ids = pairs(means[0], conics[0], opacities[0], depths[0], radii[0])
    drawn, alphas = gsplat.accumulate(
        means, conics, opacities, values_drawn, gaussian_ids, pixel_ids, torch.zeros_like(pixel_ids), WIDTH, HEIGHT
    )
    assert alphas.max() < 0.9999, "the early stop is not modelled here"
    return drawn[0, ..., :3] + (1 - alphas[0]) * background, alphas[0, ..., 0], drawn[0, ..., 3]


def case(gsplat, name, degree, antialiased, seed):
    values = {key: v.float().double().requires_grad_() for key, v in scene(24, degree, seed).items()}
    view = camera([0.25, 0.12, 0.5], [0.1, 1.0, 0.0]).float().double().requires_grad_()
    intrinsics = torch.tensor([47.0, 41.0, 16.75, 9.5], dtype=torch.float64, requires_grad=True)
    background = torch.tensor([0.25, 0.5, 0.125], dtype=torch.float64)
    outputs = draw(gsplat, values, view, intrinsics, degree, antialiased, background)
    # Weights that any language writes down alike.
    count = sum(o.numel() for o in outputs)
    weights = torch.sin(torch.arange(count, dtype=torch.float64) * 0.7)
    (torch.cat([o.flatten() for o in outputs]) * weights).sum().backward()
    numbers = lambda t: [float(f"{v:.9g}") for v in t.detach().flatten().tolist()]
    golden = {
        "source": "gsplat 1.5.3, gsplat/cuda/_torch_impl.py, float64; see make_golden.py",
        "size": [WIDTH, HEIGHT],
        "degree": degree,
        "antialiased": antialiased,
        "background": numbers(background),
        "camera_from_world": numbers(view),
        "intrinsics": numbers(intrinsics),
        "scene": {key: numbers(v) for key, v in values.items()},
        "color": numbers(outputs[0].float()),
        "alpha": numbers(outputs[1].float()),
        "depth": numbers(outputs[2].float()),
        "gradients": {key: numbers(v.grad) for key, v in values.items()},
        "by_camera_from_world": numbers(view.grad),
        "by_intrinsics": numbers(intrinsics.grad),
    }
    path = Path(__file__).with_name(f"{name}.json")
    path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    print(path, path.stat().st_size)


if __name__ == "__main__":
    install_ray_sums()
    torch_impl = load_gsplat(sys.argv[1])
    case(torch_impl, "harmonics", 3, False, 1)
    case(torch_impl, "antialiased", 1, True, 2)

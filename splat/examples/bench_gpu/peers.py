"""Times of gsplat and Faster-GS, where they are installed, on the scene and the cameras of splat's GPU bench.

    python peers.py SHELL.ply CAMERAS.json

Prints a line a figure: its name, a tab, milliseconds of forward and backward from a mean distance to all of the scene's
parameters, the best of 100 between two events on the device; or its name, a tab, and why it was not measured.
"""
import json
import sys

RUNS = 100


def main():
    try:
        import torch

        complaint = None if torch.cuda.is_available() else "torch sees no GPU"
    except ImportError as error:
        complaint = str(error)
    if complaint:
        return [print(f"{name}\t{complaint}") for name in ("gsplat", "Faster-GS")]
    scene, cameras = read_ply(torch, sys.argv[1]), json.load(open(sys.argv[2]))
    for name, rival in [("gsplat", gsplat), ("Faster-GS", faster_gs)]:
        for count in [1, 8]:
            seen = cameras[3:4] if count == 1 else cameras
            try:
                answer = f"{best_ms(torch, rival(torch, scene, seen), scene):.4f}"
            except Exception as error:  # whatever keeps a rival from running is worth a line, not the end of the others
                answer = " ".join(f"{type(error).__name__}: {error}".split())
            print(f"{name}, 100k × {count} forward + backward\t{answer}", flush=True)


def best_ms(torch, draw, scene):
    """The least of RUNS, after ten to warm up."""
    times = []
    for run in range(RUNS + 10):
        for array in scene:
            array.grad = None
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        (draw() - 0.5).abs().mean().backward()
        end.record()
        torch.cuda.synchronize()
        if run >= 10:
            times.append(begin.elapsed_time(end))
    return min(times)


def gsplat(torch, scene, cameras):
    import gsplat

    means, quats, log_scales, logits, colors = scene
    first = cameras[0]
    views = torch.tensor([camera["camera_from_world"] for camera in cameras], device="cuda")
    k = torch.tensor(
        [[[c["fx"], 0, c["cx"]], [0, c["fy"], c["cy"]], [0, 0, 1]] for c in cameras], dtype=torch.float32, device="cuda"
    )
    return lambda: gsplat.rasterization(
        means, quats, log_scales.exp(), logits.sigmoid(), colors, views, k, first["width"], first["height"],
        near_plane=0.01, sh_degree=3, packed=False, tile_size=16, rasterize_mode="classic",
    )[0]


def faster_gs(torch, scene, cameras):
    import FasterGSCudaBackend as backend

    backend = getattr(backend, "torch_bindings", backend)
    means, quats, log_scales, logits, colors = scene
    no_densification = torch.empty(0, device="cuda")

    def settings(camera):
        view = torch.tensor(camera["camera_from_world"], device="cuda")
        return backend.RasterizerSettings(
            w2c=view, cam_position=-view[:3, :3].T @ view[:3, 3], bg_color=torch.zeros(3, device="cuda"), active_sh_bases=16,
            width=camera["width"], height=camera["height"], focal_x=camera["fx"], focal_y=camera["fy"],
            center_x=camera["cx"], center_y=camera["cy"], near_plane=0.01, far_plane=1e4, proper_antialiasing=False,
        )

    def draw(one):
        harmonics = colors[:, :1].contiguous(), colors[:, 1:].contiguous()
        return backend.diff_rasterize(means, log_scales, quats, logits[:, None], *harmonics, no_densification, one)

    each = [settings(camera) for camera in cameras]
    return lambda: torch.stack([draw(one) for one in each])


def read_ply(torch, path):
    """Means [N, 3], quaternions [N, 4], log-scales [N, 3], opacity logits [N], harmonics [N, 16, 3], all to be learnt."""
    head, body = open(path, "rb").read().split(b"end_header\n", 1)
    names = [line.split()[2].decode() for line in head.splitlines() if line.startswith(b"property")]
    table = torch.frombuffer(bytearray(body), dtype=torch.float32).reshape(-1, len(names))
    take = lambda keys: table[:, [names.index(key) for key in keys]].contiguous()
    rest = [f"f_rest_{15 * channel + i}" for i in range(15) for channel in range(3)]
    arrays = [
        take(["x", "y", "z"]),
        take([f"rot_{i}" for i in range(4)]),
        take([f"scale_{i}" for i in range(3)]),
        take(["opacity"])[:, 0],
        take([f"f_dc_{i}" for i in range(3)] + rest).reshape(-1, 16, 3),
    ]
    return [array.cuda().requires_grad_() for array in arrays]


if __name__ == "__main__":
    main()

"""Reads what the example `peer_scene` writes, and compares pictures."""
import json
from pathlib import Path

import numpy as np


class Scene:
    """Mesh [V, 3] [T, 3], strands, light [128, 256, 3], camera; ours: pictures [H, W, 4], premultiplied."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.facts = json.loads((self.folder / "scene.json").read_text())
        raw = (self.folder / "mesh.bin").read_bytes()
        v, t = np.frombuffer(raw, "<u4", 2)
        self.positions = np.frombuffer(raw, "<f4", 3 * v, 8).reshape(v, 3)
        self.normals = np.frombuffer(raw, "<f4", 3 * v, 8 + 12 * v).reshape(v, 3)
        self.triangles = np.frombuffer(raw, "<u4", 3 * t, 8 + 24 * v).reshape(t, 3)
        self.light = np.frombuffer((self.folder / "light.bin").read_bytes(), "<f4").reshape(128, 256, 3)

    def ours(self, name):
        size = self.facts["size"]
        return np.frombuffer((self.folder / f"ours-{name}.bin").read_bytes(), "<f4").reshape(size, size, 4)


def difference(ours, theirs, block=8):
    """Relative difference of the means where something stands, in %, and its root mean square over blocks of pixels."""
    covered = ours[..., 3] > 0.99
    mean = 100 * (ours[covered][:, :3].mean() / theirs[covered][:, :3].mean() - 1)
    size = ours.shape[0] // block * block
    cut = lambda a: a[:size, :size].reshape(size // block, block, size // block, block, -1).mean(axis=(1, 3))
    whole = cut(covered[..., None].astype(float))[..., 0] == 1
    a, b = cut(ours[..., :3])[whole], cut(theirs[..., :3])[whole]
    return mean, 100 * np.sqrt(np.mean((a / b - 1) ** 2))


def noise(picture, long, covered):
    """Root mean square error where something stands, under x / (1 + x) over the long picture's mean."""
    mean = long[covered][:, :3].mean()
    tone = lambda c: np.clip(c, 0, None) / (np.clip(c, 0, None) + mean)
    return np.sqrt(np.mean((tone(picture[covered][:, :3]) - tone(long[covered][:, :3])) ** 2))

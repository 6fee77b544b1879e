"""How near a drawn avatar is to a picture: PSNR, SSIM, sharpness, over the pixels the picture knows.

Pictures are what `invert eval --pictures` and `invert fit --pictures` write: `{name}-truth.png`, `-avatar.png`, `-valid.png`, `-alpha.png`.
"""
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter


def load(path):
    """[H, W, 3] display RGB in 0..1."""
    return np.asarray(Image.open(path).convert("RGB"), dtype=np.float32) / 255


def triples(folder):
    """(name, truth, avatar, valid, alpha) of every comparison in a folder; masks are [H, W]."""
    for path in sorted(Path(folder).glob("*-truth.png")):
        name = path.name.removesuffix("-truth.png")
        of = lambda what: load(path.with_name(f"{name}-{what}.png"))
        yield name, of("truth"), of("avatar"), of("valid")[..., 0], of("alpha")[..., 0]


def psnr(a, b, mask):
    mse = ((a - b) ** 2 * mask[..., None]).sum() / (3 * max(mask.sum(), 1e-8))
    return float(-10 * np.log10(max(mse, 1e-10)))


def ssim(a, b, mask):
    """Wang et al. 2004: 11-pixel Gaussian window, sigma 1.5, centered on pixels of the mask at least 5 from the border."""
    blur = lambda x: np.stack([gaussian_filter(x[..., c], 1.5, truncate=5 / 1.5) for c in range(3)], -1)
    ma, mb = blur(a), blur(b)
    va, vb, cov = blur(a * a) - ma * ma, blur(b * b) - mb * mb, blur(a * b) - ma * mb
    c1, c2 = 0.01**2, 0.03**2
    value = (2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))
    inner = (slice(5, -5), slice(5, -5))
    weight = mask[inner][..., None]
    return float((value[inner] * weight).sum() / (3 * max(weight.sum(), 1e-8)))


def sharpness(made, truth, mask):
    """Gradient energy of `made` over that of `truth` within the mask; 1 is as sharp. As `invert eval` has it."""
    def energy(picture):
        luma = picture.mean(-1)
        dx, dy = np.diff(luma, axis=1) ** 2, np.diff(luma, axis=0) ** 2
        return (dx * mask[:, 1:] * mask[:, :-1]).sum() + (dy * mask[1:] * mask[:-1]).sum()
    return float(energy(made) / max(energy(truth), 1e-9))

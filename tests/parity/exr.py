#!/usr/bin/env python3
"""Do the linear layers open in the reference library? The first row of every `exr` shard, by the wheel OpenEXR.

  exr.py DATASET     DATASET: made by `datagen render --set maps.exr=true`. Needs OpenEXR, pyarrow, numpy.
"""
import sys, tempfile
from pathlib import Path

import numpy as np
import OpenEXR
import pyarrow.parquet as parquet

PARTS = {
    "beauty": ("RGBA", np.float16), "albedo": ("RGB", np.float16), "normal": ("XYZ", np.float16),
    "depth": ("Z", np.float32), "uv": ("UV", np.float16), "id": (["class", "part"], np.uint32),
}


def check(data):
    """(bytes, pixels covered) of a file with all its parts."""
    with tempfile.NamedTemporaryFile(suffix=".exr") as file:
        file.write(data)
        file.flush()
        parts = {p.name(): p for p in OpenEXR.File(file.name, separate_channels=True).parts}
    assert parts.keys() == PARTS.keys(), parts.keys()
    for name, (channels, kind) in PARTS.items():
        part = parts[name]
        assert part.compression() == OpenEXR.ZIP_COMPRESSION, (name, part.compression())
        for channel in channels:
            pixels = part.channels[channel].pixels
            assert pixels.dtype == kind and np.isfinite(pixels.astype(np.float64)).all(), (name, channel, pixels.dtype)
    alpha, depth = parts["beauty"].channels["A"].pixels, parts["depth"].channels["Z"].pixels
    assert ((alpha == 1) <= (depth > 0)).mean() > 0.99, "what is covered has a depth"
    return len(data), int((alpha > 0).sum())


def main():
    shards = sorted(Path(sys.argv[1]).glob("exr/*.parquet"))
    assert shards, "no exr shards"
    for shard in shards:
        size, covered = check(parquet.read_table(shard)["exr"][0].as_py())
        print(f"{shard.name}: six parts, {size} bytes, {covered} pixels covered")


main()

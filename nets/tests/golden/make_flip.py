"""Prints the mean LDR-FLIP of the pictures in src/flip.rs's test, by NVIDIA's package: pip install flip-evaluator==1.7."""
import flip_evaluator
import numpy as np

H, W = 48, 64
y, x, c = np.meshgrid(np.arange(H), np.arange(W), np.arange(3), indexing="ij")
blocks = ((x // 8 + y // 6 * 3) * 37 + c * 61) % 256
smooth = (x * 3 + y * 2 + c * 40) % 256
for name, a, b in [
    ("blocks and a shift", blocks, np.roll(blocks, 1, axis=1)),
    ("smooth and brighter", smooth, np.minimum(smooth + 20, 255)),
    ("blocks and smooth", blocks, smooth),
]:
    a, b = (np.ascontiguousarray(v.astype(np.float32) / 255) for v in (a, b))
    _, mean, _ = flip_evaluator.evaluate(a, b, "LDR")
    print(f"{name}: {mean:.6f}")

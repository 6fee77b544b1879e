#!/usr/bin/env python3
"""Do our eyes and mouth open and shut as MediaPipe sees them on the same photos?

  openings.py SHARDS OUT.json TRACKED ...     SHARDS: our tool `shards`; TRACKED: folders made by `track fit`

Per photo: MediaPipe's eye opening (lid distance over eye width, mean of both eyes) beside our eyeBlink, and MediaPipe's mouth
opening (inner lips over the distance between the outer eye corners) beside ours, of the fitted head in space, and jawOpen.
MediaPipe is a yardstick here, never a part of the product.
"""
import json, sys
from pathlib import Path

import mediapipe as mp
import numpy as np

from landmarks import rows

# Eyes that MediaPipe sees as wide as this or wider are open, as narrow as this or narrower are shut.
OPEN, SHUT = 0.22, 0.08


def openings_of_mesh(points):
    """Of MediaPipe's 478 points in pixels: eyes and mouth."""
    apart = lambda a, b: np.linalg.norm(points[a] - points[b])
    eyes = [apart(159, 145) / apart(33, 133), apart(386, 374) / apart(362, 263)]
    return float(np.mean(eyes)), float(apart(13, 14) / apart(33, 263))


def openings_of_row(labels):
    """Of a tracked row: eyeBlink, mouth of the fitted head, jawOpen."""
    units = labels["expression"]
    space = np.array(labels["landmarks_3d"])
    mouth = np.linalg.norm(space[62] - space[66]) / np.linalg.norm(space[36] - space[45])
    return float(np.mean([units[8], units[9]])), float(mouth), float(units[24])


def main():
    shards, out, folders = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
    mesh = mp.solutions.face_mesh.FaceMesh(static_image_mode=True, refine_landmarks=True, max_num_faces=1)
    table = []
    for folder in folders:
        for name, image, labels in rows(shards, folder):
            found = mesh.process(image).multi_face_landmarks
            if not found:
                print(f"{name}: MediaPipe finds no face in our crop")
                continue
            size = np.array([image.shape[1], image.shape[0]])
            eye, mouth = openings_of_mesh(np.array([[p.x, p.y] for p in found[0].landmark]) * size)
            blink, ours, jaw = openings_of_row(labels)
            table.append((eye, blink, mouth, ours))
            print(f"{Path(name).name:>28}: eyes {eye:.2f}, eyeBlink {blink:.2f}; mouth {mouth:.3f}, ours {ours:.3f}, jawOpen {jaw:.2f}")
    eye, blink, mouth, ours = (np.array(column) for column in zip(*table))
    result = []

    def say(name, value, bar, ok, unit):
        result.append({"name": name, "value": value, "unit": unit, "bar": bar, "ok": ok})
        text = "no such photo: skipped" if value is None else f"{value:.3f} ({'ok' if ok else 'missed'}, {bar})"
        print(f"{name}: {text}")

    for name, mask, bar, ok in [
        ("eyeblink_of_open_eyes", eye >= OPEN, 0.1, lambda v: v <= 0.1),
        ("eyeblink_of_shut_eyes", eye <= SHUT, 0.8, lambda v: v >= 0.8),
    ]:
        value = float(blink[mask].mean()) if mask.any() else None
        say(name, value, bar, None if value is None else bool(ok(value)), "0..1")
    correlation = float(np.corrcoef(mouth, ours)[0, 1])
    say("mouth_opening_correlation", correlation, 0.9, correlation >= 0.9, "")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"rows": result}, indent=1))


main()

"""What two networks by others see in a face: MediaPipe's mesh (openings of eyes and mouth) and dlib's recognizer.

Both were trained on photos; they measure, and are never a part of the product.
"""
import os
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("GLOG_minloglevel", "3")
warnings.filterwarnings("ignore")
import dlib
import mediapipe as mp
import numpy as np
from importlib.util import find_spec
from pathlib import Path

# Face-mesh indices: outer and inner corner, then (upper, lower) pairs of the lids; right is the person's right.
EYES = {
    "right": ((33, 133), [(160, 144), (159, 145), (158, 153)]),
    "left": ((263, 362), [(387, 373), (386, 374), (385, 380)]),
}
LIPS = (13, 14)
INNER_LIPS = [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95]
CHEEKS = [50, 280, 205, 425]


def bytes_of(picture):
    return np.ascontiguousarray((np.clip(picture, 0, 1) * 255).round().astype(np.uint8))


class Mesh:
    """MediaPipe's face mesh."""

    def __init__(self):
        self.net = mp.solutions.face_mesh.FaceMesh(static_image_mode=True, refine_landmarks=True, max_num_faces=1, min_detection_confidence=0.2)

    def points(self, picture):
        """[478, 2] pixels of [H, W, 3] in 0..1, or None."""
        found = self.net.process(bytes_of(picture)).multi_face_landmarks
        if not found:
            return None
        return np.array([[p.x, p.y] for p in found[0].landmark]) * [picture.shape[1], picture.shape[0]]


def distance(p, a, b):
    return float(np.linalg.norm(p[a] - p[b]))


def eye_opening(p, side):
    """Mean height over width of an eye."""
    (a, b), pairs = EYES[side]
    return float(np.mean([distance(p, i, j) for i, j in pairs]) / max(distance(p, a, b), 1e-6))


def mouth_opening(p):
    """Height of the mouth's inner opening over the distance of the outer eye corners."""
    return distance(p, *LIPS) / max(distance(p, 33, 263), 1e-6)


def mesh_error(p, q):
    """Mean distance of two meshes, % of the distance of the outer eye corners of `q`."""
    return float(100 * np.linalg.norm(p[:468] - q[:468], axis=1).mean() / distance(q, 33, 263))


def inside_mouth(picture, p):
    """(share that is dark, share that is like teeth) of the mouth's inner opening; (0, 0) for less than 30 pixels.

    Dark: less than 0.35 of the cheeks' luma. Like teeth: more than 0.55 of it and less than 0.7 of their saturation.
    """
    from PIL import Image, ImageDraw
    height, width = picture.shape[:2]
    mask = Image.new("L", (width, height))
    ImageDraw.Draw(mask).polygon([tuple(p[i]) for i in INNER_LIPS], fill=1)
    pixels = picture[np.asarray(mask) == 1]
    if len(pixels) < 30:
        return 0.0, 0.0
    at = lambda i: picture[int(np.clip(p[i][1], 0, height - 1)), int(np.clip(p[i][0], 0, width - 1))]
    cheek = np.mean([at(i) for i in CHEEKS], axis=0)
    saturation = lambda c: (c.max(-1) - c.min(-1)) / np.maximum(c.max(-1), 1e-3)
    luma, bright = pixels.mean(-1), cheek.mean()
    teeth = (luma > 0.55 * bright) & (saturation(pixels) < 0.7 * saturation(cheek))
    return float((luma < 0.35 * bright).mean()), float(teeth.mean())


class Recognizer:
    """dlib's 128-number face descriptor; the distance of two pictures of one person is below 0.6."""

    def __init__(self):
        # The package's own module asks for pkg_resources, which newer Pythons lack; only its files are wanted.
        models = Path(find_spec("face_recognition_models").origin).parent / "models"
        self.detector = dlib.get_frontal_face_detector()
        self.shape = dlib.shape_predictor(str(models / "shape_predictor_5_face_landmarks.dat"))
        self.net = dlib.face_recognition_model_v1(str(models / "dlib_face_recognition_resnet_model_v1.dat"))

    def describe(self, picture, points):
        """[128] of [H, W, 3] in 0..1; where dlib's own detector finds no face, its box is taken around mesh `points`."""
        image = bytes_of(picture)
        boxes = self.detector(image, 0)
        if boxes:
            box = max(boxes, key=lambda b: b.area())
        elif points is not None:
            (left, top), (right, bottom) = points[:468].min(0), points[:468].max(0)
            box = dlib.rectangle(int(left), int(top), int(right), int(bottom))
        else:
            return None
        return np.array(self.net.compute_face_descriptor(image, self.shape(image, box)))

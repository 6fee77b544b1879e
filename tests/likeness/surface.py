"""Distance of an avatar's face from a scan."""
import numpy as np
from scipy.spatial import cKDTree


def ply_means(path):
    """[N, 3] metres: means of the Gaussians of a .ply with float properties that are visible (opacity above a half)."""
    raw = path.read_bytes()
    end = raw.index(b"end_header\n") + len(b"end_header\n")
    header = raw[:end].decode()
    names = [line.split()[-1] for line in header.splitlines() if line.startswith("property float ")]
    rows = np.frombuffer(raw[end:], dtype="<f4").reshape(-1, len(names))
    column = {name: rows[:, i] for i, name in enumerate(names)}
    return np.stack([column[k] for k in "xyz"], 1)[column["opacity"] > 0]


def scan_points(path, n=400_000):
    """[n, 3] points spread over the triangles of an .obj by area, and their normals."""
    vertices, triangles = [], []
    for line in path.read_text().splitlines():
        if line.startswith("v "):
            vertices.append([float(x) for x in line.split()[1:4]])
        elif line.startswith("f "):
            corners = [int(word.split("/")[0]) - 1 for word in line.split()[1:]]
            triangles += [[corners[0], corners[i], corners[i + 1]] for i in range(1, len(corners) - 1)]
    vertices, triangles = np.array(vertices), np.array(triangles)
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    area = np.linalg.norm(normal, axis=1)
    rng = np.random.default_rng(1)
    chosen = rng.choice(len(triangles), n, p=area / area.sum())
    u, v = rng.random((2, n, 1))
    fold = u + v > 1
    u, v = np.where(fold, 1 - u, u), np.where(fold, 1 - v, v)
    points = a[chosen] + u * (b - a)[chosen] + v * (c - a)[chosen]
    return points, normal[chosen] / np.maximum(area[chosen, None], 1e-12)


def similarity(source, target):
    """Scale, rotation, shift of least squares from [N, 3] to [N, 3] (Umeyama 1991)."""
    ms, mt = source.mean(0), target.mean(0)
    u, d, vt = np.linalg.svd((target - mt).T @ (source - ms))
    flip = np.diag([1, 1, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ flip @ vt
    scale = np.trace(np.diag(d) @ flip) / ((source - ms) ** 2).sum()
    return scale, rotation, mt - scale * rotation @ ms


def face_distance_mm(ply, obj):
    """Mean distance (mm) of the avatar's outer face from the scan's surface, after aligning the scan with scale.

    The face: Gaussians in front of the ears between chin and forehead, the outermost of each direction from the head's
    middle. The scan is brought to the avatar: its bounding box first, then 60 rounds of nearest points, the farthest
    third left out.
    """
    means = ply_means(ply)
    box = (np.abs(means[:, 0]) < 0.055) & (means[:, 1] > -0.085) & (means[:, 1] < 0.05) & (means[:, 2] > -0.04)
    face = outermost(means[box], np.array([0, -0.01, -0.06]))
    points, normals = scan_points(obj)
    # One unit of the scan is about 4.2 cm; its eyes lie about 0.9 units above its origin, 1.9 before it.
    moved = points * 0.042 + (np.array([0, 0.02, 0.0]) - np.array([0, 0.9, 1.9]) * 0.042)
    moved += face[np.argmax(face[:, 2])] - front(moved)
    for _ in range(60):
        tree = cKDTree(moved)
        gap, nearest = tree.query(face)
        kept = gap <= np.quantile(gap, 0.67)
        scale, rotation, shift = similarity(moved[nearest[kept]], face[kept])
        moved, normals = scale * moved @ rotation.T + shift, normals @ rotation.T
    gap, nearest = cKDTree(moved).query(face)
    along = np.abs(((face - moved[nearest]) * normals[nearest]).sum(1))
    return float(1000 * along[gap < 0.02].mean())


def front(points):
    """The nose's tip: the foremost point near the middle."""
    middle = points[np.abs(points[:, 0]) < 0.015]
    return middle[np.argmax(middle[:, 2])]


def outermost(points, center, bins=120):
    """The farthest point from `center` in each of bins × bins directions."""
    offset = points - center
    angle = np.stack([np.arctan2(offset[:, 0], offset[:, 2]), np.arctan2(offset[:, 1], offset[:, 2])], 1)
    cell = np.floor((angle + np.pi) / (2 * np.pi) * bins * 3).astype(int)
    key = cell[:, 0] * 100_000 + cell[:, 1]
    order = np.lexsort((-np.linalg.norm(offset, axis=1), key))
    _, first = np.unique(key[order], return_index=True)
    return points[order[first]]

#!/usr/bin/env python3
"""A photo seen otherwise: smaller, larger, elsewhere in the picture, mirrored, turned, dim, badly stored.

  variants.py PHOTO FACE_PX OUT     FACE_PX: width of the face in PHOTO; OUT: a folder for the pictures
  variants.py --few PHOTO OUT       as it is, mirrored, turned and half as large, named after PHOTO

A tracker that finds the face in the photo alone has been tried once. Needs Pillow.
"""
import io, sys
from pathlib import Path

from PIL import Image, ImageEnhance


def canvas(photo, size, at):
    """The photo on a larger plain one."""
    out = Image.new("RGB", size, (120, 126, 130))
    out.paste(photo, at)
    return out


def stored_badly(photo):
    data = io.BytesIO()
    photo.save(data, "JPEG", quality=18)
    return Image.open(data).convert("RGB")


def few(path, out):
    photo = Image.open(path).convert("RGB")
    variants = {
        "as-it-is": photo,
        "mirrored": photo.transpose(Image.FLIP_LEFT_RIGHT),
        "turned-12": photo.rotate(12, Image.BICUBIC, fillcolor=(120, 126, 130)),
        "half": photo.resize((photo.width // 2, photo.height // 2), Image.LANCZOS),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, picture in variants.items():
        picture.save(out / f"{path.stem}-{name}.png")


def main():
    if sys.argv[1] == "--few":
        return few(Path(sys.argv[2]), Path(sys.argv[3]))
    path, face_px, out = Path(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])
    photo = Image.open(path).convert("RGB")
    w, h = photo.size
    scaled = lambda px: photo.resize((round(w * px / face_px), round(h * px / face_px)), Image.LANCZOS)
    variants = {
        "as-it-is": photo,
        "face-80px": scaled(80),
        "face-200px": scaled(200),
        "face-400px": scaled(400),
        "top-left": canvas(photo, (2 * w, 2 * h), (0, 0)),
        "bottom-right": canvas(photo, (2 * w, 2 * h), (w, h)),
        "mirrored": photo.transpose(Image.FLIP_LEFT_RIGHT),
        "turned-15": photo.rotate(15, Image.BICUBIC, fillcolor=(120, 126, 130)),
        "turned-minus-15": photo.rotate(-15, Image.BICUBIC, fillcolor=(120, 126, 130)),
        "dim": ImageEnhance.Brightness(photo).enhance(0.45),
        "grey": photo.convert("L").convert("RGB"),
        "jpeg-18": stored_badly(photo),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, picture in variants.items():
        picture.save(out / f"{name}.png")


main()

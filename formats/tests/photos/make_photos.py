"""Writes cmyk.jpg and ycck.jpg: four flat colors as print shops send them. Needs pillow, simplejpeg, numpy.

The colors are ink values C, M, Y, K in 0..255; a viewer without an ink profile shows R = (255 - C) (255 - K) / 255 and so on.
Adobe's encoders store them inverted and say so in an APP14 segment.
"""
import io
import pathlib

import numpy
import simplejpeg
from PIL import Image

HERE = pathlib.Path(__file__).parent
INKS = [(0, 0, 0, 0), (0, 255, 255, 0), (200, 100, 0, 50), (0, 0, 0, 200)]

inks = numpy.zeros((32, 64, 4), numpy.uint8)
for i, ink in enumerate(INKS):
    inks[:, 16 * i : 16 * (i + 1)] = ink

# Pillow writes four components with an Adobe segment of transform 0 (CMYK), inverted.
Image.fromarray(inks, "CMYK").save(HERE / "cmyk.jpg", quality=95)
# libjpeg-turbo writes YCCK from inverted CMYK, with an Adobe segment of transform 2.
(HERE / "ycck.jpg").write_bytes(simplejpeg.encode_jpeg(255 - inks, quality=95, colorspace="CMYK", colorsubsampling="444"))

for name in ["cmyk.jpg", "ycck.jpg"]:
    data = (HERE / name).read_bytes()
    at = data.index(b"Adobe")
    seen = Image.open(io.BytesIO(data)).convert("RGB")
    print(name, "transform", data[at + 11], [seen.getpixel((16 * i + 8, 16)) for i in range(4)])

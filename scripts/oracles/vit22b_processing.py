"""Writes what Pillow makes of the shipped photograph: the fixtures of ViT-22B's preprocessing.

    python scripts/oracles/vit22b_processing.py     # writes test/fixtures/vit22b_processing

The photograph is stored as PNG beside the results, so that no JPEG decoder is part of the comparison.
"""

import json
import pathlib

from PIL import Image

ROOT = pathlib.Path(__file__).parents[2]
TARGET = ROOT / "test" / "fixtures" / "vit22b_processing"
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def centre_crop(image, height, width):
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def evaluate(image, side, protocol, resample):
    covered = round(side * 256 / 224)
    size = (covered, covered)
    if protocol == "centre":
        scale = covered / min(image.size)
        size = (round(image.width * scale), round(image.height * scale))
    return centre_crop(image.resize(size, FILTERS[resample]), side, side)


def main():
    TARGET.mkdir(parents=True, exist_ok=True)
    photo = Image.open(ROOT / "assets" / "photos" / "chelsea.jpg").convert("RGB")
    picture = photo.crop((120, 40, 280, 160))
    picture.save(TARGET / "picture.png")
    cases = {
        "centre_down": (56, "centre", "bilinear"),
        "square_down": (56, "square", "bilinear"),
        "centre_up": (154, "centre", "bilinear"),
        "bicubic_down": (56, "centre", "bicubic"),
        "bicubic_up": (140, "centre", "bicubic"),
    }
    for name, case in cases.items():
        evaluate(picture, *case).save(TARGET / f"{name}.png")
    listed = {
        name: dict(zip(("side", "protocol", "resample"), case)) for name, case in cases.items()
    }
    (TARGET / "cases.json").write_text(json.dumps(listed, indent=1) + "\n")


main()

"""Writes what transformers' processors make of pictures for SigLIP, SigLIP 2 and PaliGemma.

The pictures are those of test/fixtures/owlvit_processing. Run it with PyTorch, transformers
(5.18.0), Pillow (12.x), NumPy and safetensors installed:

    python scripts/oracles/siglip_processing.py     # writes test/fixtures/siglip_processing

expected.safetensors has, by the name of the picture: `fixed.{name}` [3, 24, 20], of
SiglipImageProcessor (bicubic); `flexible.{name}` [30, 4 * 4 * 3], `mask.{name}` [30] and
`shape.{name}` [2], of Siglip2ImageProcessor (bilinear); `bilinear.{name}` [3, 24, 24], what
big_vision's linear resize with antialiasing gives, by Pillow. `grids.json` lists
[height, width, patch, most, rows, columns] of many pictures.
"""

import json
import pathlib

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.siglip2.image_processing_pil_siglip2 import (
    Siglip2ImageProcessorPil, get_image_size_for_max_num_patches)

FIXTURES = pathlib.Path(__file__).parents[2] / "test" / "fixtures"
TARGET = FIXTURES / "siglip_processing"
NAMES = ["photo", "row", "square", "tall", "wide"]


def main():
    TARGET.mkdir(parents=True, exist_ok=True)
    fixed = SiglipImageProcessorPil(size={"height": 24, "width": 20})
    flexible = Siglip2ImageProcessorPil(patch_size=4, max_num_patches=30)
    expected = {}
    for name in NAMES:
        image = Image.open(FIXTURES / "owlvit_processing" / f"{name}.png").convert("RGB")
        expected[f"fixed.{name}"] = fixed(image, return_tensors="pt")["pixel_values"][0]
        patches = flexible(image, return_tensors="pt")
        expected[f"flexible.{name}"] = patches["pixel_values"][0]
        expected[f"mask.{name}"] = patches["pixel_attention_mask"][0].long()
        expected[f"shape.{name}"] = torch.as_tensor(patches["spatial_shapes"][0]).long()
        levels = np.asarray(image.resize((24, 24), Image.BILINEAR), dtype=np.float32)
        expected[f"bilinear.{name}"] = torch.from_numpy(levels.transpose(2, 0, 1) / 127.5 - 1)
    save_file({key: value.float().contiguous() if value.is_floating_point() else value.contiguous()
               for key, value in expected.items()}, TARGET / "expected.safetensors")
    rng = np.random.default_rng(0)
    grids = []
    for _ in range(200):
        height, width = (int(side) for side in rng.integers(1, 3000, 2))
        patch, most = int(rng.choice([14, 16, 32])), int(rng.choice([64, 256, 1024]))
        tall, broad = get_image_size_for_max_num_patches(height, width, patch, most)
        grids.append([height, width, patch, most, tall // patch, broad // patch])
    (TARGET / "grids.json").write_text(json.dumps(grids) + "\n")


if __name__ == "__main__":
    main()

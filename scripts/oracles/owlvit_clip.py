"""Writes a tiny CLIP checkpoint and what SciPy makes of its positions: the fixture of starting a
detector from CLIP.

    python scripts/oracles/owlvit_clip.py     # writes test/fixtures/owlvit_clip

Positions are resized as scenic does (`projects/owl_vit/utils.py`): `scipy.ndimage.zoom` of order 1
on the grid, the class token's row as it is.
"""

import json
import pathlib

import numpy as np
import torch
from safetensors.torch import save_file
from scipy import ndimage
from transformers import CLIPConfig, CLIPModel

TARGET = pathlib.Path(__file__).parents[2] / "test" / "fixtures" / "owlvit_clip"
SIDES = (3, 4, 7, 9)


def main():
    TARGET.mkdir(parents=True, exist_ok=True)
    tower = dict(intermediate_size=20, num_hidden_layers=1, num_attention_heads=2)
    config = CLIPConfig(
        text_config=dict(hidden_size=12, vocab_size=40, eos_token_id=39, bos_token_id=38, **tower),
        vision_config=dict(hidden_size=16, image_size=16, patch_size=4, **tower),
        projection_dim=12)
    torch.manual_seed(0)
    state = CLIPModel(config).state_dict()
    weights = {name: torch.randn_like(value) for name, value in state.items()}
    save_file(weights, TARGET / "model.safetensors", {"format": "pt"})
    written = {"model_type": "clip", "projection_dim": 12}
    for name in ("text_config", "vision_config"):
        fields = getattr(config, name)
        kept = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
                "vocab_size", "image_size", "patch_size")
        written[name] = {field: getattr(fields, field) for field in kept if hasattr(fields, field)}
    (TARGET / "config.json").write_text(json.dumps(written, indent=1) + "\n")
    table = weights["vision_model.embeddings.position_embedding.weight"].numpy()
    grid = table[1:].reshape(4, 4, -1).astype(np.float64)
    expected = {}
    for side in SIDES:
        zoomed = ndimage.zoom(grid, (side / 4, side / 4, 1), order=1).reshape(side * side, -1)
        resized = np.concatenate([table[:1], zoomed]).astype(np.float32)
        expected[f"positions.{side}"] = torch.tensor(resized)
    save_file(expected, TARGET / "expected.safetensors")


main()

"""Writes the names and shapes of the tensors in the public OWL-ViT and OWLv2 checkpoints.

transformers (5.18.0) builds the classes on the meta device, without weights, from the sizes of the
public configs; the counts of tensors and parameters are checked against the known ones.

    python scripts/oracles/owlvit_names.py     # writes test/fixtures/owlvit_names

A list is one JSON object: `name`, `also` (checkpoints of the same shapes), `config` (config.json's
fields that matter; those of the sub-configs that equal transformers' defaults are left out),
`parameters` (their number), `tensors` {name: shape}, and `extra_buffers` {name: shape}, what older
public files carry besides and a loader passes over.
"""

import json
import math
import pathlib

import torch

from owlvit_run import CLASSES

TARGET = pathlib.Path(__file__).parents[2] / "test" / "fixtures" / "owlvit_names"
LARGE_TEXT = dict(hidden_size=768, intermediate_size=3072, num_attention_heads=12)
LARGE_VISION = dict(hidden_size=1024, intermediate_size=4096, num_hidden_layers=24,
                    num_attention_heads=16, patch_size=14)

# name: model type, what differs from the defaults (projection_dim, text, vision), the numbers of
# tensors and parameters, the checkpoints of the same shapes
CHECKPOINTS = {
    "owlvit-base-patch32": ("owlvit", 512, {}, {}, 412, 153_231_879, []),
    "owlvit-base-patch16": ("owlvit", 512, {}, dict(patch_size=16), 412, 152_789_511, []),
    "owlvit-large-patch14": ("owlvit", 768, LARGE_TEXT, dict(LARGE_VISION, image_size=840),
                             604, 433_888_519, []),
    "owlv2-base-patch16": ("owlv2", 512, {}, dict(image_size=960), 418, 154_966_792,
                           ["owlv2-base-patch16-finetuned", "owlv2-base-patch16-ensemble"]),
    "owlv2-large-patch14": ("owlv2", 768, LARGE_TEXT, dict(LARGE_VISION, image_size=1008),
                            610, 437_610_760,
                            ["owlv2-large-patch14-finetuned", "owlv2-large-patch14-ensemble"]),
}


def describe(name, model_type, projection_dim, text, vision, tensors, parameters, also):
    """The list of one checkpoint, as JSON has it."""
    config_class, model_class = CLASSES[model_type]
    with torch.device("meta"):
        model = model_class(config_class(projection_dim=projection_dim, text_config=text,
                                         vision_config=vision))
    shapes = {key: list(value.shape) for key, value in model.state_dict().items()}
    counted = sum(math.prod(shape) for shape in shapes.values())
    assert (len(shapes), counted) == (tensors, parameters), (name, len(shapes), counted)
    patches = (model.config.vision_config.image_size // model.config.vision_config.patch_size) ** 2
    positions = model.config.text_config.max_position_embeddings
    config = {"architectures": [model_class.__name__], "model_type": model_type,
              "projection_dim": projection_dim,
              "text_config": {"model_type": f"{model_type}_text_model", **text},
              "vision_config": {"model_type": f"{model_type}_vision_model", **vision}}
    extra_buffers = {f"{model_type}.text_model.embeddings.position_ids": [1, positions],
                     f"{model_type}.vision_model.embeddings.position_ids": [1, patches + 1],
                     "box_bias": [patches, 4]}
    return {"name": name, "also": also, "config": config, "parameters": parameters,
            "extra_buffers": extra_buffers, "tensors": dict(sorted(shapes.items()))}


def main():
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, facts in CHECKPOINTS.items():
        text = json.dumps(describe(name, *facts), separators=(",", ":"))
        (TARGET / f"{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()

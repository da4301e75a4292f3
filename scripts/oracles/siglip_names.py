"""Writes the names and shapes of the tensors in the public checkpoints of SigLIP and SigLIP 2.

transformers (5.18.0) builds the classes on the meta device, without weights, from the sizes that
its own converters give (models/siglip and models/siglip2, convert_siglip_to_hf.py and
convert_siglip2_to_hf.py); the counts of tensors and parameters are checked against those that
follow from the sizes.

    python scripts/oracles/siglip_names.py     # writes test/fixtures/siglip_names

A list is one JSON object: `name`, `also` (checkpoints of the same shapes), `config` (config.json's
fields that matter; those that equal transformers' defaults are left out), `count` (the number of
tensors), `parameters` (the number of their elements), `layers` {name of a stack: its number of
layers} and `tensors` {name: shape}. A name with `{i}` stands for one tensor of each layer of its
stack.
"""

import pathlib

import torch
from transformers import Siglip2Config, Siglip2Model, SiglipConfig, SiglipModel

from checkpoint_names import describe, write_lists

TARGET = pathlib.Path(__file__).parents[2] / "test" / "fixtures" / "siglip_names"
CLASSES = {"siglip": (SiglipConfig, SiglipModel), "siglip2": (Siglip2Config, Siglip2Model)}


def size(width, hidden, layers, heads):
    return dict(hidden_size=width, intermediate_size=hidden, num_hidden_layers=layers,
                num_attention_heads=heads)


BASE, LARGE = size(768, 3072, 12, 12), size(1024, 4096, 24, 16)
SO400M, GIANT = size(1152, 4304, 27, 16), size(1536, 6144, 40, 16)
C4, MC4, GEMMA = 32_000, 250_000, 256_000  # entries of the vocabularies
# name: vision tower, its pixels (none: NaFlex) and patch, text tower, vocabulary, tokens of a text
CHECKPOINTS = {
    "siglip-base-patch16-224": (BASE, 224, 16, BASE, C4, 64),
    "siglip-base-patch16-256": (BASE, 256, 16, BASE, C4, 64),
    "siglip-base-patch16-384": (BASE, 384, 16, BASE, C4, 64),
    "siglip-base-patch16-512": (BASE, 512, 16, BASE, C4, 64),
    "siglip-base-patch16-256-multilingual": (BASE, 256, 16, BASE, MC4, 64),
    "siglip-large-patch16-256": (LARGE, 256, 16, LARGE, C4, 64),
    "siglip-large-patch16-384": (LARGE, 384, 16, LARGE, C4, 64),
    "siglip-so400m-patch14-224": (SO400M, 224, 14, SO400M, C4, 16),
    "siglip-so400m-patch14-384": (SO400M, 384, 14, SO400M, C4, 64),
    "siglip-so400m-patch16-256-i18n": (SO400M, 256, 16, SO400M, MC4, 64),
    "siglip2-base-patch16-224": (BASE, 224, 16, BASE, GEMMA, 64),
    "siglip2-base-patch16-512": (BASE, 512, 16, BASE, GEMMA, 64),
    "siglip2-base-patch32-256": (BASE, 256, 32, BASE, GEMMA, 64),
    "siglip2-large-patch16-256": (LARGE, 256, 16, LARGE, GEMMA, 64),
    "siglip2-so400m-patch14-384": (SO400M, 384, 14, SO400M, GEMMA, 64),
    "siglip2-so400m-patch16-256": (SO400M, 256, 16, SO400M, GEMMA, 64),
    "siglip2-giant-opt-patch16-256": (GIANT, 256, 16, SO400M, GEMMA, 64),
    "siglip2-giant-opt-patch16-384": (GIANT, 384, 16, SO400M, GEMMA, 64),
    "siglip2-base-patch16-naflex": (BASE, None, 16, BASE, GEMMA, 64),
    "siglip2-so400m-patch16-naflex": (SO400M, None, 16, SO400M, GEMMA, 64),
}
NAFLEX_POSITIONS = 256


def counts(vision, pixels, patch, text, vocabulary, tokens):
    """The numbers of tensors and of parameters that follow from the sizes."""
    def tower(t):
        d, hidden = t["hidden_size"], t["intermediate_size"]
        mlp = 2 * d * hidden + hidden + d
        return t["num_hidden_layers"], d, mlp, 4 * (d * d + d) + 2 * 2 * d + mlp

    vision_depth, d, mlp, vision_layer = tower(vision)
    text_depth, e, _, text_layer = tower(text)
    positions = (pixels // patch) ** 2 if pixels else NAFLEX_POSITIONS
    picture = (3 * patch * patch + 1) * d + positions * d + vision_depth * vision_layer + 2 * d
    head = d + 4 * (d * d + d) + 2 * d + mlp
    words = (vocabulary + tokens) * e + text_depth * text_layer + 2 * e + (e + 1) * d
    # A layer has 16 tensors; beside the layers: pictures 5, their head 11, texts 6, the logits 2.
    return 16 * (vision_depth + text_depth) + 24, picture + head + words + 2


def describe_siglip(name, facts):
    vision, pixels, patch, text, vocabulary, tokens = facts
    model_type = "siglip" if pixels else "siglip2"
    config_class, model_class = CLASSES[model_type]

    def sparse(part, fields):
        defaults = getattr(config_class(), part)
        differing = {key: value for key, value in fields.items() if value != getattr(defaults, key)}
        return {"model_type": defaults.model_type, **differing}

    sizes = dict(image_size=pixels) if pixels else dict(num_patches=NAFLEX_POSITIONS)
    words = dict(text, vocab_size=vocabulary, max_position_embeddings=tokens)
    if text["hidden_size"] != vision["hidden_size"]:
        words["projection_size"] = vision["hidden_size"]
    parts = {"text_config": sparse("text_config", words),
             "vision_config": sparse("vision_config", {**vision, **sizes, "patch_size": patch})}
    config = {"architectures": [model_class.__name__], "model_type": model_type, **parts}
    with torch.device("meta"):
        model = model_class(config_class(**{key: dict(value) for key, value in parts.items()}))
    return describe(name, [], config, model, str, *counts(*facts))


def main():
    write_lists(TARGET, [describe_siglip(name, facts) for name, facts in CHECKPOINTS.items()])


if __name__ == "__main__":
    main()

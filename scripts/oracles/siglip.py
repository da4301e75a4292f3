"""Writes the parity fixtures of SigLIP and SigLIP 2: small random checkpoints, what they must give.

The expected values are those of transformers' classes with eager attention, computed in float64 and
stored as float32. Weights are drawn sharper than a usual initialisation, so that a wrong formula
shows; every case is checked to give the same in float32. Run it with PyTorch (2.13.0), transformers
(5.18.0), NumPy, SciPy and safetensors installed:

    python scripts/oracles/siglip.py            # writes test/fixtures/siglip and positions.json
    python scripts/oracles/siglip.py base ...   # only the named cases

A case is a folder: the checkpoint (`config.json`, `model.safetensors` or its shards),
`inputs.safetensors`, `expected.safetensors`, and `case.json` with the options of the calls.

Shapes: B pictures of N patches, T texts of L tokens, d the width of a tower, E of the embeddings.
inputs    pixel_values [B, 3, H, W], or of NaFlex [B, N, 3 p p] with pixel_attention_mask [B, N] and
          spatial_shapes [B, 2] int64; input_ids [T, L] int64 and, in some cases, attention_mask
expected  image.last_hidden_state [B, N, d] (zero at padding), image.pooler_output [B, d],
          text.last_hidden_state [T, L, d], text.pooler_output [T, E]; of both towers image_embeds,
          text_embeds, logits_per_image [B, T], logits_per_text; inside them vision.embeddings,
          vision.blocks.{l}, text.embeddings and text.blocks.{l}

`positions.json` in test/fixtures/siglip_positions is a table of positions [g g, d] and what
`scipy.ndimage.zoom(order=1)`, as big_vision calls it, makes of it.
"""

import json
import logging
import math
import pathlib
import shutil
import sys
import zlib

import numpy as np
import scipy.ndimage
import torch
from safetensors.torch import save_file
from transformers import (Siglip2Config, Siglip2Model, Siglip2TextConfig, Siglip2TextModel,
                          Siglip2VisionConfig, Siglip2VisionModel, SiglipConfig, SiglipModel,
                          SiglipTextConfig, SiglipTextModel, SiglipVisionConfig, SiglipVisionModel)

FIXTURES = pathlib.Path(__file__).parents[2] / "test" / "fixtures"
TARGET = FIXTURES / "siglip"
CLASSES = {"siglip": (SiglipConfig, SiglipModel),
           "siglip_vision_model": (SiglipVisionConfig, SiglipVisionModel),
           "siglip_text_model": (SiglipTextConfig, SiglipTextModel),
           "siglip2": (Siglip2Config, Siglip2Model),
           "siglip2_vision_model": (Siglip2VisionConfig, Siglip2VisionModel),
           "siglip2_text_model": (Siglip2TextConfig, Siglip2TextModel)}
TOWER = dict(hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2)
VISION = dict(TOWER, image_size=12, patch_size=4)
VISION2 = dict(TOWER, num_patches=9, patch_size=2)
TEXT = dict(TOWER, vocab_size=53, max_position_embeddings=10)

# What a case may say: `model`; changes of the towers; `size` of the pictures where it is not the
# model's; `shapes`, the grids of NaFlex, and `patches`, to which they are padded; `length` of the
# texts; `mask`, how many tokens of each text are seen; `dtype` of the file; `layout`: "prefixed"
# (as older files name a tower by itself), "sharded", or what save_pretrained writes.
CASES = {
    "base": dict(model="siglip"),
    "odd_heads": dict(model="siglip", vision=dict(hidden_size=15, num_attention_heads=3),
                      text=dict(hidden_size=20, num_attention_heads=5, projection_size=15)),
    "patch_not_dividing": dict(model="siglip", vision=dict(image_size=14), length=4),
    "interpolated": dict(model="siglip", size=(16, 20)),
    "gelu": dict(model="siglip", vision=dict(hidden_act="gelu"), text=dict(hidden_act="gelu"),
                 mask=(3, 10)),
    "bfloat16_file": dict(model="siglip", dtype=torch.bfloat16),
    "sharded": dict(model="siglip", layout="sharded"),
    "vision": dict(model="siglip_vision_model"),
    "vision_prefixed": dict(model="siglip_vision_model", layout="prefixed"),
    "vision_headless": dict(model="siglip_vision_model", vision=dict(vision_use_head=False)),
    "text": dict(model="siglip_text_model", text=dict(projection_size=9), mask=(2, 7, 10)),
    "text_prefixed": dict(model="siglip_text_model", layout="prefixed", length=6),
    "naflex": dict(model="siglip2", shapes=((3, 3), (2, 5), (4, 1)), patches=12),
    "naflex_large": dict(model="siglip2", shapes=((5, 6), (7, 2)), patches=30, mask=(4, 10)),
    "naflex_vision": dict(model="siglip2_vision_model", shapes=((1, 1), (2, 3)), patches=6),
    "naflex_text": dict(model="siglip2_text_model", mask=(5, 10)),
}


def config_of(case):
    """The fields of config.json that are not transformers' defaults."""
    model_type = case["model"]
    vision = {**(VISION2 if "siglip2" in model_type else VISION), **case.get("vision", {})}
    text = {**TEXT, **case.get("text", {})}
    if "vision" in model_type:
        return vision
    text.setdefault("projection_size", text["hidden_size"])
    if "text" in model_type:
        return text
    return dict(vision_config=vision, text_config=text)


def draw_weights(model, rng):
    """Values for the model's state, by name."""
    weights = {}
    for name, tensor in model.state_dict().items():
        shape = tuple(tensor.shape)
        if name == "logit_scale":
            value = rng.uniform(1, 2, shape)
        elif name == "logit_bias":
            value = rng.uniform(-2, -1, shape)
        elif "norm" in name and name.endswith("weight"):
            value = rng.uniform(0.5, 1.5, shape)
        elif name.endswith("bias"):
            value = rng.normal(0, 0.3, shape)
        elif "embeddings." in name and "patch" not in name or "probe" in name:
            value = rng.normal(0, 0.7, shape)
        else:
            value = rng.normal(0, 1.3 / math.sqrt(math.prod(shape[1:])), shape)
        weights[name] = torch.from_numpy(np.asarray(value, dtype=np.float32))
    return weights


def draw_pictures(case, config, rng):
    vision = config if case["model"].endswith("vision_model") else config.vision_config
    channels, patch = vision.num_channels, vision.patch_size
    if "shapes" not in case:
        size = case.get("size", (vision.image_size,) * 2)
        return {"pixel_values": rng.uniform(-1, 1, (2, channels, *size)).astype(np.float32)}
    shapes, count = case["shapes"], case["patches"]
    mask = np.zeros((len(shapes), count), np.int64)
    for row, (height, width) in enumerate(shapes):
        mask[row, :height * width] = 1
    values = rng.uniform(-1, 1, (len(shapes), count, channels * patch * patch))
    return {"pixel_values": (values * mask[..., None]).astype(np.float32),
            "pixel_attention_mask": mask, "spatial_shapes": np.array(shapes, np.int64)}


def draw_texts(case, config, rng):
    text = config if case["model"].endswith("text_model") else config.text_config
    length = case.get("length", text.max_position_embeddings)
    seen = case.get("mask")
    count = len(seen) if seen else 3
    inputs = {"input_ids": rng.integers(0, text.vocab_size, (count, length))}
    if seen:
        inputs["attention_mask"] = np.array([[int(i < most) for i in range(length)]
                                             for most in seen])
    return inputs


def record(model):
    """Hooks that note the towers' states as they pass: {name: tensor}, and the hooks."""
    seen, hooks = {}, []
    towers = {"vision": getattr(model, "vision_model", None),
              "text": getattr(model, "text_model", None)}
    if not any(towers.values()):
        towers["vision" if hasattr(model.embeddings, "patch_embedding") else "text"] = model

    def note(module, name):
        def hook(_module, _inputs, output):
            seen[name] = output[0] if isinstance(output, tuple) else output
        hooks.append(module.register_forward_hook(hook))

    for name, tower in towers.items():
        if tower is None:
            continue
        note(tower.embeddings, f"{name}.embeddings")
        for l, layer in enumerate(tower.encoder.layers):
            note(layer, f"{name}.blocks.{l}")
    return seen, hooks


@torch.no_grad()
def run(model, inputs, case):
    """All results and taps, in the dtype of the model: {name: tensor}."""
    dtype = next(model.parameters()).dtype
    asked = {key: value.to(dtype) if key == "pixel_values" else value
             for key, value in inputs.items()}
    if "size" in case:
        asked["interpolate_pos_encoding"] = True
    seen, hooks = record(model)
    outputs = model(**asked)
    for hook in hooks:
        hook.remove()
    results = dict(seen)

    def add(part, output):
        results[f"{part}.last_hidden_state"] = output.last_hidden_state
        if output.pooler_output is not None:
            results[f"{part}.pooler_output"] = output.pooler_output

    if case["model"] in ("siglip", "siglip2"):
        for key in ("image_embeds", "text_embeds", "logits_per_image", "logits_per_text"):
            results[key] = outputs[key]
        add("image", outputs.vision_model_output)
        add("text", outputs.text_model_output)
    else:
        add("image" if "vision" in case["model"] else "text", outputs)
    mask = inputs.get("pixel_attention_mask")
    for key, value in results.items():
        if mask is not None and (key.startswith("vision") or key == "image.last_hidden_state"):
            results[key] = value * mask[..., None]
    return results


def check(name, model, inputs, case):
    single = run(model.float(), inputs, case)
    results = run(model.double(), inputs, case)
    errors = {key: ((single[key] - value).abs().max() / value.std()).item()
              for key, value in results.items()}
    worst = max(errors, key=errors.get)
    print(f"{name}: float32 off by {errors[worst] * 1e5:.2f}e-5 of the spread of {worst}")
    assert errors[worst] < 1e-5, f"{name}: ill-conditioned"
    return results


def write_checkpoint(folder, model, weights, layout):
    if layout == "prefixed":
        prefix = "vision_model." if hasattr(model.embeddings, "patch_embedding") else "text_model."
        save_file({prefix + key: value for key, value in weights.items()},
                  folder / "model.safetensors", metadata={"format": "pt"})
        model.config.save_pretrained(folder)
        return
    size = sum(value.nbytes for value in weights.values())
    model.save_pretrained(folder, max_shard_size=size * 2 // 3 if layout == "sharded" else size)


def write_case(name, case):
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    config_class, model_class = CLASSES[case["model"]]
    model = model_class(config_class(**config_of(case))).eval()
    model.set_attn_implementation("eager")
    dtype = case.get("dtype", torch.float32)
    weights = {key: value.to(dtype) for key, value in draw_weights(model, rng).items()}
    model.load_state_dict(weights, strict=True)
    folder = TARGET / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model.to(dtype)
    write_checkpoint(folder, model, weights, case.get("layout"))
    inputs = {}
    if "text_model" not in case["model"]:
        inputs.update(draw_pictures(case, model.config, rng))
    if "vision_model" not in case["model"]:
        inputs.update(draw_texts(case, model.config, rng))
    inputs = {key: torch.from_numpy(value) for key, value in inputs.items()}
    save_file(inputs, folder / "inputs.safetensors")
    options = {"interpolate_pos_encoding": True} if "size" in case else {}
    (folder / "case.json").write_text(json.dumps(options) + "\n")
    results = check(name, model, inputs, case)
    save_file({key: value.float().contiguous() for key, value in results.items()},
              folder / "expected.safetensors")


def write_positions():
    rng = np.random.default_rng(0)
    grid, width, rows, columns = 3, 2, 5, 4
    table = rng.normal(size=(grid, grid, width))
    resized = scipy.ndimage.zoom(table, (rows / grid, columns / grid, 1), order=1)
    folder = FIXTURES / "siglip_positions"
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(dict(grid=grid, rows=rows, columns=columns, width=width,
                           table=table.round(6).ravel().tolist(),
                           resized=resized.ravel().tolist()))
    (folder / "positions.json").write_text(text + "\n")


def main():
    # transformers warns of special tokens outside the small vocabularies.
    logging.getLogger("transformers").setLevel(logging.ERROR)
    for name in sys.argv[1:] or CASES:
        write_case(name, CASES[name])
    write_positions()


if __name__ == "__main__":
    main()

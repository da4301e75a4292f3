"""Runs transformers' OWL-ViT and OWLv2 and compares results: shared by owlvit.py and its check."""

import math

import torch
from transformers import (Owlv2Config, Owlv2ForObjectDetection, OwlViTConfig,
                          OwlViTForObjectDetection)

CLASSES = {"owlvit": (OwlViTConfig, OwlViTForObjectDetection),
           "owlv2": (Owlv2Config, Owlv2ForObjectDetection)}
# What transformers writes into the logits of queries that are padding.
LOWEST = torch.finfo(torch.float32).min


def record(model):
    """Hooks that note the towers' states as they pass: {name: tensor}, and the hooks."""
    seen, hooks = {}, []
    towers = model.base_model

    def note(module, name):
        def hook(_module, _inputs, output):
            seen[name] = output[0] if isinstance(output, tuple) else output
        hooks.append(module.register_forward_hook(hook))

    note(towers.vision_model.pre_layernorm, "vision.embeddings")
    note(towers.text_model.embeddings, "text.embeddings")
    note(towers.text_projection, "text_features")
    for tower in ("vision", "text"):
        for l, layer in enumerate(getattr(towers, f"{tower}_model").encoder.layers):
            note(layer, f"{tower}.blocks.{l}")
    return seen, hooks


@torch.no_grad()
def run(model, inputs, interpolate):
    """All results and taps of both calls, in the dtype of the model: {name: tensor}."""
    dtype = next(model.parameters()).dtype
    pixels, query_pixels = (inputs[key].to(dtype) for key in ("pixel_values", "query_pixel_values"))
    seen, hooks = record(model)
    outputs = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"],
                    pixel_values=pixels, interpolate_pos_encoding=interpolate)
    for hook in hooks:
        hook.remove()
    results = {name: value for name, value in outputs.items() if isinstance(value, torch.Tensor)}
    # In float64 the lowest value overflows when transformers casts the logits to float32.
    results["logits"] = results["logits"].clamp(min=LOWEST)
    guided = model.image_guided_detection(pixel_values=pixels, query_pixel_values=query_pixels,
                                          interpolate_pos_encoding=interpolate)
    feature_map = guided.query_image_embeds
    query_embeds, best, _ = model.embed_image_query(feature_map.flatten(1, 2), feature_map,
                                                    interpolate)
    guided = {name: value for name, value in guided.items() if isinstance(value, torch.Tensor)}
    guided["query_embeds"], guided["best_index"] = query_embeds[:, 0], best[:, 0]
    return {**results, **seen, **{f"guided.{name}": value for name, value in guided.items()}}


def error_of(ours, reference, tolerance, floor=0.0):
    """The largest error in units of what is allowed: floor + tolerance * the reference's spread.

    Integers, and which logits are masked, have to agree exactly; infinity where they do not.
    """
    if ours.shape != reference.shape:
        return math.inf
    if not reference.is_floating_point():
        return 0.0 if torch.equal(ours, reference) else math.inf
    visible = reference > LOWEST
    if not torch.equal(ours > LOWEST, visible):
        return math.inf
    ours, reference = ours[visible].double(), reference[visible].double()
    return (ours - reference).abs().max().item() / (tolerance * reference.std().item() + floor)

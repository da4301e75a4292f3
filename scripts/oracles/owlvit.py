"""Writes the parity fixtures of OWL-ViT and OWLv2: small random checkpoints, what they must give.

The expected values are those of transformers' `OwlViTForObjectDetection` and
`Owlv2ForObjectDetection` with eager attention, computed in float64 and stored as float32. What
transformers itself computes in float32 (the box bias) keeps that rounding. Weights are drawn
sharper than a usual initialisation, so that a wrong formula shows; every case is checked to be
well spread and to give the same in float32. Run it with PyTorch (2.13.0), transformers (5.18.0),
NumPy and safetensors installed:

    python scripts/oracles/owlvit.py            # writes test/fixtures/owlvit
    python scripts/oracles/owlvit.py base ...   # only the named cases

A case is a folder: the checkpoint (`config.json`, `model.safetensors` or its shards),
`inputs.safetensors`, `expected.safetensors`, and `case.json` with the options of the calls.

Shapes: B images, Q queries of each, L token ids, P patches in a grid of h x w, D and T the widths
of the towers, E the width of the embeddings.
inputs    pixel_values [B, 3, H, W], query_pixel_values [B, 3, H', W'],
          input_ids and attention_mask [B * Q, L] int64, images outermost
expected  of `forward`: logits [B, P, Q] (float32's lowest value where the query is padding),
          pred_boxes [B, P, 4], image_embeds [B, h, w, D], text_embeds [B, Q, E] and class_embeds
          [B, P, E], both of length one, objectness_logits [B, P] (OWLv2);
          inside it: vision.embeddings and vision.blocks.{l} [B, P + 1, D], text.embeddings and
          text.blocks.{l} [B * Q, L, T], text_features [B * Q, E] before normalisation;
          of `image_guided_detection`: guided.logits [B, P, 1], guided.target_pred_boxes,
          guided.query_pred_boxes, guided.image_embeds, guided.query_image_embeds,
          guided.class_embeds; of `embed_image_query`: guided.query_embeds [B, E], not normalised,
          guided.best_index [B] int64
"""

import json
import logging
import math
import pathlib
import shutil
import sys
import zlib

import numpy as np
import torch
from safetensors.torch import save_file

from owlvit_run import CLASSES, LOWEST, error_of, run

TARGET = pathlib.Path(__file__).parents[2] / "test" / "fixtures" / "owlvit"

VISION = dict(hidden_size=18, intermediate_size=26, num_hidden_layers=1, num_attention_heads=3,
              image_size=12, patch_size=3)
TEXT = dict(hidden_size=12, intermediate_size=20, num_hidden_layers=1, num_attention_heads=2,
            vocab_size=40)
BASE = dict(
    vision=dict(hidden_size=40, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
                image_size=24, patch_size=6),
    text=dict(hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
              vocab_size=64))
BASE_V2 = dict(vision=dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=4),
               text=dict(num_hidden_layers=2))
# Softer layers, for towers so deep or heads so narrow that float32 would wander off.
SOFT = {"q_proj": 0.7, "k_proj": 0.7, "out_proj": 0.5, "fc2": 0.5}

# What a case may say: `model`; changes of VISION and TEXT (None leaves the field to its default);
# `size` and `query_size`, (height, width) of the pictures, the model's own if absent; `batch`,
# `queries`, `length`; `interpolate`; `mask`, how token ids are padded (see draw_text); `dtype` of
# the file; `layout`, who wrote it (see write_checkpoint); `scale`, factors on named weights;
# `class_deviation`, of the elements of class embeddings before they are normalised; `draw`, which
# draw of the weights to take, where the first would leave float32 undecided.
CASES = {
    "base": dict(BASE, layout="transformers", queries=3, length=16),
    "base_v2": dict(BASE_V2, model="owlv2", layout="transformers", queries=3, length=16),
    "patch_not_dividing": dict(vision=dict(image_size=14, patch_size=4)),
    "odd_heads": dict(vision=dict(hidden_size=21),
                      text=dict(hidden_size=15, num_attention_heads=5)),
    "one_head": dict(model="owlv2", vision=dict(hidden_size=20, num_attention_heads=1),
                     text=dict(hidden_size=12, num_attention_heads=1)),
    "odd_intermediate": dict(vision=dict(intermediate_size=37),
                             text=dict(intermediate_size=23, num_hidden_layers=3),
                             batch=1, queries=1),
    "gelu": dict(model="owlv2", vision=dict(hidden_act="gelu"), text=dict(hidden_act="gelu")),
    "epsilons": dict(vision=dict(layer_norm_eps=2e-3), text=dict(layer_norm_eps=1e-3)),
    "wide_text": dict(model="owlv2", vision=dict(hidden_size=12, num_hidden_layers=2),
                      text=dict(hidden_size=20, intermediate_size=9, num_attention_heads=4)),
    # Both towers twelve layers deep, and as many heads as the defaults say.
    "sparse": dict(vision=dict(hidden_size=12, intermediate_size=14, num_hidden_layers=None,
                               num_attention_heads=None),
                   text=dict(hidden_size=8, intermediate_size=10, num_hidden_layers=None,
                             num_attention_heads=None), draw=1, scale=SOFT),
    "sparse_v2": dict(model="owlv2", batch=1, text=dict(hidden_size=8, num_attention_heads=None),
                      vision=dict(hidden_size=12, image_size=48, patch_size=None,
                                  num_attention_heads=None), draw=1, scale=SOFT),
    "ragged_queries": dict(queries=3, mask="ragged"),
    "ragged_queries_v2": dict(model="owlv2", queries=4, mask="ragged", layout="published"),
    "text_padding": dict(queries=4, length=9, mask="padded", text=dict(num_hidden_layers=2)),
    "text_mask_holes": dict(model="owlv2", length=7, mask="holes", text=dict(num_hidden_layers=2)),
    "interpolated": dict(interpolate=True, size=(18, 12), query_size=(12, 21)),
    "interpolated_same_count": dict(model="owlv2", interpolate=True, size=(24, 6),
                                    query_size=(6, 24)),
    "interpolated_down": dict(interpolate=True, size=(6, 9), query_size=(9, 6)),
    "interpolated_not_dividing": dict(model="owlv2", interpolate=True, size=(21, 17),
                                      vision=dict(image_size=14, patch_size=4)),
    # Class embeddings so short that the 1e-6 added to their length counts.
    "short_class_embeds": dict(class_deviation=2e-4),
    # A merged map so small that the epsilon of its normalisation counts.
    "small_merged_map": dict(model="owlv2", scale={"post_layernorm": 0.1}),
    "bfloat16_file": dict(dtype=torch.bfloat16),
    "float16_file": dict(model="owlv2", dtype=torch.float16),
    "published": dict(layout="published", batch=1, queries=3),
    "sharded": dict(layout="sharded", model="owlv2"),
}

# What configs of 2022 carry besides the model's own fields: all options that the base class of
# transformers' configs knew then, most of them about generating text.
LEGACY = dict(
    _name_or_path="", add_cross_attention=False, architectures=None, bad_words_ids=None,
    chunk_size_feed_forward=0, cross_attention_hidden_size=None, decoder_start_token_id=None,
    diversity_penalty=0.0, do_sample=False, early_stopping=False, encoder_no_repeat_ngram_size=0,
    exponential_decay_length_penalty=None, finetuning_task=None, forced_bos_token_id=None,
    forced_eos_token_id=None, id2label={"0": "LABEL_0", "1": "LABEL_1"}, is_decoder=False,
    is_encoder_decoder=False, label2id={"LABEL_0": 0, "LABEL_1": 1}, length_penalty=1.0,
    max_length=20, min_length=0, no_repeat_ngram_size=0, num_beam_groups=1, num_beams=1,
    num_return_sequences=1, output_attentions=False, output_hidden_states=False,
    output_scores=False, prefix=None, problem_type=None, pruned_heads={},
    remove_invalid_values=False, repetition_penalty=1.0, return_dict=True,
    return_dict_in_generate=False, sep_token_id=None, task_specific_params=None, temperature=1.0,
    tf_legacy_loss=False, tie_encoder_decoder=False, tie_word_embeddings=True,
    tokenizer_class=None, top_k=50, top_p=1.0, torch_dtype=None, torchscript=False,
    transformers_version="4.21.0.dev0", typical_p=1.0, use_bfloat16=False)


def build(config):
    """The model of a config.json's fields, with eager attention."""
    config_class, model_class = CLASSES[config["model_type"]]
    fields = {key: value for key, value in config.items() if key != "model_type"}
    model = model_class(config_class(**fields))
    model.set_attn_implementation("eager")
    return model.eval()


def sparse_config(case):
    """The fields that differ from transformers' defaults, as a config.json has them."""
    model_type = case.get("model", "owlvit")
    defaults = CLASSES[model_type][0]()

    def part(name, small):
        merged = {**small, **case.get(name, {})}
        known = getattr(defaults, f"{name}_config")
        return {key: value for key, value in merged.items()
                if value is not None and value != getattr(known, key)}

    text = part("text", TEXT)
    dtype = str(case.get("dtype", torch.float32)).removeprefix("torch.")
    return {"architectures": [CLASSES[model_type][1].__name__], "model_type": model_type,
            "projection_dim": text["hidden_size"], "text_config": text,
            "torch_dtype": dtype, "vision_config": part("vision", VISION)}


def legacy_config(config):
    """The same config as a checkpoint of 2022 tells it: every field, known or forgotten since."""
    full = build(config).config

    def part(name, fields):
        known = getattr(full, f"{name}_config").to_dict()
        known = {key: value for key, value in known.items() if key in fields}
        model_type = f"{config['model_type']}_{name}_model"
        return {**LEGACY, "dropout": 0.0, **known, "model_type": model_type}

    fields = ("attention_dropout", "hidden_act", "hidden_size", "initializer_factor",
              "initializer_range", "intermediate_size", "layer_norm_eps", "num_attention_heads",
              "num_hidden_layers")
    text = part("text", (*fields, "bos_token_id", "eos_token_id", "max_position_embeddings",
                         "pad_token_id", "vocab_size"))
    vision = part("vision", (*fields, "image_size", "num_channels", "patch_size"))
    return {**config, "initializer_factor": 1.0, "logit_scale_init_value": 2.6592,
            "text_config": text, "text_config_dict": None, "transformers_version": None,
            "vision_config": vision, "vision_config_dict": None}


def draw_weights(model, seed, scale):
    """Values for the model's state, by name: {name: float32 tensor}."""
    rng = np.random.default_rng(seed)
    weights = {}
    for name, tensor in model.state_dict().items():
        shape = tuple(tensor.shape)
        if "norm" in name and name.endswith("weight"):
            value = rng.uniform(0.5, 1.5, shape)
        elif name.endswith("bias"):
            value = rng.normal(0, 0.3, shape)
        elif "embeddings." in name and "patch" not in name:
            value = rng.normal(0, 0.7, shape)
        elif not shape:
            value = rng.uniform(2, 4)
        else:
            value = rng.normal(0, 1.4 / math.sqrt(math.prod(shape[1:])), shape)
        for part, factor in scale.items():
            value = value * factor if part in name else value
        # A small merged map makes a tower's last normalisation matter: its epsilon, its order.
        value = value * 0.3 if "post_layernorm" in name else value
        weights[name] = torch.from_numpy(np.asarray(value, dtype=np.float32))
    return weights


@torch.no_grad()
def spread_heads(model, pixels, interpolate, class_deviation):
    """Rescales and shifts the last layers of the heads, so that over the tokens of `pixels` their
    outputs have chosen means and deviations: random heads hardly tell one token from another."""
    features = model.image_embedder(pixels, interpolate)[0].flatten(0, 2)

    def spread(head, layer, mean, deviation):
        output = head(features)
        factor = deviation / output.std(0)
        layer.weight *= factor[:, None]
        layer.bias.copy_((layer.bias - output.mean(0)) * factor + torch.tensor(mean))

    for head, mean, deviation in ((model.class_head.dense0, 0.0, class_deviation),
                                  (model.class_head.logit_shift, 0.1, 0.3),
                                  (model.class_head.logit_scale, 1.5, 2.5)):
        spread(head, head, mean, deviation)
    spread(model.box_head, model.box_head.dense2, [-0.5, -0.3, 1.2, 0.9], 1.8)
    if hasattr(model, "objectness_head"):
        spread(model.objectness_head, model.objectness_head.dense2, -1.0, 2.0)


def prepare_weights(model, case, pixels, seed):
    """The weights of the case's file, in its dtype; the model holds the same values after."""
    model.load_state_dict(draw_weights(model, seed, case.get("scale", {})), strict=True)
    spread_heads(model, pixels, case.get("interpolate", False), case.get("class_deviation", 1.0))
    dtype = case.get("dtype", torch.float32)
    weights = {name: value.to(dtype, copy=True) for name, value in model.state_dict().items()}
    model.load_state_dict(weights, strict=True)
    return weights


def draw_text(rng, case, vocabulary):
    """input_ids and attention_mask [B * Q, L]; the two largest ids start and end a query.

    `mask`: absent, all queries as in a processor's batch, zeros after the end; "padded", besides
    one query without an end and one with two; "holes", the mask also hides words inside a query;
    "ragged", the queries of the second image past its first are padding: zeros only.
    """
    batch, queries, length = (case.get(key, default) for key, default
                              in (("batch", 2), ("queries", 2), ("length", 6)))
    start, end = vocabulary - 2, vocabulary - 1
    ids = np.zeros((batch * queries, length), np.int64)
    mask = np.zeros_like(ids)
    for row in range(batch * queries):
        words = rng.integers(1, length - 1) if row else length - 2
        ids[row, :words + 2] = [start, *rng.integers(1, start, words), end]
        mask[row, :words + 2] = 1
    kind = case.get("mask")
    if kind == "padded":
        ids[1, :5], mask[1, :5] = [7, 21, 33, 12, 5], 1
        ids[2, :5], mask[2, :5] = [start, 9, end, 17, end], 1
    elif kind == "holes":
        mask[0, 2:4] = mask[3, 1] = 0
    elif kind == "ragged":
        ids[queries + 1:], mask[queries + 1:] = 0, 0
        mask[queries + 1:, 0] = 1  # a query of which nothing is seen has no defined attention
    return torch.from_numpy(ids), torch.from_numpy(mask)


def draw_inputs(case, config, seed):
    rng = np.random.default_rng(seed)
    native = (config.vision_config.image_size,) * 2
    size = case.get("size", native)
    batch = case.get("batch", 2)

    def pictures(height, width):
        return torch.from_numpy(rng.uniform(-2, 2, (batch, 3, height, width)).astype(np.float32))

    input_ids, attention_mask = draw_text(rng, case, config.text_config.vocab_size)
    return {"pixel_values": pictures(*size), "input_ids": input_ids,
            "attention_mask": attention_mask,
            "query_pixel_values": pictures(*case.get("query_size", size))}


def check_query_choice(name, model, results):
    """The choice of a token in a query picture must not hang on the last digits.

    Gives the number of tokens of each picture whose boxes cover enough of it to be chosen.
    """
    feature_map = results["guided.query_image_embeds"]
    embeds = model.class_predictor(feature_map.flatten(1, 2))[1]
    x, y, width, height = results["guided.query_pred_boxes"].unbind(-1)
    overlap = torch.ones(())
    for centre, side in ((x, width), (y, height)):
        overlap = overlap * ((centre + side / 2).clamp(max=1) - (centre - side / 2).clamp(min=0))
    candidates = []
    for b, iou in enumerate(overlap / (1 + width * height - overlap)):
        kept = iou >= 0.8 * iou.max()
        candidates.append(int(kept.sum()))
        assert (iou - 0.8 * iou.max()).abs().min() > 1e-4, f"{name}: an overlap on the threshold"
        likeness = torch.sort(embeds[b][kept] @ embeds[b].mean(0)).values
        if len(likeness) > 1:
            gap = (likeness[1] - likeness[0]) / embeds[b].square().mean()
            assert gap > 1e-2, f"{name}: two tokens of a query picture are equally unlike the rest"
    return candidates


def check_case(name, model, inputs, interpolate):
    """What the case must give, in float64, after a check that it is spread and well-conditioned."""
    in_float32 = run(model.float(), inputs, interpolate)
    results = run(model.double(), inputs, interpolate)
    candidates = check_query_choice(name, model, results)
    logits = results["logits"][results["logits"] > LOWEST]
    spreads = {"logits": (logits, 0.5), "boxes": (results["pred_boxes"], 0.25),
               "guided.logits": (results["guided.logits"], 0.5)}
    for key, (value, least) in spreads.items():
        assert value.std() > least, f"{name}: {key} vary by {value.std():.3g} only"
    errors = {key: error_of(in_float32[key], value, 1e-5) for key, value in results.items()}
    worst = max(errors, key=errors.get)
    told = ", ".join(f"{key} {value.std():.2f}" for key, (value, _) in spreads.items())
    print(f"{name}: float32 off by {errors[worst]:.2f}e-5 of the spread of {worst}; "
          f"spreads: {told}; candidates in query pictures: {candidates}")
    assert errors[worst] < 1, f"{name}: ill-conditioned"
    return results


def published_buffers(model, prefix):
    """What older public files carry besides the weights: {name: tensor}."""
    parts = {"text_model": model.config.text_config.max_position_embeddings,
             "vision_model": model.box_bias.shape[0] + 1}
    buffers = {f"{prefix}.{part}.embeddings.position_ids": torch.arange(count)[None]
               for part, count in parts.items()}
    return {**buffers, "box_bias": model.box_bias.float().clone()}


def write_checkpoint(folder, model, config, weights, layout):
    """`layout`: "transformers", what save_pretrained writes; "sharded", the same in two files;
    "published", an old file with its buffers and its long config; absent, weights and the few
    fields that differ from the defaults."""
    if layout in ("transformers", "sharded"):
        size = sum(value.nbytes for value in weights.values())
        most = size * 2 // 3 if layout == "sharded" else size
        model.save_pretrained(folder, max_shard_size=most)
        return
    if layout == "published":
        weights = {**weights, **published_buffers(model, config["model_type"])}
        config = legacy_config(config)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def write_case(name, case):
    seed = zlib.crc32(name.encode()) + 2 * case.get("draw", 0)
    config = sparse_config(case)
    model = build(config)
    interpolate = case.get("interpolate", False)
    inputs = draw_inputs(case, model.config, seed + 1)
    weights = prepare_weights(model, case, inputs["pixel_values"], seed)
    folder = TARGET / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_checkpoint(folder, model, config, weights, case.get("layout"))
    (folder / "case.json").write_text(json.dumps({"interpolate_pos_encoding": interpolate}) + "\n")
    save_file(inputs, folder / "inputs.safetensors")
    results = check_case(name, model, inputs, interpolate)
    save_file({key: value.float().contiguous() if value.is_floating_point() else value
               for key, value in results.items()}, folder / "expected.safetensors")


def main():
    # transformers warns of start and end tokens outside the small vocabularies.
    logging.getLogger("transformers").setLevel(logging.ERROR)
    for name in sys.argv[1:] or CASES:
        write_case(name, CASES[name])


if __name__ == "__main__":
    main()

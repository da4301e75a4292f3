"""Writes the parity fixtures of PaliGemma: small random checkpoints, what they must give.

The expected values are those of transformers' `PaliGemmaForConditionalGeneration` with eager
attention (its other kinds drop Gemma 2's attention cap), with a decoder of Gemma (PaliGemma) or
Gemma 2 (PaliGemma 2), computed in float64 and stored as float32. Weights are drawn sharper than a
usual initialisation. Every case is checked to give the same in float32, to choose every token by a
lead of at least 1e-3, to choose the same without a cache, to give a prompt the same logits with
and without a suffix, and to let an image see the words after it. Run it with PyTorch (2.13.0),
transformers (5.18.0), NumPy and safetensors installed:

    python scripts/oracles/paligemma.py            # writes test/fixtures/paligemma
    python scripts/oracles/paligemma.py pg1 ...    # only the named cases

A case is a folder: the checkpoint (`config.json`, `model.safetensors` or its shards),
`inputs.safetensors`, `expected.safetensors`, and `case.json` with the options of generation:
`max_new_tokens`, `eos_token_id` (a list, empty if nothing ends a text) and `pad_token_id`, which
fills a row after its end.

Shapes: B sequences of T tokens, of which the first P columns are prompts; N images of all prompts
in their order, I tokens and D features of each; V entries of the vocabulary, d the width of the
decoder, n tokens generated at most. A prompt is padded on the left, a suffix on the right.
inputs    pixel_values [N, 3, H, W], absent without images; input_ids, attention_mask (0 at
          padding) and token_type_ids (0 in prompts, 1 in suffixes, 0 at padding) [B, T] int64;
          prompt.input_ids and prompt.attention_mask [B, P] int64, what generation starts from
expected  of a forward pass: logits [B, T, V], image_hidden_states [N, I, d] (projected), logprobs
          [B, T - P], of the suffix's tokens, if there is one; inside it: vision.embeddings and
          vision.blocks.{l} [N, I, D], embeddings (words scaled, images merged), blocks.{l} and norm
          [B, T, d]; what belongs to tokens is zero at padding, where it means nothing;
          sequences [B, P + n] int64, prompts and what greedy generation adds
"""

import copy
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
from transformers import PaliGemmaConfig, PaliGemmaForConditionalGeneration

from gemma_run import (check_file, check_greedy, double_precision, draw_decoder, draw_state,
                       error_of, generate, stored, to_double)
from paligemma_run import prompt_inputs, run

TARGET = pathlib.Path(__file__).parents[2] / "test" / "fixtures" / "paligemma"

VISION = dict(hidden_size=12, intermediate_size=20, num_hidden_layers=2, num_attention_heads=2,
              image_size=8, patch_size=4, vision_use_head=False)
TEXT = dict(model_type="gemma", hidden_size=16, intermediate_size=24, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=1, head_dim=6, vocab_size=97)
TEXT2 = dict(TEXT, model_type="gemma2", num_key_value_heads=2, query_pre_attn_scalar=6,
             sliding_window=8)
# What published config.json files say besides; of PaliGemma 2's decoder, and of both towers.
PUBLISHED = dict(torch_dtype="float32", num_image_tokens=4)
PUBLISHED2 = dict(PUBLISHED, _name_or_path="", architectures=["Gemma2ForCausalLM"],
                  attention_bias=False, attention_dropout=0.0, attn_logit_softcapping=50.0,
                  bos_token_id=2, cache_implementation="hybrid", eos_token_id=[1, 107],
                  final_logit_softcapping=30.0, hidden_act="gelu_pytorch_tanh",
                  hidden_activation="gelu_pytorch_tanh", initializer_range=0.02,
                  max_position_embeddings=8192, pad_token_id=0, rms_norm_eps=1e-06,
                  rope_theta=10000.0, use_cache=True)
PUBLISHED_VISION = dict(PUBLISHED, projection_dim=16, projector_hidden_act="gelu_fast")
# The same weights and inputs under each of the names they go by.
DIALECT = dict(text=dict(num_hidden_layers=1, vocab_size=61), vision=dict(num_hidden_layers=1),
               like="dialect", words=[4], suffix=[3], draw=5)

# What a case may say: `text`, changes of TEXT, or `text2`, of TEXT2; `vision`, changes of VISION;
# fields `absent` from the decoder's config; `top`, more fields of config.json; `image_token`, the
# id of placeholders, the first past the vocabulary if absent; for each prompt its `images`, its
# `words` and its `suffix`, counts, none if absent; `new`, tokens generated at most; `ends`, the
# (row, step) of generated tokens whose ids are to end a text; `dtype` of the file; `layout`, who
# wrote it (see write_checkpoint); `scale`, factors on named weights; `matters`, changes of the
# decoder's config that must change the logits; `ignored`, changes that must not; `like`, the case
# whose weights and inputs to take; `draw`, which draw of the weights to take, where the first would
# repeat itself or leave a choice undecided.
CASES = {
    "pg1": dict(text={}, vision=dict(image_size=28, patch_size=14, num_attention_heads=3),
                words=[5], suffix=[6], new=24, layout="transformers", draw=3),
    "pg2": dict(text2=dict(num_hidden_layers=4), vision=dict(image_size=15, patch_size=5),
                words=[4], suffix=[5], new=24, layout="transformers", draw=3),
    "pg2_window": dict(text2=dict(num_hidden_layers=3), words=[3], suffix=[14], new=20,
                       matters=[dict(sliding_window=64), dict(sliding_window=9)]),
    "pg2_small_caps": dict(text2=dict(attn_logit_softcapping=2.0, final_logit_softcapping=1.0),
                           words=[4], suffix=[4], matters=[dict(attn_logit_softcapping=None)],
                           ignored=[dict(final_logit_softcapping=None)], draw=2),
    "two_images": dict(text={}, images=[2], words=[4], suffix=[3], draw=5),
    "frames": dict(text=dict(vocab_size=61), vision=dict(image_size=6, patch_size=3,
                                                         num_hidden_layers=1),
                   images=[16], words=[3], suffix=[2]),
    "text_only": dict(text={}, images=[0, 0], words=[6, 4], suffix=[3, 3], draw=8),
    # Logits so far apart that the end of a text is not always the likeliest: for beams.
    "batch": dict(text2={}, images=[1, 1], words=[3, 3], suffix=[4, 4],
                  scale={"language_model.norm": 14}, draw=5),
    "ragged": dict(text={}, images=[1, 1, 1], words=[6, 2, 4], suffix=[2, 5, 3],
                   ends=[(0, 4), (2, 9)], draw=18),
    "ragged_images": dict(text2={}, images=[1, 2, 0], words=[3, 2, 4], suffix=[4, 2, 1], draw=16),
    "prompt_only": dict(text2={}, images=[1, 1], words=[5, 1]),
    "patch_not_dividing": dict(text={}, vision=dict(image_size=11), words=[3], suffix=[3], draw=5),
    "wide_heads": dict(text2=dict(num_attention_heads=2, head_dim=12, query_pre_attn_scalar=8),
                       vision=dict(hidden_size=15, num_attention_heads=3, layer_norm_eps=0.01),
                       words=[4], suffix=[3]),
    "published": dict(text=dict(hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
                                **PUBLISHED), absent=["head_dim"], layout="old",
                      vision=dict(PUBLISHED_VISION, projection_dim=8), words=[4], suffix=[3],
                      top=dict(bos_token_id=2, eos_token_id=1, pad_token_id=0), draw=5),
    "published_pg2": dict(text2=PUBLISHED2, vision=PUBLISHED_VISION, layout="sharded", words=[4],
                          suffix=[3], dtype=torch.bfloat16),
    "dialect_transformers": dict(DIALECT, layout="transformers"),
    "dialect_old": dict(DIALECT, layout="old"),
    "dialect_memory": dict(DIALECT, layout="memory"),
    "dialect_expert": dict(DIALECT, layout="expert"),
    # The placeholder is an entry of the vocabulary, with rows of no use around it.
    "filler_rows": dict(text=dict(vocab_size=128), image_token=110, images=[1, 1], words=[4, 2],
                        suffix=[3, 3], draw=4),
    "pooling_head": dict(text={}, vision=dict(vision_use_head=True), layout="transformers",
                         words=[3], suffix=[3], draw=4),
    "bfloat16_file": dict(text={}, dtype=torch.bfloat16, words=[4], suffix=[4], draw=3),
}


def config_of(case):
    """What the case's config.json says."""
    text = {**(TEXT2 if "text2" in case else TEXT), **case.get("text", {}), **case.get("text2", {})}
    text = {key: value for key, value in text.items() if key not in case.get("absent", ())}
    dtype = str(case.get("dtype", torch.float32)).removeprefix("torch.")
    return {"architectures": ["PaliGemmaForConditionalGeneration"], **case.get("top", {}),
            "hidden_size": text["hidden_size"],
            "image_token_index": case.get("image_token", text["vocab_size"]),
            "model_type": "paligemma", "projection_dim": text["hidden_size"], "text_config": text,
            "torch_dtype": dtype,
            "vision_config": {"model_type": "siglip_vision_model", **VISION,
                              **case.get("vision", {})}}


def build(config):
    """The model of a config.json's fields, with eager attention."""
    fields = copy.deepcopy({key: value for key, value in config.items()
                            if key not in ("architectures", "model_type", "torch_dtype")})
    model = PaliGemmaForConditionalGeneration(PaliGemmaConfig(**fields))
    model.set_attn_implementation("eager")
    return model.eval()


def draw_value(name, shape, rng):
    """Values of one tensor, float64."""
    if "language_model" in name or "lm_head" in name:
        return draw_decoder(name, shape, rng)
    if "multi_modal_projector" in name:
        return rng.normal(0, 0.2 if len(shape) == 1 else 0.5 / math.sqrt(shape[1]), shape)
    if "norm" in name and name.endswith("weight"):
        return rng.uniform(0.5, 1.5, shape)
    if name.endswith("bias"):
        return rng.normal(0, 0.3, shape)
    if "position_embedding" in name:
        return rng.normal(0, 0.7, shape)
    return rng.normal(0, 1.4 / math.sqrt(math.prod(shape[1:])), shape)


def draw_inputs(case, config, rng):
    vision, text = config.vision_config, config.text_config
    image_tokens = (vision.image_size // vision.patch_size) ** 2
    counts = case.get("images", [1])
    prompts, suffixes = [], []
    for row, (count, words) in enumerate(zip(counts, case["words"])):
        drawn = rng.integers(6, 60, words)
        newline = 5
        prompts.append([config.image_token_index] * count * image_tokens
                       + [text.bos_token_id, *drawn, newline])
        suffixes.append(list(rng.integers(6, 60, case["suffix"][row])) if "suffix" in case else [])
    length = max(map(len, prompts))
    total = length + max(map(len, suffixes))
    ids, mask, types = (np.zeros((len(prompts), total), np.int64) for _ in range(3))
    for row, (prompt, suffix) in enumerate(zip(prompts, suffixes)):
        columns = slice(length - len(prompt), length + len(suffix))
        ids[row, columns], mask[row, columns] = prompt + suffix, 1
        types[row, length:length + len(suffix)] = 1
    inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types,
              "prompt.input_ids": ids[:, :length].copy(),
              "prompt.attention_mask": mask[:, :length].copy()}
    if sum(counts):
        size = (sum(counts), 3, vision.image_size, vision.image_size)
        inputs["pixel_values"] = rng.uniform(-1, 1, size).astype(np.float32)
    return {name: torch.from_numpy(value) for name, value in inputs.items()}


def generation_options(model, case, inputs):
    """The options of case.json; the ids that end a text are taken from an endless generation."""
    prompt = prompt_inputs(inputs, model.dtype)
    options = {"max_new_tokens": case.get("new", 16), "eos_token_id": [], "pad_token_id": 0}
    if "ends" in case:
        new = generate(model, prompt, options)[:, prompt["input_ids"].shape[1]:]
        options["eos_token_id"] = [new[place].item() for place in case["ends"]]
    return options


def check_config(name, case, config, model, inputs, logits):
    """Fields said to matter must change the logits, ignored ones must not."""
    for kind in ("matters", "ignored"):
        for change in case.get(kind, []):
            other = build({**config, "text_config": {**config["text_config"], **change}})
            other.load_state_dict(model.state_dict())
            moved = error_of(run(to_double(other), inputs)["logits"], logits, 1)
            assert (moved > 1e-3) == (kind == "matters"), f"{name}: {change} moves by {moved:.2g}"


def check_mask(name, model, inputs, results):
    """A suffix must not change what is before it, a prompt's last word must change its start."""
    length = inputs["prompt.input_ids"].shape[1]
    prompt = {**inputs, "input_ids": inputs["prompt.input_ids"],
              "attention_mask": inputs["prompt.attention_mask"],
              "token_type_ids": inputs["token_type_ids"][:, :length]}
    alone = run(model, prompt)["logits"]
    assert error_of(alone, results["logits"][:, :length], 1) < 1e-12, f"{name}: the suffix is seen"
    changed = {**prompt, "input_ids": prompt["input_ids"].clone()}
    changed["input_ids"][:, -1] = 60
    starts = prompt["attention_mask"].argmax(1)
    moved = (run(model, changed)["logits"] - alone)[torch.arange(len(starts)), starts]
    least = moved.abs().amax(1).min().item() / alone.std().item()
    assert least > 1e-3, f"{name}: the first token hardly sees the last of its prompt: {least:.2g}"


def check_case(name, case, config, model, inputs):
    """What the case must give, in float64, and its options, after a check of its conditioning."""
    in_float32 = run(model.float(), inputs)
    with double_precision():
        results = run(to_double(model), inputs)
        check_config(name, case, config, model, inputs, results["logits"])
        check_mask(name, model, inputs, results)
        prompt = prompt_inputs(inputs, model.dtype)
        options = generation_options(model, case, inputs)
        results["sequences"] = generate(model, prompt, options)
        new = results["sequences"][:, prompt["input_ids"].shape[1]:]
        assert not (new == model.config.image_token_index).any(), f"{name}: generates an image"
        told, counts = check_greedy(name, model, prompt, options, results["sequences"])
    for row, step in case.get("ends", []):
        assert counts[row] == step + 1, f"{name}: row {row} ends early, after {counts[row]} tokens"
    in_float32["sequences"] = generate(model.float(), prompt_inputs(inputs, torch.float32), options)
    errors = {key: error_of(in_float32[key], value, 1e-5) for key, value in results.items()}
    worst = max(errors, key=errors.get)
    print(f"{name}: float32 off by {errors[worst]:.2f}e-5 of the spread of {worst}; logits vary by "
          f"{results['logits'].std():.2f}; {told}")
    assert errors[worst] < 1, f"{name}: ill-conditioned"
    return results, options


def old_name(name):
    """The name of a tensor in files written before transformers 4.52."""
    return (name.removeprefix("model.").replace("vision_tower.", "vision_tower.vision_model.")
            .replace("language_model.", "language_model.model."))


def memory_name(name):
    """The name of a tensor in models of transformers 4.52, as others saved it."""
    return name.replace("vision_tower.", "vision_tower.vision_model.")


def save_sharded(weights, folder, count):
    """Writes the weights into files of about the same number of tensors, and their index."""
    names, index = sorted(weights), {}
    for part in range(count):
        file = f"model-{part + 1:05}-of-{count:05}.safetensors"
        chosen = names[part * len(names) // count:(part + 1) * len(names) // count]
        save_file({name: weights[name] for name in chosen}, folder / file,
                  metadata={"format": "pt"})
        index.update(dict.fromkeys(chosen, file))
    size = sum(value.nbytes for value in weights.values())
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {"total_size": size}, "weight_map": index}, indent=1) + "\n")


def write_checkpoint(folder, model, config, weights, layout):
    """`layout`: "transformers", what save_pretrained writes; "old", the published names, with the
    tied head; "sharded", these without the head, in three files; "memory", the names of 4.52, with
    the head; "expert", these inside a robot's policy; absent, the published names alone."""
    if layout == "transformers":
        model.save_pretrained(folder)
        (folder / "generation_config.json").unlink()
        return
    rename = memory_name if layout in ("memory", "expert") else old_name
    named = {rename(name): value for name, value in weights.items()}
    head = {"old": "language_model.lm_head.weight", "memory": "lm_head.weight",
            "expert": "lm_head.weight"}.get(layout)
    if head:
        named[head] = weights["model.language_model.embed_tokens.weight"].clone()
    if layout == "expert":
        named = {f"paligemma_with_expert.paligemma.{name}": value for name, value in named.items()}
    if layout == "sharded":
        save_sharded(named, folder, 3)
    else:
        save_file(named, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def write_case(name, case):
    rng = np.random.default_rng([zlib.crc32(case.get("like", name).encode()), case.get("draw", 0)])
    config = config_of(case)
    model = build(config)
    dtype = case.get("dtype", torch.float32)
    weights = draw_state(model, draw_value, rng, case.get("scale", {}), dtype)
    inputs = draw_inputs(case, model.config, rng)
    folder = TARGET / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_checkpoint(folder, model, config, weights, case.get("layout"))
    if case.get("layout") != "expert":
        check_file(name, folder, model)
    save_file(inputs, folder / "inputs.safetensors")
    results, options = check_case(name, case, config, model, inputs)
    save_file(stored(results), folder / "expected.safetensors")
    (folder / "case.json").write_text(json.dumps(options) + "\n")


def main():
    # transformers warns of special tokens outside the small vocabularies.
    logging.getLogger("transformers").setLevel(logging.ERROR)
    for name in sys.argv[1:] or CASES:
        write_case(name, CASES[name])


if __name__ == "__main__":
    main()

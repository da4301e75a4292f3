"""Writes the parity fixtures of Gemma and Gemma 2: small random checkpoints, what they must give.

The expected values are those of transformers' `GemmaForCausalLM` and `Gemma2ForCausalLM` with
eager attention (its other kinds drop Gemma 2's attention cap), computed in float64 and stored as
float32. Weights are drawn sharper than a usual initialisation, so that a wrong formula shows and
greedy generation does not repeat itself. Every case is checked to give the same in float32, to
choose every token by a lead of at least 1e-3, and to choose the same without a cache. Run it with
PyTorch (2.13.0), transformers (5.18.0), NumPy and safetensors installed:

    python scripts/oracles/gemma.py            # writes test/fixtures/gemma
    python scripts/oracles/gemma.py mqa ...    # only the named cases

A case is a folder: the checkpoint (`config.json`, `model.safetensors` or its shards),
`inputs.safetensors`, `expected.safetensors`, and `case.json` with the options of generation:
`max_new_tokens`, `eos_token_id` (a list, empty if nothing ends a text) and `pad_token_id`, which
fills a row after its end.

Shapes: B prompts of T tokens, V entries of the vocabulary, d the width, n tokens generated at most.
inputs    input_ids [B, T] int64; where a case has them, attention_mask [B, T] int64, 0 at padding,
          and position_ids [B, T] int64
expected  logits [B, T, V]; inside the model: embeddings (after scaling), blocks.{l} (after layer l)
          and norm, all [B, T, d]; all zero at padding, where they mean nothing;
          sequences [B, T + n] int64, prompts and what greedy generation adds
"""

import json
import logging
import pathlib
import shutil
import sys
import zlib

import numpy as np
import torch
from safetensors.torch import save_file

from gemma_run import (CLASSES, check_file, check_greedy, double_precision, draw_decoder,
                       draw_state, error_of, generate, run_decoder, stored, to_double)

TARGET = pathlib.Path(__file__).parents[2] / "test" / "fixtures" / "gemma"

TEXT = dict(hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=1, head_dim=6, vocab_size=97)
TEXT2 = dict(TEXT, num_key_value_heads=2, query_pre_attn_scalar=6, sliding_window=8)

# What a case may say: `model`; changes of TEXT or TEXT2, and fields `absent` from config.json;
# `batch` and `length` of the prompts; `padding`, how many tokens on the left of each prompt are
# padding; `positions`, the position of every token; `new`, tokens generated at most; `ends`, the
# (row, step) of generated tokens whose ids are to end a text; `dtype` of the file; `layout`, who
# wrote it (see write_checkpoint); `scale`, factors on named weights; `matters`, changes of the
# config that must change the logits; `ignored`, changes that must not; `draw`, which draw of the
# weights to take, where the first would repeat itself or leave a choice undecided.
CASES = {
    "mqa": dict(layout="transformers", padding=(0, 3), draw=3),
    "mha": dict(config=dict(num_key_value_heads=4), draw=1),
    # Logits so far apart that the end of a text is not always the likeliest: for beams.
    "gqa": dict(config=dict(hidden_size=20, num_attention_heads=6, num_key_value_heads=2),
                padding=(4, 0), scale={"model.norm": 14}),
    "wide_heads": dict(config=dict(num_attention_heads=3, head_dim=10), draw=1),
    "default_head_dim": dict(config=dict(hidden_size=8, num_hidden_layers=1,
                                         num_attention_heads=2), absent=["head_dim"], draw=2),
    "odd_sizes": dict(config=dict(hidden_size=15, intermediate_size=23, num_hidden_layers=3,
                                  num_attention_heads=5, head_dim=4, vocab_size=89),
                      batch=3, draw=29),
    "one_token": dict(batch=1, length=1, new=24, draw=3),
    "rope_theta": dict(config=dict(rope_theta=20.0), matters=[dict(rope_theta=10000.0)]),
    "rope_parameters": dict(config=dict(rope_parameters=dict(rope_theta=50.0, rope_type="default")),
                            matters=[dict(rope_parameters=None)], draw=11),
    "positions": dict(positions=[[0, 1, 2, 3, 4, 9, 10, 11, 40], [5, 6, 7, 8, 9, 10, 17, 18, 19]],
                      config=dict(num_key_value_heads=2), draw=7),
    # An epsilon of the normalisations so large that it counts.
    "epsilon": dict(config=dict(rms_norm_eps=0.02), matters=[dict(rms_norm_eps=1e-6)], draw=2),
    "untied": dict(config=dict(tie_word_embeddings=False), padding=(2, 0), draw=5),
    "head_in_file": dict(layout="head_in_file"),
    "attention_bias": dict(config=dict(attention_bias=True, num_key_value_heads=2), draw=3),
    # "gelu" means the tanh form in Gemma's configs, whatever is said besides.
    "gelu": dict(config=dict(hidden_act="gelu", hidden_activation="gelu_pytorch_tanh"),
                 ignored=[dict(hidden_act="gelu_pytorch_tanh"), dict(hidden_activation=None)],
                 draw=9),
    "bfloat16_file": dict(dtype=torch.bfloat16, draw=1),
    "sharded": dict(layout="sharded", draw=2),
    "early_end": dict(batch=3, length=7, padding=(0, 2, 4), ends=[(0, 4), (2, 9)], draw=10),
    "all_end": dict(length=5, ends=[(0, 8), (1, 3)], draw=1),
    "gemma2": dict(model="gemma2", config=dict(num_hidden_layers=4), padding=(0, 5), length=13,
                   layout="transformers", matters=[dict(sliding_window=64)], draw=13),
    "gemma2_query_scalar": dict(model="gemma2", config=dict(query_pre_attn_scalar=24),
                                scale={"q_proj": 2},
                                matters=[dict(query_pre_attn_scalar=6)], draw=4),
    "gemma2_window": dict(model="gemma2", config=dict(sliding_window=4), length=11, new=20,
                          matters=[dict(sliding_window=5), dict(sliding_window=3)]),
    "gemma2_no_caps": dict(model="gemma2", config=dict(attn_logit_softcapping=None,
                                                       final_logit_softcapping=None),
                           matters=[dict(attn_logit_softcapping=50.0)], padding=(1, 0), draw=2),
    "gemma2_small_caps": dict(model="gemma2", config=dict(attn_logit_softcapping=3.0,
                                                          final_logit_softcapping=1.2),
                              matters=[dict(attn_logit_softcapping=None),
                                       dict(final_logit_softcapping=None)], draw=22),
    "gemma2_layer_types": dict(
        model="gemma2", length=12, matters=[dict(layer_types=None)],
        config=dict(num_hidden_layers=3, sliding_window=5,
                    layer_types=["full_attention", "sliding_attention", "sliding_attention"]),
        draw=1),
    # Gemma 2 reads hidden_activation only, and "gelu" is the exact form there.
    "gemma2_exact_gelu": dict(model="gemma2", config=dict(hidden_activation="gelu"),
                              matters=[dict(hidden_activation="gelu_pytorch_tanh")], draw=3),
    "gemma2_hidden_act": dict(model="gemma2", config=dict(hidden_act="relu"),
                              ignored=[dict(hidden_act="gelu_pytorch_tanh")], draw=1),
    "gemma2_bfloat16_file": dict(model="gemma2", dtype=torch.bfloat16, layout="sharded",
                                 config=dict(num_key_value_heads=1), draw=6),
    "gemma2_early_end": dict(model="gemma2", padding=(3, 0), length=11, ends=[(1, 5)]),
}


def config_of(case):
    """What the case's config.json says."""
    model_type = case.get("model", "gemma")
    fields = {**(TEXT2 if model_type == "gemma2" else TEXT), **case.get("config", {})}
    dtype = str(case.get("dtype", torch.float32)).removeprefix("torch.")
    return {"architectures": [CLASSES[model_type][1].__name__], "model_type": model_type,
            **{key: value for key, value in fields.items() if key not in case.get("absent", ())},
            "torch_dtype": dtype}


def build(config):
    """The model of a config.json's fields, with eager attention."""
    config_class, model_class = CLASSES[config["model_type"]]
    fields = {key: value for key, value in config.items() if key not in ("model_type",
                                                                         "torch_dtype")}
    model = model_class(config_class(**fields))
    model.set_attn_implementation("eager")
    return model.eval()


def draw_inputs(case, config, rng):
    batch, length = case.get("batch", 2), case.get("length", 9)
    # 0 is padding, 1 the end: transformers would take a 0 among the words for padding.
    ids = rng.integers(3, config.vocab_size, (batch, length))
    inputs = {"input_ids": ids}
    ids[:, 0] = config.bos_token_id
    if "padding" in case:
        mask = np.ones_like(ids)
        for row, count in enumerate(case["padding"]):
            ids[row, :count], mask[row, :count] = config.pad_token_id, 0
            ids[row, count] = config.bos_token_id
        inputs["attention_mask"] = mask
    if "positions" in case:
        inputs["attention_mask"] = np.ones_like(ids)
        inputs["position_ids"] = np.asarray(case["positions"])
    return {name: torch.from_numpy(value) for name, value in inputs.items()}


def generation_options(model, case, inputs):
    """The options of case.json; the ids that end a text are taken from an endless generation."""
    options = {"max_new_tokens": case.get("new", 16), "eos_token_id": [],
               "pad_token_id": model.config.pad_token_id}
    if "ends" in case:
        new = generate(model, inputs, options)[:, inputs["input_ids"].shape[1]:]
        options["eos_token_id"] = [new[place].item() for place in case["ends"]]
    return options


def check_config(name, case, config, model, inputs, logits):
    """Fields said to matter must change the logits, ignored ones must not."""
    for kind in ("matters", "ignored"):
        for change in case.get(kind, []):
            other = build({**config, **change})
            other.load_state_dict(model.state_dict())
            moved = error_of(run_decoder(to_double(other), inputs)["logits"], logits, 1)
            assert (moved > 1e-3) == (kind == "matters"), f"{name}: {change} moves by {moved:.2g}"


def check_case(name, case, config, model, inputs):
    """What the case must give, in float64, and its options, after a check of its conditioning."""
    in_float32 = run_decoder(model.float(), inputs)
    with double_precision():
        results = run_decoder(to_double(model), inputs)
        check_config(name, case, config, model, inputs, results["logits"])
        options = generation_options(model, case, inputs)
        results["sequences"] = generate(model, inputs, options)
        told, counts = check_greedy(name, model, inputs, options, results["sequences"])
    in_float32["sequences"] = generate(model.float(), inputs, options)
    errors = {key: error_of(in_float32[key], value, 1e-5) for key, value in results.items()}
    worst = max(errors, key=errors.get)
    print(f"{name}: float32 off by {errors[worst]:.2f}e-5 of the spread of {worst}; logits vary by "
          f"{results['logits'].std():.2f}; {told}")
    assert errors[worst] < 1, f"{name}: ill-conditioned"
    for row, step in case.get("ends", []):
        assert counts[row] == step + 1, f"{name}: row {row} ends early, after {counts[row]} tokens"
    return results, options


def write_checkpoint(folder, model, config, weights, layout):
    """`layout`: "transformers", what save_pretrained writes; "sharded", the same in files of a
    third; "head_in_file", the weights and the tied head once more; absent, the weights and the
    case's own config."""
    if layout in ("transformers", "sharded"):
        size = sum(value.nbytes for value in weights.values())
        model.save_pretrained(folder, max_shard_size=size // 3 if layout == "sharded" else size)
        (folder / "generation_config.json").unlink(missing_ok=True)
        return
    if layout == "head_in_file":
        weights = {**weights, "lm_head.weight": weights["model.embed_tokens.weight"].clone()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def write_case(name, case):
    rng = np.random.default_rng([zlib.crc32(name.encode()), case.get("draw", 0)])
    config = config_of(case)
    model = build(config)
    dtype = case.get("dtype", torch.float32)
    weights = draw_state(model, draw_decoder, rng, case.get("scale", {}), dtype)
    inputs = draw_inputs(case, model.config, rng)
    folder = TARGET / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_checkpoint(folder, model, config, weights, case.get("layout"))
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

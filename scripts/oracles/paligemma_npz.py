"""Writes cases of test/fixtures/paligemma as big_vision keeps them: an npz with stacked layers.

The arrays are those of big_vision's `models/proj/paligemma/paligemma.py`; what they must give is
told by the case that they come from. Run it after paligemma.py, with NumPy, ml_dtypes and
safetensors installed:

    python scripts/oracles/paligemma_npz.py     # writes test/fixtures/paligemma_npz

A case is a folder with `model.npz` alone, its name that of its source. In `pg2` all names stand
below `params/`, and the arrays are bfloat16, which NumPy stores as two bytes of no type; those
values are exact, since the script takes what bfloat16 keeps of the weights: `expected.safetensors`
then has the logits [B, T, V] that transformers gives for them, in float64 stored as float32.
"""

import json
import pathlib
import shutil

import ml_dtypes
import numpy as np
import torch
from safetensors.numpy import load_file
from safetensors.torch import load_file as load_torch, save_file
from transformers import PaliGemmaForConditionalGeneration

FIXTURES = pathlib.Path(__file__).parents[2] / "test" / "fixtures"
SOURCE, TARGET = FIXTURES / "paligemma", FIXTURES / "paligemma_npz"
NORMS = {"gemma": {"pre_attention_norm": "input_layernorm",
                   "pre_ffw_norm": "post_attention_layernorm"},
         "gemma2": {"pre_attention_norm": "input_layernorm",
                    "post_attention_norm": "post_attention_layernorm",
                    "pre_ffw_norm": "pre_feedforward_layernorm",
                    "post_ffw_norm": "post_feedforward_layernorm"}}


def vision_arrays(weights, config):
    heads = config["num_attention_heads"]
    width = config["hidden_size"]
    own = {name.removeprefix("vision_tower.").removeprefix("vision_model."): value
           for name, value in weights.items() if name.startswith("vision_tower.")}

    def stacked(name, change=lambda value: value):
        layers = range(config["num_hidden_layers"])
        return np.stack([change(own[f"encoder.layers.{l}.{name}"]) for l in layers])

    arrays = {"embedding/kernel": own["embeddings.patch_embedding.weight"].transpose(2, 3, 1, 0),
              "embedding/bias": own["embeddings.patch_embedding.bias"],
              "pos_embedding": own["embeddings.position_embedding.weight"][None],
              "Transformer/encoder_norm/scale": own["post_layernorm.weight"],
              "Transformer/encoder_norm/bias": own["post_layernorm.bias"],
              "head/kernel": weights["multi_modal_projector.linear.weight"].T,
              "head/bias": weights["multi_modal_projector.linear.bias"]}
    block = "Transformer/encoderblock"
    for theirs, ours in (("LayerNorm_0", "layer_norm1"), ("LayerNorm_1", "layer_norm2")):
        arrays[f"{block}/{theirs}/scale"] = stacked(f"{ours}.weight")
        arrays[f"{block}/{theirs}/bias"] = stacked(f"{ours}.bias")
    attention = f"{block}/MultiHeadDotProductAttention_0"
    for theirs, ours in (("query", "q"), ("key", "k"), ("value", "v")):
        arrays[f"{attention}/{theirs}/kernel"] = stacked(
            f"self_attn.{ours}_proj.weight", lambda value: value.T.reshape(width, heads, -1))
        arrays[f"{attention}/{theirs}/bias"] = stacked(
            f"self_attn.{ours}_proj.bias", lambda value: value.reshape(heads, -1))
    arrays[f"{attention}/out/kernel"] = stacked(
        "self_attn.out_proj.weight", lambda value: value.T.reshape(heads, -1, width))
    arrays[f"{attention}/out/bias"] = stacked("self_attn.out_proj.bias")
    for theirs, ours in (("Dense_0", "fc1"), ("Dense_1", "fc2")):
        arrays[f"{block}/MlpBlock_0/{theirs}/kernel"] = stacked(
            f"mlp.{ours}.weight", lambda value: value.T)
        arrays[f"{block}/MlpBlock_0/{theirs}/bias"] = stacked(f"mlp.{ours}.bias")
    return {f"img/{name}": value for name, value in arrays.items()}


def decoder_arrays(weights, config):
    heads, groups = config["num_attention_heads"], config["num_key_value_heads"]
    width = config["hidden_size"]
    prefix = "language_model.model."
    own = {name.removeprefix(prefix): value
           for name, value in weights.items() if name.startswith(prefix)}

    def stacked(change):
        return np.stack([change(lambda name, l=l: own[f"layers.{l}.{name}.weight"])
                         for l in range(config["num_hidden_layers"])])

    def per_head(value, count):
        return value.reshape(count, -1, width).transpose(0, 2, 1)

    arrays = {
        "embedder/input_embedding": own["embed_tokens.weight"],
        "final_norm/scale": own["norm.weight"],
        "layers/attn/q_einsum/w": stacked(lambda w: per_head(w("self_attn.q_proj"), heads)),
        "layers/attn/kv_einsum/w": stacked(lambda w: np.stack(
            [per_head(w(f"self_attn.{part}_proj"), groups) for part in "kv"])),
        "layers/attn/attn_vec_einsum/w": stacked(
            lambda w: w("self_attn.o_proj").T.reshape(heads, -1, width)),
        "layers/mlp/gating_einsum": stacked(
            lambda w: np.stack([w("mlp.gate_proj").T, w("mlp.up_proj").T])),
        "layers/mlp/linear": stacked(lambda w: w("mlp.down_proj").T)}
    for theirs, ours in NORMS[config["model_type"]].items():
        arrays[f"layers/{theirs}/scale"] = stacked(lambda w, ours=ours: w(ours))
    return {f"llm/{name}": value for name, value in arrays.items()}


def write_case(name, prefix, rounded):
    source, folder = SOURCE / name, TARGET / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = json.loads((source / "config.json").read_text())
    weights = load_file(source / "model.safetensors")
    arrays = {**vision_arrays(weights, config["vision_config"]),
              **decoder_arrays(weights, config["text_config"])}
    if rounded:
        arrays = {key: value.astype(ml_dtypes.bfloat16) for key, value in arrays.items()}
        write_expected(source, folder)
    np.savez_compressed(folder / "model.npz",
                        **{prefix + key: value for key, value in arrays.items()})


@torch.no_grad()
def write_expected(source, folder):
    model = PaliGemmaForConditionalGeneration.from_pretrained(
        source, attn_implementation="eager", dtype=torch.bfloat16).double().eval()
    inputs = load_torch(source / "inputs.safetensors")
    asked = {key: value.double() if key == "pixel_values" else value
             for key, value in inputs.items() if not key.startswith("prompt.")}
    save_file({"logits": model(**asked).logits.float().contiguous()},
              folder / "expected.safetensors")


if __name__ == "__main__":
    write_case("pg1", "", rounded=False)
    write_case("pg2", "params/", rounded=True)

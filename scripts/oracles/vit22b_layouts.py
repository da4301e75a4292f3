"""Writes checkpoints of ViT-22B's relatives in public layouts, and what they must give.

Random weights are drawn under our own names, then written under the names and in the shapes of
big_vision's `models/vit.py`, of the older AugReg code base, and of timm's `VisionTransformer`. The
expected values come from the NumPy implementation in vit22b.py.

    python scripts/oracles/vit22b_layouts.py     # writes test/fixtures/vit22b_layouts
"""

import json
import pathlib
import zlib

import numpy as np
from safetensors.numpy import save_file

from vit22b import DEFAULTS, draw, forward

TARGET = pathlib.Path(__file__).parents[2] / "test" / "fixtures" / "vit22b_layouts"
PLAIN = dict(block="sequential", norm="layernorm", qk_norm="none", qkv_bias=True, num_labels=5)
TOKEN = dict(PLAIN, pooling="token", class_token=True)


def big_vision(c, w, old=False, scanned=False, prefix=""):
    """flax names: kernels [in, out], heads as a dimension of their own."""
    d, H, p = c["hidden_size"], c["num_attention_heads"], c["patch_size"]
    e = d // H
    out = {}

    def norm(to, name):
        out[f"{to}/scale"], out[f"{to}/bias"] = w[f"{name}.weight"], w[f"{name}.bias"]

    def dense(to, name):
        out[f"{to}/kernel"], out[f"{to}/bias"] = w[f"{name}.weight"].T, w[f"{name}.bias"]

    def attention(to, name):
        for ours, theirs in (("q", "query"), ("k", "key"), ("v", "value")):
            out[f"{to}/{theirs}/kernel"] = w[f"{name}.{ours}.weight"].T.reshape(d, H, e)
            out[f"{to}/{theirs}/bias"] = w[f"{name}.{ours}.bias"].reshape(H, e)
        out[f"{to}/out/kernel"] = w[f"{name}.out.weight"].T.reshape(H, e, d)
        out[f"{to}/out/bias"] = w[f"{name}.out.bias"]

    kernel = w["patch_embed.weight"].reshape(d, c["num_channels"], p, p)
    out["embedding/kernel"] = kernel.transpose(2, 3, 1, 0)
    out["embedding/bias"] = w["patch_embed.bias"]
    positions = w["pos_embed"]
    if c["class_token"]:
        # The class token has a position of its own; token and position are only ever added.
        first = np.random.default_rng(7).normal(0, 0.5, (1, d)).astype(np.float32)
        out["cls"] = (w["cls_token"] - first)[None]
        positions = np.concatenate([first, positions])
    out["Transformer/posembed_input/pos_embedding" if old else "pos_embedding"] = positions[None]
    for l in range(c["num_hidden_layers"]):
        block, name = f"Transformer/encoderblock_{l}", f"blocks.{l}"
        norm(f"{block}/LayerNorm_0", f"{name}.norm")
        attention(f"{block}/MultiHeadDotProductAttention_{1 if old else 0}", f"{name}.attn")
        norm(f"{block}/LayerNorm_{2 if old else 1}", f"{name}.norm2")
        for i in (0, 1):
            dense(f"{block}/MlpBlock_{3 if old else 0}/Dense_{i}", f"{name}.mlp.fc{i + 1}")
    norm("Transformer/encoder_norm", "norm")
    if c["pooling"] == "map":
        out["MAPHead_0/probe"] = w["map.probe"][None]
        attention("MAPHead_0/MultiHeadDotProductAttention_0", "map.attn")
        norm("MAPHead_0/LayerNorm_0", "map.norm")
        for i in (0, 1):
            dense(f"MAPHead_0/MlpBlock_0/Dense_{i}", f"map.mlp.fc{i + 1}")
    dense("head", "head")
    if scanned:
        first = "Transformer/encoderblock_0/"
        for name in [name for name in out if name.startswith(first)]:
            layers = [out.pop(name.replace("_0/", f"_{l}/", 1))
                      for l in range(c["num_hidden_layers"])]
            out[f"Transformer/encoderblock/{name[len(first):]}"] = np.stack(layers)
    return {prefix + name: np.ascontiguousarray(value) for name, value in out.items()}


def timm(c, w):
    """`ParallelScalingBlock`: u, q, k and v in one matrix, the two outputs apart."""
    d, p = c["hidden_size"], c["patch_size"]
    out = {"patch_embed.proj.weight": w["patch_embed.weight"].reshape(d, c["num_channels"], p, p),
           "patch_embed.proj.bias": w["patch_embed.bias"], "pos_embed": w["pos_embed"][None]}
    for l in range(c["num_hidden_layers"]):
        b = f"blocks.{l}"
        parts = ("mlp.fc1", "attn.q", "attn.k", "attn.v")
        out[f"{b}.in_proj.weight"] = np.concatenate([w[f"{b}.{part}.weight"] for part in parts])
        out[f"{b}.mlp_bias"] = w[f"{b}.mlp.fc1.bias"]
        out[f"{b}.in_norm.weight"] = w[f"{b}.norm.weight"]
        for part in "qk":
            out[f"{b}.{part}_norm.weight"] = w[f"{b}.attn.{part}_norm.weight"]
        for theirs, ours in (("attn_out_proj", "attn.out"), ("mlp_out_proj", "mlp.fc2")):
            for kind in ("weight", "bias"):
                out[f"{b}.{theirs}.{kind}"] = w[f"{b}.{ours}.{kind}"]
    out["norm.weight"], out["attn_pool.norm.weight"] = w["norm.weight"], w["map.norm.weight"]
    out["attn_pool.latent"] = w["map.probe"][None]
    for kind in ("weight", "bias"):
        out[f"attn_pool.q.{kind}"] = w[f"map.attn.q.{kind}"]
        kv = [w[f"map.attn.{part}.{kind}"] for part in "kv"]
        out[f"attn_pool.kv.{kind}"] = np.concatenate(kv)
        out[f"attn_pool.proj.{kind}"] = w[f"map.attn.out.{kind}"]
        for part in ("mlp.fc1", "mlp.fc2"):
            out[f"attn_pool.{part}.{kind}"] = w[f"map.{part}.{kind}"]
        out[f"head.{kind}"] = w[f"head.{kind}"]
    return {name: np.ascontiguousarray(value) for name, value in out.items()}


CASES = {
    "big_vision": (PLAIN, lambda c, w: big_vision(c, w, prefix="params/")),
    "big_vision_scanned": (PLAIN,
                           lambda c, w: big_vision(c, w, scanned=True, prefix="params/img/")),
    "augreg": (TOKEN, lambda c, w: big_vision(c, w, old=True)),
    "timm": (dict(qk_norm="rmsnorm", num_labels=5), timm),
}


def main():
    for name, (changes, layout) in CASES.items():
        config = {**DEFAULTS, **changes}
        seed = zlib.crc32(name.encode())
        weights = draw(config, seed)
        pixels = np.random.default_rng(seed + 1).uniform(-1, 1, (2, 3, 12, 12)).astype(np.float32)
        folder = TARGET / name
        folder.mkdir(parents=True, exist_ok=True)
        if name == "timm":
            save_file(layout(config, weights), folder / "model.safetensors")
            (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
        else:
            # No config: a file of big_vision tells it by its shapes.
            np.savez(folder / "model.npz", **layout(config, weights))
        save_file({"pixel_values": pixels}, folder / "inputs.safetensors")
        expected = forward(config, weights, pixels)
        kept = {key: expected[key].astype(np.float32) for key in ("last_hidden_state", "logits")}
        save_file(kept, folder / "expected.safetensors")


main()

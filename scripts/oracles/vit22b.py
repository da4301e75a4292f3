"""Writes the parity fixtures of the ViT-22B system: small random checkpoints, what they must give.

The expected values come from the NumPy float64 implementation in this file, written from the
formulas of the paper (arXiv 2302.05442) and the checkpoint contract in lib/models/vit22b/README.md.
Weights are drawn sharper than a usual initialisation, so that a wrong formula shows. Run it with
NumPy, PyTorch (for the bfloat16 file) and safetensors installed:

    python scripts/oracles/vit22b.py            # writes test/fixtures/vit22b
    python scripts/oracles/vit22b_check.py      # compares this file with PyTorch, SciPy and timm

Shapes: B images, N tokens, d width, H heads, e head width, F hidden width of the MLP.
"""

import json
import math
import pathlib
import zlib

import numpy as np
from safetensors.numpy import save_file

DEFAULTS = dict(
    model_type="vit22b", hidden_size=24, num_hidden_layers=2, num_attention_heads=3,
    intermediate_size=40, image_size=12, patch_size=4, num_channels=3, block="parallel",
    norm="rmsnorm", norm_eps=1e-6, qk_norm="layernorm_no_bias", qk_norm_scale="shared",
    qkv_bias=False, attention_out_bias=True, mlp_bias=True, hidden_act="gelu_tanh", pooling="map",
    class_token=False, position_resize="bilinear", num_labels=0, loss="sigmoid",
)

# name: what differs from DEFAULTS, the size of the pictures, the dtype of the file
CASES = {
    "base": (dict(num_labels=5), (12, 12)),
    "sequential": (dict(block="sequential", norm="layernorm", qkv_bias=True, hidden_act="gelu",
                        pooling="token", class_token=True, num_labels=4, loss="softmax"), (12, 12)),
    "per_head": (dict(norm="layernorm_no_bias", qk_norm="rmsnorm", qk_norm_scale="per_head",
                      pooling="mean", num_labels=3), (12, 12)),
    "per_head_layernorm": (dict(qk_norm_scale="per_head", norm="layernorm", norm_eps=1e-2,
                                attention_out_bias=False, pooling="mean"), (12, 12)),
    "bare": (dict(qk_norm="none", mlp_bias=False, attention_out_bias=False, pooling="none"),
             (12, 12)),
    "qkv_bias": (dict(qkv_bias=True, mlp_bias=False, qk_norm="rmsnorm", hidden_act="gelu"),
                 (12, 12)),
    "sequential_rms": (dict(block="sequential", attention_out_bias=False, qk_norm="none",
                            norm_eps=1e-3), (12, 12)),
    "sequential_bare": (dict(block="sequential", mlp_bias=False, pooling="mean",
                             norm="layernorm_no_bias"), (12, 12)),
    "class_token_map": (dict(class_token=True, num_labels=3, loss="softmax"), (12, 12)),
    "class_token_mean": (dict(class_token=True, pooling="mean", num_hidden_layers=1), (12, 16)),
    "bilinear": (dict(image_size=[16, 12], num_hidden_layers=1), (12, 28)),
    "bilinear_down": (dict(image_size=20, num_hidden_layers=1, pooling="mean"), (4, 12)),
    "bicubic": (dict(image_size=16, position_resize="bicubic_antialias", num_hidden_layers=1),
                (28, 12)),
    "bicubic_same_count": (dict(image_size=[8, 32], position_resize="bicubic_antialias",
                                num_hidden_layers=1, pooling="mean"), (16, 16)),
    "patch_not_dividing": (dict(image_size=[14, 11], num_channels=1, num_hidden_layers=1),
                           (13, 18)),
    "one_wide_head": (dict(num_attention_heads=1, hidden_size=20, intermediate_size=12,
                           num_labels=1), (12, 12)),
    "shardable": (dict(num_attention_heads=8, hidden_size=32, intermediate_size=48, qkv_bias=True,
                       qk_norm_scale="per_head", num_labels=3, class_token=True), (12, 16)),
    "bfloat16_file": (dict(num_labels=5), (12, 12), "bfloat16"),
}


def grid(size, patch):
    """Whole patches of a picture; what is left over at the right and the bottom is not seen."""
    height, width = (size, size) if isinstance(size, int) else size
    return height // patch, width // patch


def parameter_shapes(c):
    d, F, H = c["hidden_size"], c["intermediate_size"], c["num_attention_heads"]
    patches = math.prod(grid(c["image_size"], c["patch_size"]))
    shapes = {"patch_embed.weight": (d, c["num_channels"] * c["patch_size"] ** 2),
              "patch_embed.bias": (d,), "pos_embed": (patches, d)}
    if c["class_token"]:
        shapes["cls_token"] = (1, d)

    def norm(name):
        shapes[f"{name}.weight"] = (d,)
        if c["norm"] == "layernorm":
            shapes[f"{name}.bias"] = (d,)

    def linear(name, outputs, inputs, bias):
        shapes[f"{name}.weight"] = (outputs, inputs)
        if bias:
            shapes[f"{name}.bias"] = (outputs,)

    for l in range(c["num_hidden_layers"]):
        b = f"blocks.{l}"
        norm(f"{b}.norm")
        for part in "qkv":
            linear(f"{b}.attn.{part}", d, d, c["qkv_bias"])
        if c["qk_norm"] != "none":
            scale = (d // H,) if c["qk_norm_scale"] == "shared" else (H, d // H)
            shapes[f"{b}.attn.q_norm.weight"] = shapes[f"{b}.attn.k_norm.weight"] = scale
        linear(f"{b}.attn.out", d, d, c["attention_out_bias"])
        if c["block"] == "sequential":
            norm(f"{b}.norm2")
        linear(f"{b}.mlp.fc1", F, d, c["mlp_bias"])
        linear(f"{b}.mlp.fc2", d, F, c["mlp_bias"])
    norm("norm")
    if c["pooling"] == "map":
        shapes["map.probe"] = (1, d)
        for part in ("q", "k", "v", "out"):
            linear(f"map.attn.{part}", d, d, True)
        norm("map.norm")
        linear("map.mlp.fc1", F, d, True)
        linear("map.mlp.fc2", d, F, True)
    if c["num_labels"]:
        linear("head", c["num_labels"], d, True)
    return shapes


def draw(c, seed):
    rng = np.random.default_rng(seed)
    weights = {}
    for name, shape in parameter_shapes(c).items():
        if "norm" in name and name.endswith("weight"):
            value = rng.uniform(0.5, 1.5, shape)
        elif name.endswith("bias"):
            value = rng.normal(0, 0.3, shape)
        elif name in ("pos_embed", "cls_token", "map.probe"):
            value = rng.normal(0, 0.7, shape)
        else:
            value = rng.normal(0, 1.5 / math.sqrt(shape[-1]), shape)
        weights[name] = value.astype(np.float32)
    return weights


def to_bfloat16(value):
    """The nearest bfloat16 values (ties to even), still as float32."""
    bits = value.view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return rounded.astype(np.uint32).view(np.float32)


def gelu(x, kind):
    if kind == "gelu":
        return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def normalise(x, kind, eps):
    if kind != "rmsnorm":
        x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps)


def linear_matrix(inputs, outputs):
    """Interpolation between the nearest two, first and last entries kept in place."""
    matrix = np.zeros((outputs, inputs))
    for i in range(outputs):
        at = i * (inputs - 1) / (outputs - 1) if outputs > 1 else 0.0
        low = min(int(at), inputs - 1)
        matrix[i, low] += 1 - (at - low)
        matrix[i, min(low + 1, inputs - 1)] += at - low
    return matrix


def cubic_matrix(inputs, outputs):
    """Keys' cubic with a = -1/2, widened when shrinking, renormalised at the edges."""
    def keys(t):
        t = abs(t)
        if t < 1:
            return 1.5 * t**3 - 2.5 * t**2 + 1
        return -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2 if t < 2 else 0.0

    scale = inputs / outputs
    width = max(scale, 1.0)
    matrix = np.zeros((outputs, inputs))
    for i in range(outputs):
        centre = (i + 0.5) * scale
        for j in range(inputs):
            matrix[i, j] = keys((j + 0.5 - centre) / width)
        matrix[i] /= matrix[i].sum()
    return matrix


def positions(table, c, target):
    source = grid(c["image_size"], c["patch_size"])
    if source == target:
        return table
    matrix = linear_matrix if c["position_resize"] == "bilinear" else cubic_matrix
    rows, columns = matrix(source[0], target[0]), matrix(source[1], target[1])
    table = table.reshape(*source, -1)
    return np.einsum("ia,jb,abd->ijd", rows, columns, table).reshape(target[0] * target[1], -1)


def forward(c, weights, pixels):
    """All results and taps of `encode` and `classify`, in float64."""
    w = {name: value.astype(np.float64) for name, value in weights.items()}
    d, H = c["hidden_size"], c["num_attention_heads"]
    e, p = d // H, c["patch_size"]
    out = {}

    def project(x, name):
        y = x @ w[f"{name}.weight"].T
        return y + w[f"{name}.bias"] if f"{name}.bias" in w else y

    def norm(x, name):
        y = normalise(x, c["norm"], c["norm_eps"]) * w[f"{name}.weight"]
        return y + w[f"{name}.bias"] if f"{name}.bias" in w else y

    def heads(x):
        return x.reshape(x.shape[0], -1, H, e).transpose(0, 2, 1, 3)  # [B, H, N, e]

    def merge(x):
        return x.transpose(0, 2, 1, 3).reshape(x.shape[0], -1, d)

    def attend(q, k, v):
        logits = q @ k.transpose(0, 1, 3, 2) / math.sqrt(e)
        return merge(softmax(logits) @ v), logits

    def mlp(x, name):
        return project(gelu(project(x, f"{name}.fc1"), c["hidden_act"]), f"{name}.fc2")

    def qk_normed(x, name):
        if c["qk_norm"] == "none":
            return x
        scale = w[f"{name}.weight"]
        scale = scale if scale.ndim == 1 else scale[:, None, :]
        return normalise(x, c["qk_norm"], c["norm_eps"]) * scale

    B, C = pixels.shape[:2]
    rows, columns = grid(pixels.shape[2:], p)
    x = pixels[:, :, : rows * p, : columns * p].astype(np.float64)
    x = x.reshape(B, C, rows, p, columns, p).transpose(0, 2, 4, 1, 3, 5)
    x = x.reshape(B, rows * columns, -1)
    x = project(x, "patch_embed") + positions(w["pos_embed"], c, (rows, columns))
    if c["class_token"]:
        x = np.concatenate([np.broadcast_to(w["cls_token"], (B, 1, d)), x], 1)
    out["embeddings"] = x
    largest, entropies = [], []
    for l in range(c["num_hidden_layers"]):
        b = f"blocks.{l}"
        h = norm(x, f"{b}.norm")
        q, k, v = (heads(project(h, f"{b}.attn.{part}")) for part in "qkv")
        q, k = qk_normed(q, f"{b}.attn.q_norm"), qk_normed(k, f"{b}.attn.k_norm")
        out[f"{b}.q_normed"], out[f"{b}.k_normed"] = q, k
        a, logits = attend(q, k, v)
        chances = softmax(logits)
        largest.append(logits.max())
        entropies.append(-(chances * np.log(np.maximum(chances, 1e-300))).sum(-1).mean())
        if c["block"] == "parallel":
            x = x + project(a, f"{b}.attn.out") + mlp(h, f"{b}.mlp")
        else:
            x = x + project(a, f"{b}.attn.out")
            x = x + mlp(norm(x, f"{b}.norm2"), f"{b}.mlp")
        out[b] = x
    x = out["last_hidden_state"] = norm(x, "norm")
    out["max_attention_logit"], out["attention_entropy"] = np.array(largest), np.array(entropies)
    if c["pooling"] == "map":
        probe = np.broadcast_to(w["map.probe"], (B, 1, d))
        sources = (("q", probe), ("k", x), ("v", x))
        q, k, v = (heads(project(y, f"map.attn.{part}")) for part, y in sources)
        y = project(attend(q, k, v)[0], "map.attn.out")
        out["pooler_output"] = (y + mlp(norm(y, "map.norm"), "map.mlp"))[:, 0]
    elif c["pooling"] == "mean":
        out["pooler_output"] = x.mean(1)
    elif c["pooling"] == "token":
        out["pooler_output"] = x[:, 0]
    if c["num_labels"] and "pooler_output" in out:
        out["logits"] = project(out["pooler_output"], "head")
    return out


def cases():
    for name, (changes, size, *dtype) in CASES.items():
        config = {**DEFAULTS, **changes}
        seed = zlib.crc32(name.encode())
        weights = draw(config, seed)
        if dtype:
            weights = {key: to_bfloat16(value) for key, value in weights.items()}
        shape = (2, config["num_channels"], *size)
        pixels = np.random.default_rng(seed + 1).uniform(-1, 1, shape).astype(np.float32)
        yield name, config, changes, weights, pixels, bool(dtype)


def main():
    target = pathlib.Path(__file__).parents[2] / "test" / "fixtures" / "vit22b"
    for name, config, changes, weights, pixels, bfloat16 in cases():
        folder = target / name
        folder.mkdir(parents=True, exist_ok=True)
        sizes = ("model_type", "hidden_size", "num_hidden_layers", "num_attention_heads",
                 "intermediate_size", "image_size", "patch_size")
        # Options that keep their default are left out, so that the defaults are tested as well.
        shown = {key: config[key] for key in config if key in sizes or key in changes}
        (folder / "config.json").write_text(json.dumps(shown, indent=1) + "\n")
        if bfloat16:
            import torch
            from safetensors.torch import save_file as save_torch
            halves = {key: torch.from_numpy(value).bfloat16() for key, value in weights.items()}
            save_torch(halves, folder / "model.safetensors")
        else:
            save_file(weights, folder / "model.safetensors")
        save_file({"pixel_values": pixels}, folder / "inputs.safetensors")
        expected = forward(config, weights, pixels)
        # save_file writes memory as it lies, so transposed arrays have to be laid out first.
        laid_out = {key: value.astype(np.float32, order="C") for key, value in expected.items()}
        save_file(laid_out, folder / "expected.safetensors")


if __name__ == "__main__":
    main()

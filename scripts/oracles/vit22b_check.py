"""Compares the NumPy oracle of vit22b.py with SciPy, PyTorch and, where it is installed, timm.

    python scripts/oracles/vit22b_check.py

Needs NumPy, SciPy and PyTorch; timm's classes are compared where timm can be imported.
"""

import math

import numpy as np
import scipy.ndimage
import torch
import torch.nn.functional as F

import vit22b

TOLERANCE = 1e-12


def check(name, ours, theirs, tolerance=TOLERANCE):
    theirs = theirs.numpy() if isinstance(theirs, torch.Tensor) else theirs
    error = np.abs(ours - theirs).max() / max(theirs.std(), 1e-3)
    assert ours.shape == theirs.shape and error <= tolerance, f"{name}: {error:.3g}"
    print(f"ok {name}: {error:.1e}")


def check_resizing():
    rng = np.random.default_rng(0)
    for source, target in (((3, 3), (7, 5)), ((5, 4), (1, 9)), ((4, 8), (2, 3)), ((1, 6), (4, 6))):
        table = rng.normal(size=(*source, 6))
        changed = [vit22b.linear_matrix(a, b) for a, b in zip(source, target)]
        ours = np.einsum("ia,jb,abd->ijd", *changed, table)
        zoom = (target[0] / source[0], target[1] / source[1], 1)
        theirs = scipy.ndimage.zoom(table, zoom, order=1)
        check(f"bilinear {source} {target} against SciPy", ours, theirs)
        changed = [vit22b.cubic_matrix(a, b) for a, b in zip(source, target)]
        ours = np.einsum("ia,jb,abd->ijd", *changed, table)
        picture = torch.from_numpy(table).permute(2, 0, 1)[None]
        theirs = F.interpolate(picture, target, mode="bicubic", antialias=True)[0].permute(1, 2, 0)
        check(f"bicubic {source} {target} against PyTorch", ours, theirs)


def torch_encode(c, weights, pixels):
    """The same model over PyTorch's functional interface."""
    w = {name: torch.from_numpy(value.astype(np.float64)) for name, value in weights.items()}
    d, H, eps = c["hidden_size"], c["num_attention_heads"], c["norm_eps"]

    def linear(x, name):
        return F.linear(x, w[f"{name}.weight"], w.get(f"{name}.bias"))

    def norm(x, name, kind=c["norm"]):
        weight, bias = w[f"{name}.weight"], w.get(f"{name}.bias")
        shape, shared = weight.shape[-1:], weight if weight.dim() == 1 else None
        if kind == "rmsnorm":
            y = F.rms_norm(x, shape, shared, eps)
        else:
            y = F.layer_norm(x, shape, shared, bias, eps)
        return y if weight.dim() == 1 else y * weight[:, None]  # one scale per head

    def heads(x):
        return x.unflatten(-1, (H, d // H)).transpose(1, 2)

    def attend(q, k, v):
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)

    def mlp(x, name):
        approximate = "tanh" if c["hidden_act"] == "gelu_tanh" else "none"
        return linear(F.gelu(linear(x, f"{name}.fc1"), approximate=approximate), f"{name}.fc2")

    x = torch.from_numpy(pixels.astype(np.float64))
    kernel = w["patch_embed.weight"].view(d, x.shape[1], c["patch_size"], c["patch_size"])
    x = F.conv2d(x, kernel, w["patch_embed.bias"], stride=c["patch_size"])
    here = tuple(x.shape[2:])
    table = w["pos_embed"].T.reshape(1, d, *vit22b.grid(c["image_size"], c["patch_size"]))
    if tuple(table.shape[2:]) != here:
        if c["position_resize"] == "bilinear":
            table = F.interpolate(table, here, mode="bilinear", align_corners=True)
        else:
            table = F.interpolate(table, here, mode="bicubic", antialias=True)
    x = (x + table).flatten(2).transpose(1, 2)
    if c["class_token"]:
        x = torch.cat([w["cls_token"].expand(x.shape[0], 1, d), x], 1)
    for l in range(c["num_hidden_layers"]):
        b = f"blocks.{l}"
        h = norm(x, f"{b}.norm")
        q, k, v = (heads(linear(h, f"{b}.attn.{part}")) for part in "qkv")
        if c["qk_norm"] != "none":
            q = norm(q, f"{b}.attn.q_norm", c["qk_norm"])
            k = norm(k, f"{b}.attn.k_norm", c["qk_norm"])
        attention = linear(attend(q, k, v), f"{b}.attn.out")
        if c["block"] == "parallel":
            x = x + attention + mlp(h, f"{b}.mlp")
        else:
            x = x + attention
            x = x + mlp(norm(x, f"{b}.norm2"), f"{b}.mlp")
    out = {"last_hidden_state": norm(x, "norm")}
    x = out["last_hidden_state"]
    if c["pooling"] == "map":
        probe = w["map.probe"].expand(x.shape[0], 1, d)
        sources = (("q", probe), ("k", x), ("v", x))
        q, k, v = (heads(linear(y, f"map.attn.{part}")) for part, y in sources)
        y = linear(attend(q, k, v), "map.attn.out")
        out["pooler_output"] = (y + mlp(norm(y, "map.norm"), "map.mlp"))[:, 0]
    elif c["pooling"] != "none":
        out["pooler_output"] = x.mean(1) if c["pooling"] == "mean" else x[:, 0]
    if c["num_labels"] and "pooler_output" in out:
        out["logits"] = linear(out["pooler_output"], "head")
    return out


def check_models():
    for name, config, _, weights, pixels, _ in vit22b.cases():
        ours = vit22b.forward(config, weights, pixels)
        for key, theirs in torch_encode(config, weights, pixels).items():
            check(f"{name} {key} against PyTorch", ours[key], theirs)


def import_timm():
    """timm, also where torchvision's own operators do not fit the PyTorch that is installed."""
    try:
        library = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        from timm.layers import AttentionPoolLatent, RmsNorm
        from timm.models.vision_transformer import ParallelScalingBlock
    except ImportError:
        return None
    return ParallelScalingBlock, AttentionPoolLatent, RmsNorm


def check_timm():
    classes = import_timm()
    if classes is None:
        print("skipped: timm is not installed")
        return
    ParallelScalingBlock, AttentionPoolLatent, RmsNorm = classes

    class LayerNorm(torch.nn.LayerNorm):
        def __init__(self, width, eps=1e-6, **unused):
            super().__init__(width, eps=1e-6, bias=False)

    torch.manual_seed(0)
    for kind, norm_layer in (("rmsnorm", RmsNorm), ("layernorm_no_bias", LayerNorm)):
        c = {**vit22b.DEFAULTS, "norm": kind, "qk_norm": kind, "num_hidden_layers": 1,
             "hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 160,
             "image_size": (4, 68), "pooling": "map"}
        weights = vit22b.draw(c, 1)
        block = ParallelScalingBlock(64, 4, mlp_ratio=2.5, qkv_bias=False, qk_norm=True,
                                     norm_layer=norm_layer, act_layer=lambda: torch.nn.GELU("tanh"))
        b = "blocks.0"
        names = dict(
            in_norm=f"{b}.norm", q_norm=f"{b}.attn.q_norm", k_norm=f"{b}.attn.k_norm",
            attn_out_proj=f"{b}.attn.out", mlp_out_proj=f"{b}.mlp.fc2")
        state = {f"{theirs}.{part}": weights[f"{ours}.{part}"] for theirs, ours in names.items()
                 for part in ("weight", "bias") if f"{ours}.{part}" in weights}
        parts = [f"{b}.mlp.fc1", *(f"{b}.attn.{part}" for part in "qkv")]
        state["in_proj.weight"] = np.concatenate([weights[f"{part}.weight"] for part in parts])
        state["mlp_bias"] = weights[f"{b}.mlp.fc1.bias"]
        block.load_state_dict({key: torch.from_numpy(value) for key, value in state.items()},
                              strict=False)
        missing = {key for key, _ in block.named_parameters()} - set(state)
        assert not missing, missing
        pool = AttentionPoolLatent(64, num_heads=4, mlp_ratio=2.5, norm_layer=norm_layer,
                                   act_layer=lambda: torch.nn.GELU("tanh"))
        state = {"latent": weights["map.probe"][None]}
        for part in ("weight", "bias"):
            state[f"q.{part}"] = weights[f"map.attn.q.{part}"]
            state[f"kv.{part}"] = np.concatenate([weights[f"map.attn.{p}.{part}"] for p in "kv"])
            state[f"proj.{part}"] = weights[f"map.attn.out.{part}"]
            state[f"mlp.fc1.{part}"] = weights[f"map.mlp.fc1.{part}"]
            state[f"mlp.fc2.{part}"] = weights[f"map.mlp.fc2.{part}"]
        state["norm.weight"] = weights["map.norm.weight"]
        pool.load_state_dict({key: torch.from_numpy(value) for key, value in state.items()})
        pixels = np.random.default_rng(2).uniform(-1, 1, (3, 3, 4, 68)).astype(np.float32)
        ours = vit22b.forward(c, weights, pixels)
        with torch.no_grad():
            x = torch.from_numpy(ours["embeddings"])
            check(f"block {kind} against timm", ours["blocks.0"], block.double()(x), 1e-7)
            x = torch.from_numpy(ours["last_hidden_state"])
            check(f"MAP head {kind} against timm", ours["pooler_output"], pool.double()(x), 1e-7)


if __name__ == "__main__":
    check_resizing()
    check_models()
    check_timm()

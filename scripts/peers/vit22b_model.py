"""The ViT-22B encoder in plain PyTorch, as the peer that the benchmark compares with.

Reads a checkpoint of the native contract (lib/models/vit22b/README.md) and covers what the
benchmark runs: parallel blocks, no biases at q, k and v, MAP or mean pooling. The products of one
input are fused as in timm's ParallelScalingBlock.
"""

import json
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn


def norm(x, weight, kind, eps):
    if kind == "rmsnorm":
        return F.rms_norm(x, weight.shape, weight, eps)
    return F.layer_norm(x, weight.shape, weight, None, eps)


class Block(nn.Module):
    def __init__(self, config, weights, prefix):
        super().__init__()
        self.config = config
        self.eps = config.get("norm_eps", 1e-6)
        parts = ("mlp.fc1", "attn.q", "attn.k", "attn.v")
        joint = torch.cat([weights[f"{prefix}.{part}.weight"] for part in parts])
        self.in_proj = nn.Parameter(joint)
        self.mlp_bias = nn.Parameter(weights[f"{prefix}.mlp.fc1.bias"])
        for name in ("norm.weight", "attn.q_norm.weight", "attn.k_norm.weight", "attn.out.weight",
                     "attn.out.bias", "mlp.fc2.weight", "mlp.fc2.bias"):
            weight = nn.Parameter(weights[f"{prefix}.{name}"])
            self.register_parameter(name.replace(".", "_"), weight)

    def forward(self, x):
        B, N, d = x.shape
        H, hidden = self.config["num_attention_heads"], self.config["intermediate_size"]
        qk_norm = self.config.get("qk_norm", "layernorm_no_bias")
        h = norm(x, self.norm_weight, self.config.get("norm", "rmsnorm"), self.eps)
        u, q, k, v = F.linear(h, self.in_proj).split((hidden, d, d, d), -1)
        q, k, v = (y.view(B, N, H, d // H).transpose(1, 2) for y in (q, k, v))
        q = norm(q, self.attn_q_norm_weight, qk_norm, self.eps)
        k = norm(k, self.attn_k_norm_weight, qk_norm, self.eps)
        a = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(B, N, d)
        x = x + F.linear(a, self.attn_out_weight, self.attn_out_bias)
        u = F.gelu(u + self.mlp_bias, approximate="tanh")
        return x + F.linear(u, self.mlp_fc2_weight, self.mlp_fc2_bias)


class Encoder(nn.Module):
    def __init__(self, folder):
        super().__init__()
        folder = pathlib.Path(folder)
        self.config = json.loads((folder / "config.json").read_text())
        weights = load_file(folder / "model.safetensors")
        self.eps = self.config.get("norm_eps", 1e-6)
        depth = self.config["num_hidden_layers"]
        blocks = [Block(self.config, weights, f"blocks.{l}") for l in range(depth)]
        self.blocks = nn.ModuleList(blocks)
        for name, value in weights.items():
            if not name.startswith("blocks."):
                self.register_parameter(name.replace(".", "_"), nn.Parameter(value))

    def linear(self, x, name):
        return F.linear(x, getattr(self, f"{name}_weight"), getattr(self, f"{name}_bias"))

    def pool(self, x):
        B, _, d = x.shape
        H = self.config["num_attention_heads"]
        q, k, v = (self.linear(y, f"map_attn_{part}").view(B, -1, H, d // H).transpose(1, 2)
                   for part, y in (("q", self.map_probe.expand(B, 1, d)), ("k", x), ("v", x)))
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(B, d)
        y = self.linear(y, "map_attn_out")
        h = norm(y, self.map_norm_weight, self.config.get("norm", "rmsnorm"), self.eps)
        h = F.gelu(self.linear(h, "map_mlp_fc1"), approximate="tanh")
        return y + self.linear(h, "map_mlp_fc2")

    def forward(self, pixel_values):
        p = self.config.get("patch_size", 14)
        kernel = self.patch_embed_weight.view(-1, pixel_values.shape[1], p, p)
        x = F.conv2d(pixel_values, kernel, self.patch_embed_bias, stride=p)
        x = x.flatten(2).transpose(1, 2) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        x = norm(x, self.norm_weight, self.config.get("norm", "rmsnorm"), self.eps)
        return x, self.pool(x) if self.config.get("pooling", "map") == "map" else x.mean(1)

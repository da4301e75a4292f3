"""Gemma in plain PyTorch, as the peers of the benchmark that read ONNX run it.

Reads a checkpoint with transformers' names and covers what the benchmark runs: one text, all heads
full, the head tied to the table. The products of one input are fused.
"""

import json
import math
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn


class Layer(nn.Module):
    def __init__(self, config, weights, prefix):
        super().__init__()
        self.heads, self.groups = config["num_attention_heads"], config["num_key_value_heads"]
        self.width, self.eps = config["head_dim"], config["rms_norm_eps"]

        def joint(parts):
            return nn.Parameter(torch.cat([weights[f"{prefix}.{part}_proj.weight"]
                                           for part in parts]))

        def scale(name):
            return nn.Parameter(1 + weights[f"{prefix}.{name}_layernorm.weight"])

        self.qkv = joint([f"self_attn.{part}" for part in "qkv"])
        self.out = joint(["self_attn.o"])
        self.gate_up = joint(["mlp.gate", "mlp.up"])
        self.down = joint(["mlp.down"])
        self.attention_norm, self.mlp_norm = scale("input"), scale("post_attention")

    def norm(self, x, weight):
        return F.rms_norm(x, weight.shape, weight, self.eps)

    def rotate(self, x, cos, sin):
        a, b = x.chunk(2, -1)
        return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

    def attention(self, x, rotation, mask, past):
        """x [1, T, d]; rotation two of [T, e / 2]; mask [T, T] or None; past two of [1, K, P, e]."""
        T, H, K, e = x.shape[1], self.heads, self.groups, self.width
        q, k, v = F.linear(x, self.qkv).view(1, T, H + 2 * K, e).transpose(1, 2).split((H, K, K), 1)
        q, k = self.rotate(q, *rotation), self.rotate(k, *rotation)
        if past is not None:
            k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
        # The heads of a group share their keys: to the product they are further rows.
        scores = q.reshape(1, K, H // K * T, e) @ k.transpose(2, 3) / math.sqrt(e)
        if mask is not None:
            scores = (scores.view(1, K, H // K, T, T) + mask).view(1, K, H // K * T, T)
        a = (scores.softmax(-1) @ v).view(1, H, T, e).transpose(1, 2).reshape(1, T, H * e)
        return F.linear(a, self.out), (k, v)

    def forward(self, x, rotation, mask, past):
        a, cache = self.attention(self.norm(x, self.attention_norm), rotation, mask, past)
        x = x + a
        gate, up = F.linear(self.norm(x, self.mlp_norm), self.gate_up).chunk(2, -1)
        return x + F.linear(F.gelu(gate, approximate="tanh") * up, self.down), cache


class Decoder(nn.Module):
    def __init__(self, folder):
        super().__init__()
        folder = pathlib.Path(folder)
        config = json.loads((folder / "config.json").read_text())
        weights = load_file(folder / "model.safetensors")
        self.eps = config["rms_norm_eps"]
        self.table = nn.Parameter(weights["model.embed_tokens.weight"])
        self.last_norm = nn.Parameter(1 + weights["model.norm.weight"])
        self.layers = nn.ModuleList(Layer(config, weights, f"model.layers.{l}")
                                    for l in range(config["num_hidden_layers"]))
        pairs = torch.arange(0, config["head_dim"], 2) / config["head_dim"]
        frequency = config["rope_parameters"]["rope_theta"] ** -pairs
        self.register_buffer("frequency", frequency, persistent=False)

    def run(self, input_ids, positions, mask, past):
        """Logits [1, V] of what follows the last token, and keys and values of each layer."""
        angle = positions[:, None] * self.frequency
        rotation = angle.cos(), angle.sin()
        x = F.embedding(input_ids, self.table) * math.sqrt(self.table.shape[1])
        caches = []
        for l, layer in enumerate(self.layers):
            x, cache = layer(x, rotation, mask, past and past[l])
            caches.append(cache)
        x = F.rms_norm(x[:, -1], self.last_norm.shape, self.last_norm, self.eps)
        return F.linear(x, self.table), caches


class Prefill(nn.Module):
    """input_ids [1, T] to logits [1, V] and the keys and values [1, K, T, e] of each layer."""

    def __init__(self, decoder):
        super().__init__()
        self.decoder = decoder

    def forward(self, input_ids):
        T = input_ids.shape[1]
        positions = torch.arange(T)
        hidden = positions[:, None] < positions
        mask = torch.zeros(T, T).masked_fill(hidden, -math.inf)
        return self.decoder.run(input_ids, positions, mask, None)


class Step(nn.Module):
    """input_ids [1, 1] after P tokens to logits [1, V] and caches [1, K, P + 1, e]."""

    def __init__(self, decoder):
        super().__init__()
        self.decoder = decoder

    def forward(self, input_ids, past):
        positions = torch.full((1,), past[0][0].shape[2])
        return self.decoder.run(input_ids, positions, None, past)

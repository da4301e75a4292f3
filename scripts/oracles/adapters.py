"""Writes the fixture of low-rank adapters: a run of PEFT and torch.optim over a small ViT-22B.

Run it with PyTorch, PEFT, NumPy and safetensors installed:

    python scripts/oracles/adapters.py          # writes test/fixtures/adapters

`config.json` and `model.safetensors` are the base model; `start` and `end` are what PEFT saves
before and after the steps; `run.safetensors` has the batches (`pixel_values.STEP`, `labels.STEP`),
the losses, and the logits of the first batch after the last step.
"""

import json
import pathlib

import numpy as np
import peft
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

import vit22b

OUT = pathlib.Path(__file__).parents[2] / "test" / "fixtures" / "adapters"
CONFIG = {**vit22b.DEFAULTS, "num_labels": 4, "pooling": "mean", "loss": "softmax",
          "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 24}
SHOWN = ("model_type", "hidden_size", "num_hidden_layers", "num_attention_heads",
         "intermediate_size", "image_size", "patch_size", "num_labels", "pooling", "loss")
STEPS, BATCH, RATE, DECAY = 5, 6, 0.005, 0.1


class Block(torch.nn.Module):
    def __init__(self, c):
        super().__init__()
        d, hidden = c["hidden_size"], c["intermediate_size"]
        self.norm = torch.nn.RMSNorm(d, c["norm_eps"])
        self.heads = c["num_attention_heads"]
        self.attn = torch.nn.ModuleDict({name: torch.nn.Linear(d, d, bias=False) for name in "qkv"})
        self.attn["out"] = torch.nn.Linear(d, d)
        for name in ("q_norm", "k_norm"):
            self.attn[name] = torch.nn.LayerNorm(d // self.heads, c["norm_eps"], bias=False)
        self.mlp = torch.nn.ModuleDict({"fc1": torch.nn.Linear(d, hidden),
                                        "fc2": torch.nn.Linear(hidden, d)})

    def forward(self, x):
        h = self.norm(x)
        split = lambda name: self.attn[name](h).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        q, k = self.attn["q_norm"](split("q")), self.attn["k_norm"](split("k"))
        a = F.scaled_dot_product_attention(q, k, split("v")).transpose(1, 2).flatten(2)
        u = F.gelu(self.mlp["fc1"](h), approximate="tanh")
        return x + self.attn["out"](a) + self.mlp["fc2"](u)


class Model(torch.nn.Module):
    def __init__(self, c):
        super().__init__()
        d, self.patch = c["hidden_size"], c["patch_size"]
        self.patch_embed = torch.nn.Linear(3 * self.patch**2, d)
        tokens = (c["image_size"] // self.patch) ** 2
        self.pos_embed = torch.nn.Parameter(torch.zeros(tokens, d))
        self.blocks = torch.nn.ModuleList(Block(c) for _ in range(c["num_hidden_layers"]))
        self.norm = torch.nn.RMSNorm(d, c["norm_eps"])
        self.head = torch.nn.Linear(d, c["num_labels"])

    def forward(self, pixels):
        patches = F.unfold(pixels, self.patch, stride=self.patch).transpose(1, 2)
        x = self.patch_embed(patches) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x).mean(1))


def main():
    torch.manual_seed(0)
    OUT.mkdir(parents=True, exist_ok=True)
    weights = vit22b.draw(CONFIG, 11)
    model = Model(CONFIG)
    model.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    (OUT / "config.json").write_text(json.dumps({k: CONFIG[k] for k in SHOWN}, indent=1) + "\n")
    save_file(weights, OUT / "model.safetensors")

    options = peft.LoraConfig(r=3, lora_alpha=6, target_modules=["q", "v", "fc1"],
                              modules_to_save=["head"])
    adapted = peft.get_peft_model(model, options)
    adapted.save_pretrained(OUT / "start")
    trained = [p for p in adapted.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=RATE, weight_decay=DECAY)
    random = np.random.default_rng(5)
    told, losses = {}, []
    for step in range(STEPS):
        pixels = random.uniform(-1, 1, (BATCH, 3, 12, 12)).astype(np.float32)
        labels = random.integers(0, CONFIG["num_labels"], BATCH)
        loss = F.cross_entropy(adapted(torch.from_numpy(pixels)), torch.from_numpy(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        told |= {f"pixel_values.{step}": pixels, f"labels.{step}": labels}
    adapted.save_pretrained(OUT / "end")
    with torch.no_grad():
        merged = adapted.merge_and_unload()
        told["logits"] = merged(torch.from_numpy(told["pixel_values.0"])).numpy()
    told["losses"] = np.array(losses)
    save_file(told, OUT / "run.safetensors")
    for readme in OUT.rglob("README.md"):
        readme.unlink()


if __name__ == "__main__":
    main()

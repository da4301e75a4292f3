"""Writes the parity fixtures of Imagen Video's U-Nets: small random checkpoints, what they must give.

No implementation of Imagen Video is public, so the expected values are those of the plain PyTorch
modules below, written from the papers (arXiv 2210.02303, 2204.03458, 2205.11487 appendix B, 2105.05233)
on tensors [B, C, T, H, W] throughout, one clip and one frame at a time where that says best what is
meant. They are computed in float64 and stored as float32; every case is checked to give the same in
float32. Weights are drawn sharper than a usual initialisation, the layers that begin as nothing
included. Relative buckets are those of transformers' T5Attention.

    python scripts/oracles/imagen_video.py         # writes test/fixtures/imagen_video

A case is a folder: `config.json`, `model.safetensors`, `inputs.safetensors` (z, logsnr and what the case
has of text, text_mask, is_image, low_res, low_res_logsnr, guidance_weight) and `expected.safetensors`
(prediction, and the features [B T, C, H, W] after each part: stem, down.{l}, mid, up.{l}).
"""

import json
import math
import pathlib
import shutil
import sys
import zlib

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn
from transformers.models.t5.modeling_t5 import T5Attention

TARGET = pathlib.Path(__file__).parents[2] / "test" / "fixtures" / "imagen_video"

SMALL = dict(model_type="imagen_video_unet", kind="plain", dim=8, dim_mults=[1, 2], blocks=[1, 2],
             self_attention=[0, 1], text_attention=[1, 1], temporal="attention", text_width=6,
             context_width=8, head_dim=4, norm_groups=4)
NARROW = dict(SMALL, kind="efficient", temporal="convolution", low_res_channels=3)
CASES = {
    "base": dict(config=SMALL, mask=(5, 2)),
    "images": dict(config=dict(SMALL, temporal="both"), images=(False, True)),
    "no_text": dict(config=dict(SMALL, frame_buckets=8, frame_distance=5), text=False, frames=7),
    "conv": dict(config=dict(SMALL, temporal="convolution", low_res_channels=3,
                             self_attention=[0, 0], text_attention=[0, 1]), images=(True, False)),
    "efficient": dict(config=NARROW, size=(8, 12)),
    "efficient_attention": dict(config=dict(NARROW, temporal="both", low_res_channels=4),
                                size=(4, 8), mask=(0, 5)),
    "guided": dict(config=dict(SMALL, guidance_input=True, temporal="none", dim_mults=[1],
                               blocks=[1], self_attention=[1], text_attention=[0])),
    "pixel_norm": dict(config=dict(SMALL, dim=4, temporal="convolution", norm="rms",
                                   dim_mults=[2, 3])),
    "one_frame": dict(config=dict(SMALL, temporal="both"), frames=1),
}


def linear(inner, out, bias=True):
    return nn.Linear(inner, out, bias=bias)


class Residual(nn.Module):
    def __init__(self, c, i, o, shortcut):
        super().__init__()
        self.norm1, self.norm2 = group_norm(c, i), group_norm(c, o)
        self.conv1, self.conv2 = nn.Conv2d(i, o, 3, padding=1), nn.Conv2d(o, o, 3, padding=1)
        self.embedding = linear(4 * c["dim"], 2 * o)
        self.shortcut = nn.Conv2d(i, o, 1) if shortcut or i != o else nn.Identity()

    def forward(self, x, e):
        frames = []
        for t in range(x.shape[2]):
            frame = x[:, :, t]
            scale, shift = self.embedding(F.silu(e))[:, :, None, None].chunk(2, 1)
            h = self.conv1(F.silu(self.norm1(frame)))
            h = self.norm2(h) * (1 + scale) + shift
            frames.append(self.shortcut(frame) + self.conv2(F.silu(h)))
        return torch.stack(frames, 2)


class PixelNorm(nn.Module):
    """RMS over the channels of each pixel."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        columns = x.movedim(1, -1)
        normed = F.rms_norm(columns, (columns.shape[-1],), eps=1e-6)
        return (normed * self.weight + self.bias).movedim(-1, 1)


def group_norm(c, channels):
    if c.get("norm") == "rms":
        return PixelNorm(channels)
    return nn.GroupNorm(c["norm_groups"], channels, eps=1e-6)


def attend(q, k, v, heads, bias=None):
    """[N, M, C] each; `bias` broadcasts to [N, heads, M, K]."""
    def split(x):
        return x.reshape(*x.shape[:2], heads, -1).transpose(1, 2)
    q, k, v = split(q), split(k), split(v)
    logits = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    if bias is not None:
        logits = logits + bias
    return (logits.softmax(-1) @ v).transpose(1, 2).flatten(2)


def hidden(seen):
    return torch.zeros(seen.shape).masked_fill(~seen, -math.inf)


class Space(nn.Module):
    def __init__(self, c, channels, own, text):
        super().__init__()
        self.heads, self.own, self.with_text = channels // c["head_dim"], own, text
        self.norm1, self.norm2 = group_norm(c, channels), group_norm(c, channels)
        self.q, self.out = linear(channels, channels, False), linear(channels, channels, False)
        if own:
            self.kv = linear(channels, 2 * channels, False)
        if text:
            self.text_kv = linear(c["context_width"], 2 * channels)
        setattr(self, "in", linear(channels, 2 * channels))
        self.down = linear(2 * channels, channels)

    def forward(self, x, text, seen):
        frames = []
        for t in range(x.shape[2]):
            frame = x[:, :, t]
            y = self.norm1(frame).flatten(2).transpose(1, 2)
            keys, values, mask = [], [], []
            if self.own:
                k, v = self.kv(y).chunk(2, -1)
                keys.append(k), values.append(v)
                mask.append(torch.ones(y.shape[:2], dtype=torch.bool))
            if self.with_text:
                k, v = self.text_kv(text).chunk(2, -1)
                keys.append(k), values.append(v), mask.append(seen)
            bias = hidden(torch.cat(mask, 1))[:, None, None].to(x.dtype)
            a = attend(self.q(y), torch.cat(keys, 1), torch.cat(values, 1), self.heads, bias)
            frame = frame + self.out(a).transpose(1, 2).reshape_as(frame)
            y = self.norm2(frame).flatten(2).transpose(1, 2)
            u = self.down(F.silu(getattr(self, "in")(y)))
            frames.append(frame + u.transpose(1, 2).reshape_as(frame))
        return torch.stack(frames, 2)


class Time(nn.Module):
    def __init__(self, c, channels):
        super().__init__()
        self.heads = channels // c["head_dim"]
        self.norm = group_norm(c, channels)
        self.qkv, self.out = linear(channels, 3 * channels, False), linear(channels, channels, False)

    def forward(self, x, bias):
        y = torch.stack([self.norm(x[:, :, t]) for t in range(x.shape[2])], 2)
        result = torch.empty_like(x)
        for row in range(x.shape[3]):
            for column in range(x.shape[4]):
                q, k, v = self.qkv(y[:, :, :, row, column].transpose(1, 2)).chunk(3, -1)
                a = attend(q, k, v, self.heads, bias[:, :self.heads])
                result[:, :, :, row, column] = self.out(a).transpose(1, 2)
        return x + result


class TimeConv(nn.Module):
    def __init__(self, c, channels):
        super().__init__()
        self.norm1, self.norm2 = group_norm(c, channels), group_norm(c, channels)
        self.conv1 = nn.Conv1d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv1d(channels, channels, 3, padding=1)

    def forward(self, x, is_image):
        h = x
        for norm, conv in ((self.norm1, self.conv1), (self.norm2, self.conv2)):
            h = torch.stack([norm(h[:, :, t]) for t in range(h.shape[2])], 2)
            h = F.conv3d(F.silu(h), conv.weight[..., None, None], conv.bias, padding=(1, 0, 0))
        return torch.where(is_image[:, None, None, None, None], x, x + h)


class Mixed(nn.Module):
    """A residual block and, with `mixes`, the attention and convolution behind it."""

    def __init__(self, c, i, o, level, mixes):
        super().__init__()
        self.res = Residual(c, i, o, c["kind"] == "efficient")
        self.add_mixing(c, o, level, mixes)

    def add_mixing(self, c, o, level, mixes):
        own, text = level
        self.space = Space(c, o, own, text) if mixes and (own or text) else None
        self.time = Time(c, o) if mixes and c["temporal"] in ("attention", "both") else None
        self.time_conv = TimeConv(c, o) if mixes and c["temporal"] in ("convolution", "both") else None

    def forward(self, x, given):
        x = self.res(x, given["e"])
        if self.space is not None:
            x = self.space(x, given["text"], given["seen"])
        if self.time is not None:
            x = self.time(x, given["bias"])
        if self.time_conv is not None:
            x = self.time_conv(x, given["is_image"])
        return x


class Number(nn.Sequential):
    def __init__(self, dim):
        super().__init__(linear(dim, 4 * dim), linear(4 * dim, 4 * dim))
        self.dim = dim

    def forward(self, number):
        half = self.dim // 2
        rate = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float64) / (half - 1))
        angle = number.double()[:, None] * rate
        waves = torch.cat([angle.sin(), angle.cos()], 1).to(self[0].weight.dtype)
        return self[1](F.silu(self[0](waves)))


def noise_number(logsnr):
    u = torch.atan(torch.exp(-logsnr.double().clamp(-20, 20) / 2)) / (math.pi / 2)
    return 1000 * u


class Pool(nn.ModuleDict):
    def __init__(self, c):
        d, e = c["context_width"], 4 * c["dim"]
        super().__init__({"q": linear(d, d), "k": linear(d, d), "v": linear(d, d),
                          "norm": nn.LayerNorm(d), "0": linear(d, e), "1": linear(e, e)})
        self.position = nn.Parameter(torch.empty(d))
        self.heads = max(1, d // c["head_dim"])

    def forward(self, text, seen):
        rows = []
        for tokens, mask in zip(text, seen):
            tokens = tokens[mask]
            query = tokens.mean(0, keepdim=True) + self.position
            everything = torch.cat([query, tokens])[None]
            pooled = attend(self["q"](query[None]), self["k"](everything), self["v"](everything),
                            self.heads)[0]
            rows.append(self["1"](F.silu(self["0"](self["norm"](pooled)))))
        return torch.cat(rows)


class Text(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.projection = linear(c["text_width"], c["context_width"])
        self.norm = nn.LayerNorm(c["context_width"])
        self.null = nn.Parameter(torch.empty(c["context_width"]))
        self.pool = Pool(c)

    def forward(self, batch, text, mask):
        null = self.null.expand(batch, 1, -1)
        always = torch.ones(batch, 1, dtype=torch.bool)
        if text is None:
            return null, always
        seen = torch.ones(text.shape[:2], dtype=torch.bool) if mask is None else mask.bool()
        return torch.cat([null, self.norm(self.projection(text))], 1), torch.cat([always, seen], 1)


class Unet(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c, dim = c, c["dim"]
        channels, self.efficient = c.get("channels", 3), c["kind"] == "efficient"
        low = c.get("low_res_channels", 0)
        self.emb = nn.ModuleDict({"noise": Number(dim)})
        if low:
            self.emb["aug"] = Number(dim)
        if c.get("guidance_input"):
            self.emb["w"] = Number(dim)
        self.text = Text(c)
        widths = [dim * m for m in c["dim_mults"]]
        levels = list(zip(map(bool, c["self_attention"]), map(bool, c["text_attention"])))
        if c["temporal"] in ("attention", "both"):
            self.time = nn.Module()
            heads = max(widths) // c["head_dim"]
            self.time.bias = nn.Parameter(torch.empty(c.get("frame_buckets", 32), heads))
        self.in_conv = nn.Conv2d(channels + low, dim, 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        last, skips = dim, [dim]
        for l, (width, level) in enumerate(zip(widths, levels)):
            part = nn.ModuleDict()
            if self.efficient:
                part["resample"] = nn.Conv2d(last, last, 3, stride=2, padding=1)
            for b in range(c["blocks"][l]):
                mixes = not self.efficient or b + 1 == c["blocks"][l]
                part[str(b)] = Mixed(c, last, width, level, mixes)
                last = width
                skips.append(width)
            if not self.efficient and l + 1 < len(widths):
                part["resample"] = nn.Conv2d(last, last, 3, stride=2, padding=1)
                skips.append(last)
            self.down.append(part)
        if not self.efficient:
            both = (any(own for own, _ in levels), any(text for _, text in levels))
            self.mid = nn.ModuleList([Mixed(c, last, last, both, True),
                                      Mixed(c, last, last, both, False)])
        ups = []
        for l in reversed(range(len(widths))):
            part = nn.ModuleDict()
            count = c["blocks"][l] + (0 if self.efficient else 1)
            for b in range(count):
                skip = (widths[l] if b == 0 else 0) if self.efficient else skips.pop()
                mixes = not self.efficient or b + 1 == count
                part[str(b)] = Mixed(c, last + skip, widths[l], levels[l], mixes)
                last = widths[l]
            if self.efficient or l > 0:
                finer = (widths[l - 1] if l else dim) if self.efficient else last
                part["resample"] = nn.Conv2d(last, finer, 3, padding=1)
                last = finer
            ups.insert(0, part)
        self.up.extend(ups)
        self.out = nn.ModuleDict({"norm": group_norm(c, last),
                                  "conv": nn.Conv2d(last, channels, 3, padding=1)})

    def frame_bias(self, is_image, frames):
        offsets = torch.arange(frames)[None] - torch.arange(frames)[:, None]
        buckets = T5Attention._relative_position_bucket(
            offsets, True, self.c.get("frame_buckets", 32), self.c.get("frame_distance", 32))
        bias = self.time.bias[buckets].permute(2, 0, 1)
        rows = [bias.masked_fill(offsets != 0, -math.inf) if image else bias for image in is_image]
        return torch.stack(rows)

    def forward(self, z, logsnr, text=None, text_mask=None, is_image=None, low_res=None,
                low_res_logsnr=None, guidance_weight=None):
        def frame_by_frame(work, x):
            return torch.stack([work(x[:, :, t]) for t in range(x.shape[2])], 2)

        def larger(conv, x):
            return frame_by_frame(lambda f: conv(F.interpolate(f, scale_factor=2)), x)

        batch = len(z)
        is_image = torch.zeros(batch, dtype=torch.bool) if is_image is None else is_image
        tokens, seen = self.text(batch, text, text_mask)
        e = self.emb["noise"](noise_number(logsnr)) + self.text.pool(tokens, seen)
        if low_res is not None:
            e = e + self.emb["aug"](noise_number(low_res_logsnr))
            z = torch.cat([z, low_res], 1)
        if guidance_weight is not None:
            e = e + self.emb["w"](guidance_weight)
        given = {"e": e, "text": tokens, "seen": seen, "is_image": is_image}
        if hasattr(self, "time"):
            given["bias"] = self.frame_bias(is_image, z.shape[2])
        parts = {}

        def note(name, x):
            parts[name] = x.transpose(1, 2).flatten(0, 1)

        x = frame_by_frame(self.in_conv, z)
        note("stem", x)
        skips = [x]
        for l, part in enumerate(self.down):
            if self.efficient:
                x = frame_by_frame(part["resample"], x)
            for name, block in part.items():
                if name != "resample":
                    x = block(x, given)
                    skips.append(x)
            if self.efficient:
                part.end = x
            elif "resample" in part:
                x = frame_by_frame(part["resample"], x)
                skips.append(x)
            note(f"down.{l}", x)
        if not self.efficient:
            for block in self.mid:
                x = block(x, given)
            note("mid", x)
        for l in reversed(range(len(self.up))):
            for name, block in self.up[l].items():
                if name == "resample":
                    continue
                if not self.efficient:
                    x = torch.cat([x, skips.pop()], 1)
                elif name == "0":
                    x = torch.cat([x, self.down[l].end * 2**-0.5], 1)
                x = block(x, given)
            if "resample" in self.up[l]:
                x = larger(self.up[l]["resample"], x)
            note(f"up.{l}", x)
        out = frame_by_frame(lambda f: self.out["conv"](F.silu(self.out["norm"](f))), x)
        return {"prediction": out, **parts}


def draw_weights(model, rng):
    weights = {}
    for name, tensor in model.state_dict().items():
        shape = tuple(tensor.shape)
        if "norm" in name and name.endswith("weight"):
            value = rng.uniform(0.5, 1.5, shape)
        elif name.endswith("time.bias") or "null" in name or "position" in name:
            value = rng.normal(0, 1, shape)
        elif name.endswith("bias"):
            value = rng.normal(0, 0.3, shape)
        else:
            value = rng.normal(0, 1.2 / math.sqrt(math.prod(shape[1:])), shape)
        weights[name] = torch.from_numpy(np.asarray(value, dtype=np.float32))
    return weights


def draw_inputs(case, config, rng):
    frames, (height, width), batch, length = case.get("frames", 4), case.get("size", (4, 6)), 2, 5

    def numbers(*shape):
        return torch.from_numpy(rng.normal(0, 1, shape).astype(np.float32))

    inputs = {"z": numbers(batch, 3, frames, height, width), "logsnr": torch.tensor([-2.5, 4.0])}
    if case.get("text", True):
        inputs["text"] = numbers(batch, length, config["text_width"])
    if "mask" in case:
        inputs["text_mask"] = torch.tensor([[int(i < most) for i in range(length)]
                                            for most in case["mask"]])
    if "images" in case:
        inputs["is_image"] = torch.tensor(case["images"])
    if low := config.get("low_res_channels"):
        inputs["low_res"] = numbers(batch, low, frames, height, width)
        inputs["low_res_logsnr"] = torch.tensor([1.0986, 1.6094])
    if config.get("guidance_input"):
        inputs["guidance_weight"] = torch.tensor([0.0, 6.0])
    return inputs


@torch.no_grad()
def run(model, inputs, dtype):
    numbers = ("z", "text", "low_res")
    return model.to(dtype)(**{key: value.to(dtype) if key in numbers else value
                              for key, value in inputs.items()})


def write_case(name, case):
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    config = case["config"]
    model = Unet(config).eval()
    weights = draw_weights(model, rng)
    model.load_state_dict(weights, strict=True)
    inputs = draw_inputs(case, config, rng)
    single, results = run(model, inputs, torch.float32), run(model, inputs, torch.float64)
    worst = max(((single[key] - value).abs().max() / value.std()).item()
                for key, value in results.items())
    print(f"{name}: float32 off by {worst * 1e5:.2f}e-5 of the spread")
    assert worst < 1e-5, f"{name}: ill-conditioned"
    folder = TARGET / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    save_file(inputs, folder / "inputs.safetensors")
    save_file({key: value.float().contiguous() for key, value in results.items()},
              folder / "expected.safetensors")


def main():
    for name in sys.argv[1:] or CASES:
        write_case(name, CASES[name])


if __name__ == "__main__":
    main()

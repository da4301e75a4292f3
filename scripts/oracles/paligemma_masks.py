"""Writes the fixtures of PaliGemma's mask codec and of pasting masks into pictures.

The codec is restated here in PyTorch from big_vision's two halves, the encoder in
`pp/proj/paligemma/segmentation.py` and the decoder in
`evaluators/proj/paligemma/transfers/segmentation.py`, and computed in float64. Weights are random
and sharper than a usual initialisation; every case is checked to be well spread and to give the
same in float32. Transposed convolutions are also computed as flax defines them. Pasted masks are
Pillow's. Run it with PyTorch (2.13.0), NumPy, Pillow (12.3.0) and safetensors installed:

    python scripts/oracles/paligemma_masks.py     # writes test/fixtures/paligemma_masks

A case is a folder: `model.safetensors` or `vae-oid.npz`, `config.json` unless the config is to be
read off the shapes, `inputs.safetensors` and `expected.safetensors`.

Shapes: N masks of 64 x 64 pixels, 16 codes each, E the width of the codebook.
inputs    mask_ids [N, 16] int64, masks [M, 64, 64] in 0..1
expected  of `decode_masks`: masks [N, 64, 64]; inside it: codes [N, E, 4, 4], decoder.3
          of `encode_masks`: mask_ids [M, 16]; inside it: encoder.6, encoder.9, encoder.10
          (all but in decoder_only); round_trip [N, 16]: codes of the decoded masks
pasted    pasted.safetensors, pasted.json: one map of 64 x 64, and for every box in a picture of
          [width, height] the crop as float32 and the mask as uint8; for some also `cut`, the
          mask's own 64 x 64 pixels as the encoder takes them
"""

import json
import math
import pathlib
import shutil
import zlib

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.numpy import save_file

TARGET = pathlib.Path(__file__).parents[2] / "test" / "fixtures" / "paligemma_masks"
TOLERANCE = 1e-5

SMALL = dict(embedding_dim=6, hidden_size=10, decoder_channels=[9, 8, 6, 4],
             encoder_channels=[4, 6, 8, 9], encoder_kernels=[4, 4, 4, 4],
             encoder_residual_kernels=[3, 3, 1], encoder_last_kernel=1)

# What differs from SMALL; `file`, the checkpoint's name; `extra`, tensors that are not the codec's.
CASES = {
    "base": {},
    "odd_kernels": dict(embedding_dim=5, encoder_kernels=[3, 5, 2, 7],
                        encoder_residual_kernels=[5, 2, 3], encoder_last_kernel=2),
    "published": dict(file="vae-oid.npz", extra={"_vq_vae._ema_cluster_size": (128,)}),
    "decoder_only": dict(file="vae-oid.npz", decoder_only=True),
}


def shapes_of(c):
    """All tensors of a checkpoint, by name."""
    shapes = {"_vq_vae._embedding": (128, c["embedding_dim"])}

    def layer(name, *shape, out=0):
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = shape, (shape[out],)

    def block(name, width, kernels):
        for place, k in enumerate(kernels):
            layer(f"{name}.net.{2 * place}", width, width, k, k)

    h = c["hidden_size"]
    layer("decoder.0", h, c["embedding_dim"], 1, 1)
    for place in (2, 3):
        block(f"decoder.{place}", h, (3, 3, 1))
    for place, (a, b) in enumerate(zip([h, *c["decoder_channels"]], c["decoder_channels"])):
        layer(f"decoder.{4 + 2 * place}", a, b, 4, 4, out=1)
    layer("decoder.12", 1, c["decoder_channels"][-1], 1, 1)
    if c.get("decoder_only"):
        return shapes
    channels, kernels = [1, *c["encoder_channels"]], c["encoder_kernels"]
    for place, (a, b, k) in enumerate(zip(channels, channels[1:], kernels)):
        layer(f"encoder.{2 * place}", b, a, k, k)
    for place in (8, 9):
        block(f"encoder.{place}", channels[-1], c["encoder_residual_kernels"])
    k = c["encoder_last_kernel"]
    layer("encoder.10", c["embedding_dim"], channels[-1], k, k)
    return shapes


def draw(shapes, seed):
    rng = np.random.default_rng(seed)
    weights = {}
    for name, shape in shapes.items():
        if name.startswith("_vq_vae"):
            value = rng.normal(0, 1, shape)
        elif name.endswith("bias"):
            value = rng.normal(0, 0.2, shape)
        else:
            fan = shape[0] * 4 if shape[-1] == 4 and name.startswith("decoder") else \
                math.prod(shape[1:])
            value = rng.normal(0, 1.5 / math.sqrt(fan), shape)
        weights[name] = value.astype(np.float32)
    return weights


def same(x, weight, bias, stride=1):
    """A convolution with TensorFlow's SAME padding."""
    pads = []
    for size, kernel in ((x.shape[3], weight.shape[3]), (x.shape[2], weight.shape[2])):
        total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
        pads += [total // 2, total - total // 2]
    return F.conv2d(F.pad(x, pads), weight, bias, stride)


def dilated(x, weight, bias):
    """flax's ConvTranspose of stride 2, padding 2, with transposed kernel: a convolution of the
    input with zeros between its pixels. flax turns the kernel around."""
    n, channels, rows, columns = x.shape
    spread = x.new_zeros(n, channels, 2 * rows - 1, 2 * columns - 1)
    spread[:, :, ::2, ::2] = x
    return F.conv2d(F.pad(spread, [2] * 4), weight.flip(2, 3).transpose(0, 1), bias)


class Codec:
    def __init__(self, weights, dtype):
        self.w = {name: torch.from_numpy(value).to(dtype) for name, value in weights.items()}
        self.dtype = dtype

    def layer(self, name):
        return self.w[f"{name}.weight"], self.w[f"{name}.bias"]

    def block(self, x, name):
        y = x
        for place in (0, 2, 4):
            y = same(y, *self.layer(f"{name}.net.{place}"))
            y = y.relu() if place < 4 else y
        return x + y

    def decode(self, ids):
        out = {}
        x = self.w["_vq_vae._embedding"][ids].reshape(len(ids), 4, 4, -1).permute(0, 3, 1, 2)
        out["codes"] = x
        x = same(x, *self.layer("decoder.0")).relu()
        x = out["decoder.3"] = self.block(self.block(x, "decoder.2"), "decoder.3")
        for place in (4, 6, 8, 10):
            y = F.conv_transpose2d(x, *self.layer(f"decoder.{place}"), stride=2, padding=1)
            assert torch.allclose(y, dilated(x, *self.layer(f"decoder.{place}")), rtol=1e-4,
                                  atol=1e-4)
            x = y.relu()
        out["masks"] = same(x, *self.layer("decoder.12"))[:, 0]
        return out

    def encode(self, masks):
        """Codes, what is on the way, and by how much each code is nearer than the next one."""
        out = {}
        x = 2 * (masks.to(self.dtype)[:, None] - 0.5)
        for place in (0, 2, 4, 6):
            x = same(x, *self.layer(f"encoder.{place}"), stride=2).relu()
        out["encoder.6"] = x
        x = out["encoder.9"] = self.block(self.block(x, "encoder.8"), "encoder.9")
        x = out["encoder.10"] = same(x, *self.layer("encoder.10"))
        rows = x.permute(0, 2, 3, 1).flatten(0, 2)
        distances = torch.cdist(rows, self.w["_vq_vae._embedding"]).square()
        nearest = distances.topk(2, largest=False).values
        out["mask_ids"] = distances.argmin(1).reshape(-1, 16)
        return out, (nearest[:, 1] - nearest[:, 0]).min().item()


def spread(weights, ids, masks):
    """Scales the last layers so that what comes out has the spread of real masks and codes."""
    codec = Codec(weights, torch.float64)
    decoded = codec.decode(ids)["masks"]
    scale = 0.8 / decoded.std().item()
    weights["decoder.12.weight"] *= scale
    weights["decoder.12.bias"] = (
        (weights["decoder.12.bias"] - decoded.mean().item()) * scale).astype(np.float32)
    if "encoder.10.weight" not in weights:
        return
    features = codec.encode(masks)[0]["encoder.10"]
    factor = (1 / features.std((0, 2, 3))).numpy().astype(np.float32)
    weights["encoder.10.weight"] *= factor[:, None, None, None]
    weights["encoder.10.bias"] = (
        weights["encoder.10.bias"] - features.mean((0, 2, 3)).numpy()).astype(np.float32) * factor


def drawn_masks(rng):
    """An ellipse with soft edges, a ring, and noise."""
    y, x = np.mgrid[:64, :64] / 63
    ellipse = np.clip(8 * (1 - ((x - 0.4) / 0.3) ** 2 - ((y - 0.55) / 0.4) ** 2), 0, 1)
    radius = np.hypot(x - 0.5, y - 0.45)
    ring = ((radius > 0.2) & (radius < 0.38)).astype(float)
    return np.stack([ellipse, ring, rng.uniform(0, 1, (64, 64))]).astype(np.float32)


def results(weights, inputs, dtype):
    codec = Codec(weights, dtype)
    out = codec.decode(torch.from_numpy(inputs["mask_ids"]))
    if "encoder.10.weight" not in weights:
        return out, math.inf
    encoded, gap = codec.encode(torch.from_numpy(inputs["masks"]))
    again, other_gap = codec.encode((out["masks"] * 0.5 + 0.5).clamp(0, 1))
    return {**out, **encoded, "round_trip": again["mask_ids"]}, min(gap, other_gap)


def write_case(name, changes):
    changes = dict(changes)
    file, extra = changes.pop("file", "model.safetensors"), changes.pop("extra", {})
    config = {**SMALL, **changes}
    # The first draw in which no code is nearly as near as another.
    for seed in range(zlib.crc32(name.encode()), 2**32):
        rng = np.random.default_rng(seed)
        inputs = {"mask_ids": rng.integers(0, 128, (2, 16)), "masks": drawn_masks(rng)}
        weights = draw(shapes_of(config), seed + 1)
        spread(weights, torch.from_numpy(inputs["mask_ids"]), torch.from_numpy(inputs["masks"]))
        expected, gap = results(weights, inputs, torch.float64)
        if gap > 1e-3:
            break
    in_float32, _ = results(weights, inputs, torch.float32)
    for key, value in expected.items():
        if not value.is_floating_point():
            assert torch.equal(in_float32[key], value), f"{name}: {key} hangs on the last digits"
            assert len(value.unique()) > 5, f"{name}: {key} hardly vary"
            continue
        error = (in_float32[key] - value).abs().max() / value.std()
        assert error < TOLERANCE, f"{name}: {key} is off by {error:.2g} in float32"
    inside = (expected["masks"] > 0).double().mean().item()
    assert 0.2 < inside < 0.8, inside
    print(f"{name}: {inside:.2f} of the pixels inside, least gap of codes {gap:.2g}")

    folder = TARGET / name
    folder.mkdir(parents=True)
    if extra:
        weights.update({key: np.ones(shape, np.float32) for key, shape in extra.items()})
    if file.endswith(".npz"):
        np.savez(folder / file, **weights)
    else:
        save_file(weights, folder / file)
        shown = {"model_type": "paligemma_masks", **config}
        (folder / "config.json").write_text(json.dumps(shown, indent=1) + "\n")
    save_file(inputs, folder / "inputs.safetensors")
    save_file({key: np.ascontiguousarray(value.numpy().astype(
        np.float32 if value.is_floating_point() else np.int64))
        for key, value in expected.items()}, folder / "expected.safetensors")


# Pictures of [width, height] and boxes [x0, y0, x1, y1] in their pixels.
CUT = 4  # boxes whose masks are cut out again
BOXES = [
    ([40, 30], [3, 4, 35, 28]),
    ([90, 100], [10.9, 5.2, 86.999, 93.4]),
    ([100, 75], [0, 0, 100, 75]),
    ([31, 17], [7.5, 2.5, 12.4, 16.9]),
    ([64, 64], [0, 0, 64, 64]),
    ([50, 20], [49, 0, 50, 20]),
    ([50, 20], [0, 19.99, 50, 20]),
    ([50, 20], [10.2, 3, 10.9, 9]),
]


def write_pasted():
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:64, :64] / 63
    blob = 1 - 5 * ((x - 0.45) ** 2 + 1.5 * (y - 0.5) ** 2) + rng.normal(0, 0.15, (64, 64))
    blob = blob.astype(np.float32)
    arrays, cases = {"map": blob}, []
    for place, ((width, height), box) in enumerate(BOXES):
        x0, y0, x1, y1 = (int(side) for side in box)
        mask = np.zeros((height, width), np.uint8)
        if x1 > x0 and y1 > y0:
            size = (x1 - x0, y1 - y0)
            resized = np.asarray(Image.fromarray(blob).resize(size, Image.Resampling.BILINEAR))
            assert np.abs(resized).min() > 1e-6, "a pixel on the border of inside and outside"
            mask[y0:y1, x0:x1] = 255 * (resized > 0)
            arrays[f"{place}.crop"] = np.clip(resized * 0.5 + 0.5, 0, 1).astype(np.float32)
        if place < CUT:
            cut = Image.fromarray(mask[y0:y1, x0:x1].astype(np.float32))
            cut = np.asarray(cut.resize((64, 64), Image.Resampling.BILINEAR)) / 255
            arrays[f"{place}.cut"] = cut
        arrays[f"{place}.mask"] = mask
        cases.append({"size": [width, height], "box": box, "crop": [x0, y0, x1, y1]})
    folder = TARGET / "pasted"
    folder.mkdir(parents=True)
    save_file(arrays, folder / "pasted.safetensors")
    (folder / "pasted.json").write_text(json.dumps(cases, indent=1) + "\n")


def main():
    shutil.rmtree(TARGET, ignore_errors=True)
    for name, changes in CASES.items():
        write_case(name, changes)
    write_pasted()


if __name__ == "__main__":
    main()

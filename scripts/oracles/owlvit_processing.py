"""Writes how public implementations prepare pictures for OWL-ViT and OWLv2 and read their outputs.

    python scripts/oracles/owlvit_processing.py     # writes test/fixtures/owlvit_processing

Needs transformers 5.18, PyTorch, scikit-image, SciPy, Pillow and safetensors. Pictures are stored
as PNG beside the results, so that no JPEG decoder is part of the comparison. transformers'
processors on torchvision and scenic's evaluation, which need other packages, are written down here
with PyTorch's own operators.
"""

import json
import math
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from scipy import ndimage
from skimage.transform import resize
from transformers.models.owlv2.image_processing_pil_owlv2 import Owlv2ImageProcessorPil
from transformers.models.owlvit.image_processing_pil_owlvit import OwlViTImageProcessorPil
from transformers.models.owlvit.modeling_owlvit import (
    OwlViTImageGuidedObjectDetectionOutput,
    OwlViTObjectDetectionOutput,
    box_iou,
    generalized_box_iou,
)

ROOT = pathlib.Path(__file__).parents[2]
TARGET = ROOT / "test" / "fixtures" / "owlvit_processing"
PROCESSORS = {"owlvit": OwlViTImageProcessorPil, "owlv2": Owlv2ImageProcessorPil}

# Sides of inputs: smaller than every picture but the row, then larger than all.
SHRUNK, ENLARGED = 28, 79

# Our own fields of preprocessor_config.json.
OURS = {
    "owlvit": {"do_pad": True, "protocol": "hf", "pad_value": 0.5, "resize_rule": "skimage"},
    "owlv2": {"do_pad": True, "protocol": "pad", "pad_value": 0.5, "resize_rule": "skimage"},
}


def pictures():
    """uint8 [H, W, 3] by name."""
    photo = Image.open(ROOT / "assets" / "photos" / "chelsea.jpg").convert("RGB")
    rng = np.random.default_rng(7)
    noise = lambda height, width: rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return {
        "photo": np.array(photo.crop((160, 70, 232, 124))),
        "tall": noise(54, 30),
        "wide": noise(29, 60),
        "row": noise(1, 50),
        "square": noise(SHRUNK, SHRUNK),
    }


def chw(image):
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(image, -1, 0)))


def in_transformers(name, image, side, **options):
    """pixel_values of one picture, float32 [3, side, side]."""
    processor = PROCESSORS[name](size={"height": side, "width": side}, **options)
    batch = processor(images=Image.fromarray(image), return_tensors="pt")
    return batch["pixel_values"][0].to(torch.float32)


def rule_alone(image):
    """scikit-image's resize of [0, 1] values: 2x and 1.37x down, the same, 1.6x up, and mixed."""
    height, width, _ = image.shape
    sizes = {
        "half": (height // 2, width // 2),
        "less": (round(height / 1.37), round(width / 1.37)),
        "same": (height, width),
        "more": (round(height * 1.6), round(width * 1.6)),
        "mixed": (height * 2, max(1, width // 3)),
    }
    values = image.astype(np.float64) / 255
    for name, (rows, columns) in sizes.items():
        rows = max(rows, 1)
        out = resize(values, (rows, columns), order=1, mode="reflect", anti_aliasing=True)
        factors = [height / rows, width / columns, 1]
        sigmas = [max(0, (factor - 1) / 2) for factor in factors]
        blurred = ndimage.gaussian_filter(values, sigmas, mode="mirror")
        zoomed = ndimage.zoom(
            blurred, [1 / f for f in factors], order=1, mode="mirror", grid_mode=True
        )
        assert np.abs(out - zoomed).max() < 1e-12
        yield name, chw(out).to(torch.float32)


def padded(values, side, fill):
    _, height, width = values.shape
    return F.pad(values, (0, side - width, 0, side - height), value=fill)


def short_blur(image, side, fill):
    """As Owlv2ImageProcessor on torchvision, before normalising: float32 [3, side, side]."""
    values = chw(image).to(torch.float32) / 255
    square = padded(values, max(values.shape[1:]), fill)[None]
    sigma = ((torch.tensor(square.shape[-1]) / torch.tensor(side) - 1) / 2).clamp(min=0)
    if sigma > 0:
        radius = int(torch.ceil(3 * sigma))
        at = torch.linspace(-radius, radius, 2 * radius + 1)
        kernel = torch.exp(-0.5 * (at / sigma) ** 2)
        kernel = kernel / kernel.sum()
        weight = (kernel[:, None] * kernel).expand(3, 1, -1, -1)
        border = F.pad(square, [radius] * 4, mode="reflect")
        square = F.conv2d(border, weight, groups=3)
    return F.interpolate(square, (side, side), mode="bilinear", align_corners=False)[0]


def scenic_eval(image, side, fill):
    """As scenic's ResizeWithPad, before normalising: float32 [3, side, side]."""
    values = chw(image).to(torch.float32) / 255
    ratio = np.float32(max(values.shape[1:])) / np.float32(side)
    fit = [int(min(np.float32(length) / ratio, np.float32(side))) for length in values.shape[1:]]
    small = F.interpolate(values[None], fit, mode="bilinear", align_corners=False)[0]
    return padded(small, side, fill)


def write_pixels():
    tensors = {}
    for name, image in pictures().items():
        Image.fromarray(image).save(TARGET / f"{name}.png")
        for case, values in rule_alone(image):
            tensors[f"skimage/{name}/{case}"] = values
        for side in (SHRUNK, ENLARGED):
            squashed = in_transformers("owlvit", image, side, do_normalize=False)
            tensors[f"hf/{name}/{side}"] = (squashed * 255).round().to(torch.uint8)
            if side == ENLARGED and name not in ("photo", "row"):
                continue
            tensors[f"pad/{name}/{side}"] = in_transformers("owlv2", image, side)
            tensors[f"hf-fast/{name}/{side}"] = short_blur(image, side, 0.25)
            # Shrunk, the row would have no pixels left in scenic.
            if (name, side) != ("row", SHRUNK):
                tensors[f"scenic-eval/{name}/{side}"] = scenic_eval(image, side, 0.25)
    photo = pictures()["photo"]
    for resample in range(6):
        for side in (SHRUNK, ENLARGED):
            squashed = in_transformers("owlvit", photo, side, do_normalize=False, resample=resample)
            tensors[f"filter/{resample}/{side}"] = (squashed * 255).round().to(torch.uint8)
    tensors["hf-fast/row/6"] = short_blur(pictures()["row"], 6, 0.25)
    tensors["hf-fast/tall/9"] = short_blur(pictures()["tall"], 9, 0.25)
    tensors["normalised"] = in_transformers("owlvit", pictures()["square"], SHRUNK)
    tensors["unpadded"] = in_transformers("owlv2", pictures()["tall"], SHRUNK, do_pad=False)
    rng = np.random.default_rng(8)
    for size, other in ((7, 12), (7, 4), (5, 5), (1, 3), (3, 1)):
        table = rng.standard_normal((size, size, 6)).astype(np.float32)
        zoomed = ndimage.zoom(table, (other / size, other / size, 1), order=1)
        tensors[f"zoom/{size}/{other}/table"] = torch.from_numpy(table)
        tensors[f"zoom/{size}/{other}/zoomed"] = torch.from_numpy(zoomed)
    save_file(tensors, TARGET / "pixels.safetensors")


def write_processors():
    """What transformers makes of its own files and of ours, which must change nothing for it."""
    written = {}
    for name, processor in PROCESSORS.items():
        plain = json.loads(processor().to_json_string())
        ours = {
            key: value
            for key, value in plain.items()
            if key not in ("crop_size", "do_center_crop", "do_convert_rgb")
        } | OURS[name]
        loaded = processor.from_dict(ours)
        picture = pictures()["photo"]
        again = json.loads(loaded.to_json_string())
        assert again == {**plain, **ours}, again
        assert np.array_equal(
            loaded(picture)["pixel_values"][0], processor()(picture)["pixel_values"][0]
        )
        written[name] = {"transformers": plain, "ours": ours}
    (TARGET / "processors.json").write_text(json.dumps(written, indent=1) + "\n")


def outputs(generator):
    """Logits and boxes of four images: clusters of boxes, equal logits, and nothing to be found."""
    images, tokens, queries = 4, 60, 5
    logits = torch.randn(images, tokens, queries, generator=generator) * 2 - 2.5
    centres = torch.rand(images, 9, 4, generator=generator) * 0.5 + 0.2
    which = torch.randint(0, 9, (images, tokens), generator=generator)
    boxes = torch.gather(centres, 1, which[..., None].expand(-1, -1, 4))
    boxes = boxes + 0.05 * torch.randn(images, tokens, 4, generator=generator)
    boxes = boxes.clamp(0.01, 0.99)
    logits[0, 7] = logits[0, 3]
    logits[0, 11, 1] = logits[0, 11, 4] = logits[0, 11].max() + 1
    logits[2] = -200
    return logits, boxes


def write_detections():
    generator = torch.Generator().manual_seed(9)
    sizes = torch.tensor([[480, 640], [640, 480], [300, 300], [37, 411]])
    tensors = {"sizes": sizes}
    for name, processor in PROCESSORS.items():
        logits, boxes = outputs(generator)
        tensors |= {f"{name}/logits": logits, f"{name}/boxes": boxes}
        for image in range(len(logits)):
            size = sizes[image : image + 1]
            one = lambda tensor: tensor[image : image + 1].clone()
            found = processor().post_process_object_detection(
                OwlViTObjectDetectionOutput(logits=one(logits), pred_boxes=one(boxes)),
                threshold=0.3,
                target_sizes=size,
            )[0]
            for key in ("scores", "labels", "boxes"):
                tensors[f"{name}/text/{image}/{key}"] = found[key]
            for threshold, iou in ((0.0, 0.3), (0.4, 0.3), (0.0, 0.05), (0.2, 1.0)):
                # An image without anything is missing from the list.
                listed = processor().post_process_image_guided_detection(
                    OwlViTImageGuidedObjectDetectionOutput(
                        logits=one(logits), target_pred_boxes=one(boxes)
                    ),
                    threshold=threshold,
                    nms_threshold=iou,
                    target_sizes=size,
                )
                empty = {"scores": torch.zeros(0), "boxes": torch.zeros(0, 4)}
                found = listed[0] if listed else empty
                for key in ("scores", "boxes"):
                    tensors[f"{name}/example/{image}/{threshold}/{iou}/{key}"] = found[key]
    corners = torch.rand(24, 4, generator=generator)
    corners[:, 2:] = corners[:, :2] + corners[:, 2:] ** 2
    corners[1] = corners[0]
    corners[3, 2:] = corners[3, :2]
    tensors["corners"] = corners
    tensors["iou"] = box_iou(corners, corners)[0]
    tensors["generalized_iou"] = generalized_box_iou(corners, corners)
    save_file({k: v.contiguous() for k, v in tensors.items()}, TARGET / "detections.safetensors")


def main():
    TARGET.mkdir(parents=True, exist_ok=True)
    write_pixels()
    write_processors()
    write_detections()


main()

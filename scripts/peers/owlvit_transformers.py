"""transformers' OWL-ViT and OWLv2 as a peer of `npm run bench`: it detects when told to.

    python scripts/peers/owlvit_transformers.py FOLDER PICTURE QUERIES [--threshold 0.1]
        [--threads 2] [--compile]

QUERIES is a JSON list of lists of texts, which are asked in turn. Prints "ready", or "failed:
REASON"; then answers each line on stdin: `run` with the seconds of one detection, from the
picture's file to boxes in its pixels; `detect` with what is found by the first texts at any score,
{"boxes": [[x0, y0, x1, y1]], "scores", "labels"}; `memory` with the bytes of resident memory at its
peak beyond those of the weights, {"loading", "detecting"}, null where the system does not tell.
"""

import argparse
import itertools
import json
import pathlib
import sys
import time

import torch
from PIL import Image
from transformers import AutoModelForZeroShotObjectDetection, CLIPTokenizer
from transformers.models.owlv2.image_processing_pil_owlv2 import Owlv2ImageProcessorPil
from transformers.models.owlv2.processing_owlv2 import Owlv2Processor
from transformers.models.owlvit.image_processing_pil_owlvit import OwlViTImageProcessorPil
from transformers.models.owlvit.processing_owlvit import OwlViTProcessor
from transformers.utils.logging import disable_progress_bar

# The processors of pictures that need no torchvision.
PROCESSORS = {"owlvit": (OwlViTProcessor, OwlViTImageProcessorPil),
              "owlv2": (Owlv2Processor, Owlv2ImageProcessorPil)}


class Detector:
    def __init__(self, options):
        folder = options.folder
        self.picture = options.picture
        self.model = AutoModelForZeroShotObjectDetection.from_pretrained(folder).eval()
        whole, pictures = PROCESSORS[self.model.config.model_type]
        self.processor = whole(pictures.from_pretrained(folder),
                               CLIPTokenizer.from_pretrained(folder))
        self.forward = torch.compile(self.model) if options.compile else self.model

    @torch.inference_mode()
    def detect(self, queries, threshold):
        """Detections in the picture: tensors `boxes` [K, 4], `scores` [K] and `labels` [K]."""
        image = Image.open(self.picture).convert("RGB")
        inputs = self.processor(text=[queries], images=image, return_tensors="pt")
        outputs = self.forward(**inputs)
        return self.processor.post_process_grounded_object_detection(
            outputs, threshold=threshold, target_sizes=[(image.height, image.width)])[0]


def peak():
    """The most resident memory since `reset_peak`, in bytes; None where nothing tells it."""
    status = pathlib.Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)


def reset_peak():
    switch = pathlib.Path("/proc/self/clear_refs")
    if switch.exists():
        switch.write_text("5")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("picture")
    parser.add_argument("queries")
    parser.add_argument("--threshold", type=float, default=0.1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    disable_progress_bar()
    lists = json.loads(options.queries)
    queries = itertools.cycle(lists)
    try:
        detector = Detector(options)
        loading = peak()
        reset_peak()
        detector.detect(next(queries), options.threshold)
    except Exception as error:
        print(f"failed: {type(error).__name__}: {str(error).splitlines()[0]}", flush=True)
        return
    print("ready", flush=True)
    for line in sys.stdin:
        command = line.strip()
        if command == "run":
            start = time.perf_counter()
            detector.detect(next(queries), options.threshold)
            answer = time.perf_counter() - start
        elif command == "detect":
            found = detector.detect(lists[0], 0.0)
            answer = {name: found[name].tolist() for name in ("boxes", "scores", "labels")}
        else:
            weights = (options.folder / "model.safetensors").stat().st_size
            answer = {"loading": loading, "detecting": peak()}
            answer = {name: value and value - weights for name, value in answer.items()}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()

"""PyTorch eager as a peer of `npm run bench`: one process that runs the encoder when told to.

    python scripts/peers/eager.py MODEL_FOLDER INPUTS [--threads 2]

INPUTS is a safetensors file with `pixel_values` [B, C, H, W]. Prints "ready", then answers each
line on stdin: `run` with the seconds of one forward pass, `mm` with those of a float32 product of
2048 x 2048 matrices (best of three), `save FILE` by writing the results for comparison.
"""

import argparse
import sys
import time

import torch
from safetensors.torch import load_file, save_file

from vit22b_model import Encoder


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("inputs")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with torch.inference_mode():
        model = Encoder(options.model).eval()
        pixels = load_file(options.inputs)["pixel_values"]
        square = torch.randn(2048, 2048)
        model(pixels)
        print("ready", flush=True)
        for line in sys.stdin:
            command, *rest = line.split()
            if command == "run":
                print(seconds(lambda: model(pixels)), flush=True)
            elif command == "mm":
                print(min(seconds(lambda: square @ square) for _ in range(3)), flush=True)
            elif command == "save":
                tokens, pooled = model(pixels)
                save_file({"last_hidden_state": tokens, "pooler_output": pooled}, rest[0])
                print("saved", flush=True)


if __name__ == "__main__":
    main()

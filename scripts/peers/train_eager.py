"""A training step in PyTorch eager as a peer of `npm run bench`.

    python scripts/peers/train_eager.py MODEL_FOLDER INPUTS [--threads 2]

INPUTS is a safetensors file with `pixel_values` [B, C, H, W] and `labels` [B, K]. A step is forward
pass, sigmoid loss summed over labels, backward pass, clipping at 1 and a fused AdamW with rate 1e-4
and decay 0.05. Prints "ready", then answers each line on stdin: `run` with the seconds of one step,
`loss` with the loss of the batch before the weights moved in the last step.
"""

import argparse
import sys
import time

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from vit22b_model import Encoder


class Step:
    def __init__(self, folder, inputs):
        self.model = Encoder(folder).train()
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=1e-4, weight_decay=0.05, fused=True)
        batch = load_file(inputs)
        self.pixels, self.labels = batch["pixel_values"], batch["labels"]
        self.loss = None

    def __call__(self):
        self.optimizer.zero_grad(set_to_none=True)
        logits = self.model.linear(self.model(self.pixels)[1], "head")
        loss = F.binary_cross_entropy_with_logits(logits, self.labels) * logits.shape[1]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1, foreach=True)
        self.optimizer.step()
        self.loss = loss.item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("inputs")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    step = Step(options.model, options.inputs)
    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() == "run":
            start = time.perf_counter()
            step()
            print(time.perf_counter() - start, flush=True)
        else:
            print(step.loss, flush=True)


if __name__ == "__main__":
    main()

"""PyTorch's `add` of two 2x2 tensors as a peer of `npm run bench`.

Prints "ready", then answers each line `run` on stdin with the seconds of one call.
"""

import sys
import time

import torch

CALLS = 20_000


def main():
    a = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        for _ in range(CALLS):
            torch.add(a, a)
        print((time.perf_counter() - start) / CALLS, flush=True)


if __name__ == "__main__":
    main()

"""transformers' Gemma as a peer of `npm run bench`: it continues a prompt when told to.

    python scripts/peers/gemma_transformers.py FOLDER PROMPT [--steps 32] [--threads 2]

PROMPT is a JSON list of token ids. Prints "ready"; then answers each line on stdin: `run` with the
seconds {"prefill", "decode"} of reading the prompt and of the steps after it, `text` with the
likeliest tokens and the logits of the first one, {"tokens", "logits"}.
"""

import argparse
import json
import sys
import time

import torch
from transformers import GemmaForCausalLM, StaticCache
from transformers.utils.logging import disable_progress_bar


class Decoding:
    def __init__(self, options):
        self.model = GemmaForCausalLM.from_pretrained(options.folder).eval()
        self.prompt = torch.tensor([json.loads(options.prompt)])
        self.steps = options.steps
        length = self.prompt.shape[1] + self.steps
        self.cache = StaticCache(self.model.config, max_cache_len=length)

    def next(self, ids):
        """Logits [V] of what follows `ids`, which follow what the cache holds."""
        return self.model(ids, past_key_values=self.cache, logits_to_keep=1).logits[0, -1]

    def prefill(self):
        self.cache.reset()
        return self.next(self.prompt)

    def decode(self, logits):
        """The likeliest tokens: of `logits`, and of each step."""
        tokens = [logits.argmax()]
        for _ in range(self.steps):
            tokens.append(self.next(tokens[-1].view(1, 1)).argmax())
        return [token.item() for token in tokens]


@torch.inference_mode()
def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("prompt")
    parser.add_argument("--steps", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    disable_progress_bar()
    decoding = Decoding(options)
    decoding.decode(decoding.prefill())
    print("ready", flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        logits = decoding.prefill()
        middle = time.perf_counter()
        tokens = decoding.decode(logits)
        if line.strip() == "run":
            answer = {"prefill": middle - start, "decode": time.perf_counter() - middle}
        else:
            answer = {"tokens": tokens, "logits": logits.tolist()}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()

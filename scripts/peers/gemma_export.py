"""Writes the benchmark's decoder as two ONNX files for gemma_onnxruntime.mjs.

    python scripts/peers/gemma_export.py FOLDER OUT

OUT/prefill.onnx takes input_ids [1, T] int64, OUT/step.onnx input_ids [1, 1], past_key.{l} and
past_value.{l} [1, K, P, e]. Both give logits [1, V] of what follows the last token, key.{l} and
value.{l} of all tokens. Ends with an error where the module that is exported and transformers
disagree. Needs PyTorch, transformers, onnx and onnxscript.
"""

import pathlib
import sys

import torch
from transformers import GemmaForCausalLM

from gemma_model import Decoder, Prefill, Step

PROMPT = 17
# Of the deviation of the logits.
TOLERANCE = 1e-4


def check(folder, decoder, ids):
    """Compares the logits after a prompt, and after one more token."""
    expected = GemmaForCausalLM.from_pretrained(folder)(ids, logits_to_keep=2).logits[0]
    first, caches = Prefill(decoder)(ids[:, :-1])
    second, _ = Step(decoder)(ids[:, -1:], caches)
    gap = (torch.cat([first, second]) - expected).abs().max() / expected.std()
    if not gap <= TOLERANCE:
        sys.exit(f"expected the logits of transformers but received some {gap:.1e} away")


@torch.inference_mode()
def main():
    folder, out = map(pathlib.Path, sys.argv[1:])
    decoder = Decoder(folder).eval()
    ids = torch.arange(PROMPT + 1)[None] % decoder.table.shape[0]
    check(folder, decoder, ids)
    layers = range(len(decoder.layers))
    results = [f"{part}.{l}" for l in layers for part in ("key", "value")]
    settings = {"output_names": ["logits", *results], "dynamo": True, "external_data": True,
                "opset_version": 20}
    length = torch.export.Dim("length", min=2, max=8192)
    torch.onnx.export(Prefill(decoder), (ids[:, :-1],), out / "prefill.onnx",
                      input_names=["input_ids"], dynamic_shapes={"input_ids": {1: length}},
                      **settings)
    _, caches = Prefill(decoder)(ids[:, :-1])
    past = {2: torch.export.Dim("past", min=1, max=8192)}
    torch.onnx.export(Step(decoder), (ids[:, -1:], caches), out / "step.onnx",
                      input_names=["input_ids", *(f"past_{name}" for name in results)],
                      dynamic_shapes={"input_ids": None, "past": [(past, past) for _ in layers]},
                      **settings)


if __name__ == "__main__":
    main()

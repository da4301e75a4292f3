"""Opens a saved PaliGemma, Gemma or Gemma 2 in transformers and compares what it gives.

    python scripts/oracles/paligemma_check.py FOLDER CASE

FOLDER is a checkpoint of our own saving. It must load without a missing, unexpected or misshaped
tensor and give the expected values of CASE, a name in test/fixtures like `paligemma/pg1` or
`gemma/mqa`, or a folder with `inputs.safetensors`, `expected.safetensors` and `case.json`, within
5e-5 of their spread + 1e-6, in float32 with eager attention, and the same greedy tokens. The exit
code is 0 where it does, 1 where it does not.
"""

import argparse
import json
import logging
import pathlib
import sys

import torch
from safetensors.torch import load_file
from transformers import PaliGemmaForConditionalGeneration

import paligemma_run
from gemma_run import CLASSES, error_of, generate, run_decoder

FIXTURES = pathlib.Path(__file__).parents[2] / "test" / "fixtures"


def load(folder):
    """The model of a folder in float32, and what was wrong with its names and shapes."""
    model_type = json.loads((folder / "config.json").read_text())["model_type"]
    model_class = CLASSES[model_type][1] if model_type in CLASSES else (
        PaliGemmaForConditionalGeneration)
    model, info = model_class.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True,
        ignore_mismatched_sizes=True)
    complaints = [f"{kind}: {item}" for kind, items in info.items() for item in sorted(items)]
    return model.eval(), complaints


def results_of(model, inputs, options):
    """All results, taps and greedy sequences: {name: tensor}."""
    if isinstance(model, PaliGemmaForConditionalGeneration):
        results = paligemma_run.run(model, inputs)
        prompt = paligemma_run.prompt_inputs(inputs, torch.float32)
    else:
        results, prompt = run_decoder(model, inputs), inputs
    return {**results, "sequences": generate(model, prompt, options)}


def differences(model, case):
    """What differs from the expected values of a case: one line each."""
    inputs, expected = (load_file(case / f"{name}.safetensors") for name in ("inputs", "expected"))
    results = results_of(model, inputs, json.loads((case / "case.json").read_text()))
    for name in sorted(set(results) ^ set(expected)):
        yield f"only {'expected' if name in expected else 'received'}: {name}"
    for name in sorted(set(results) & set(expected)):
        error = error_of(results[name], expected[name], 5e-5, 1e-6)
        if not error <= 1:
            yield f"{name}: {error:.3g} times the allowed error"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("case")
    arguments = parser.parse_args()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    named = FIXTURES / arguments.case
    case = named if named.is_dir() else pathlib.Path(arguments.case)
    model, complaints = load(arguments.folder)
    complaints += differences(model, case)
    print("\n".join(complaints) if complaints else f"ok: {arguments.folder} gives {case.name}")
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()

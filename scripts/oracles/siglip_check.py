"""Opens a saved SigLIP or SigLIP 2 in transformers and compares what it gives.

    python scripts/oracles/siglip_check.py FOLDER CASE

FOLDER is a checkpoint of our own saving. It must load without a missing, unexpected or misshaped
tensor and give the expected values of CASE, a name in test/fixtures/siglip, within 5e-5 of their
spread + 1e-6. The exit code is 0 where it does, 1 where it does not.
"""

import json
import pathlib
import sys

import torch
from safetensors.torch import load_file

from siglip import CLASSES, TARGET, run


def differences(results, expected):
    """What differs from the expected values: one line each."""
    for name in sorted(set(results) ^ set(expected)):
        yield f"only {'expected' if name in expected else 'received'}: {name}"
    for name in sorted(set(results) & set(expected)):
        ours, reference = results[name].double(), expected[name].double()
        if ours.shape != reference.shape:
            yield f"{name} is {list(ours.shape)}, not {list(reference.shape)}"
            continue
        error = (ours - reference).abs().max().item()
        # Written so that what is not a number is an error, too.
        if not error <= 5e-5 * reference.std().item() + 1e-6:
            yield f"{name} is off by {error}"


def main():
    folder, name = pathlib.Path(sys.argv[1]), sys.argv[2]
    model_type = json.loads((folder / "config.json").read_text())["model_type"]
    model, info = CLASSES[model_type][1].from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    wrong = [f"{kind}: {item}" for kind, items in info.items() for item in sorted(items)]
    case = TARGET / name
    options = json.loads((case / "case.json").read_text())
    asked = {"model": model_type, **({"size": ()} if options else {})}
    results = run(model.eval(), load_file(case / "inputs.safetensors"), asked)
    wrong += differences(results, load_file(case / "expected.safetensors"))
    print("\n".join(wrong) or f"ok: {folder} gives {name}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

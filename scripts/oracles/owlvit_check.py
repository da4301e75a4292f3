"""Opens a saved OWL-ViT or OWLv2 in transformers and compares what it gives with a fixture.

    python scripts/oracles/owlvit_check.py FOLDER CASE

FOLDER is a checkpoint of our own saving. It must load without a missing, unexpected or misshaped
tensor and give the expected values of CASE, a name in test/fixtures/owlvit or a folder with
`inputs.safetensors`, `expected.safetensors` and `case.json`, within 5e-5 of their spread + 1e-6,
in float32. The exit code is 0 where it does, 1 where it does not.
"""

import argparse
import json
import logging
import pathlib
import sys

import torch
from safetensors.torch import load_file

from owlvit_run import CLASSES, error_of, run

FIXTURES = pathlib.Path(__file__).parents[2] / "test" / "fixtures" / "owlvit"


def load(folder):
    """The model of a folder in float32, and what was wrong with its names and shapes."""
    config = json.loads((folder / "config.json").read_text())
    model, info = CLASSES[config["model_type"]][1].from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True, ignore_mismatched_sizes=True)
    complaints = [f"{kind}: {item}" for kind, items in info.items() for item in sorted(items)]
    return model.eval(), complaints


def differences(model, case):
    """What differs from the expected values of a case: one line each."""
    inputs, expected = (load_file(case / f"{name}.safetensors") for name in ("inputs", "expected"))
    options = json.loads((case / "case.json").read_text())
    results = run(model, inputs, options["interpolate_pos_encoding"])
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

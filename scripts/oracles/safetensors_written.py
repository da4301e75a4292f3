"""Writes the files that the C++ writer has to match byte for byte.

Run with the `safetensors` package (0.8.0) and NumPy: python scripts/oracles/safetensors_written.py
"""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

FOLDER = Path(__file__).parents[2] / "test" / "fixtures" / "safetensors" / "written"


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    tensors = {
        "b.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
        "a.weight": np.arange(4, dtype=np.float32) / 3,
        "half": np.arange(5, dtype=np.float16),
        "double": np.linspace(0, 1, 3),
        "flags": np.array([True, False, True]),
        "long": np.arange(2, dtype=np.int64),
        "byte": np.arange(3, dtype=np.uint8),
        'odd " \\ \t \u00e9 \U0001f600': np.array(1.5, dtype=np.float32),
        "empty": np.zeros((0, 4), dtype=np.int16),
    }
    save_file(tensors, FOLDER / "mixed.safetensors", metadata={"format": "pt"})
    save_file({}, FOLDER / "empty.safetensors")


if __name__ == "__main__":
    main()

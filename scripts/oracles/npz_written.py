"""Writes npz and npy files with NumPy, and the same arrays as safetensors to compare with.

Run with NumPy and `safetensors`: python scripts/oracles/npz_written.py
"""

import struct
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

FOLDER = Path(__file__).parents[2] / "test" / "fixtures" / "npz"


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(5)
    arrays = {
        "Transformer/kernel": rng.standard_normal((6, 4, 3)).astype(np.float32),
        "half": rng.standard_normal((5, 3)).astype(np.float16),
        "double": rng.standard_normal(7),
        "byte": np.arange(9, dtype=np.uint8).reshape(3, 3),
        "small": np.arange(-4, 4, dtype=np.int8),
        "short": np.arange(-4, 4, dtype=np.int16),
        "int": np.arange(6, dtype=np.int32).reshape(2, 3),
        "long": np.arange(6, dtype=np.int64),
        "flags": np.array([[True], [False]]),
        "scalar": np.float32(2.5),
        "empty": np.zeros((0, 3), np.float32),
        "column_major": np.asfortranarray(rng.standard_normal((4, 5, 2)).astype(np.float32)),
    }
    plain = {name: np.ascontiguousarray(a).reshape(np.shape(a)) for name, a in arrays.items()}
    # bfloat16 as ml_dtypes arrays end up in npz files: raw pairs of bytes.
    bits = (np.arange(8, dtype=np.float32).view(np.uint32) >> 16).astype(np.uint16)
    arrays["bfloat16"] = bits.view(np.dtype("V2"))
    np.savez(FOLDER / "stored.npz", **arrays)
    np.savez_compressed(FOLDER / "deflated.npz", **arrays)
    np.save(FOLDER / "single.npy", arrays["Transformer/kernel"])
    with open(FOLDER / "version2.npy", "wb") as file:
        np.lib.format.write_array(file, plain["int"], version=(2, 0))
    plain["bfloat16"] = np.arange(8, dtype=np.float32)
    save_file(plain, FOLDER / "expected.safetensors")
    assert struct.unpack("<H", bits[1:2].tobytes())[0] == 0x3F80


if __name__ == "__main__":
    main()

"""Writes the benchmark's encoder as an ONNX file for onnxruntime.mjs, with the batch size free.

    python scripts/peers/export_onnx.py MODEL_FOLDER INPUTS OUT.onnx

Needs PyTorch, onnx and onnxscript.
"""

import sys

import torch
from safetensors.torch import load_file

from vit22b_model import Encoder


def main():
    folder, inputs, out = sys.argv[1:]
    pixels = load_file(inputs)["pixel_values"]
    batch = torch.export.Dim("batch", min=1, max=64)
    with torch.inference_mode():
        torch.onnx.export(
            Encoder(folder).eval(), (pixels,), out, input_names=["pixel_values"],
            output_names=["last_hidden_state", "pooler_output"], dynamo=True, external_data=True,
            dynamic_shapes={"pixel_values": {0: batch}}, opset_version=20)


if __name__ == "__main__":
    main()

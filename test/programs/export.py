"""Exports the programs that the tests run, and what Python makes of their inputs.

python test/programs/export.py FOLDER, with PyTorch of the minor that the addon was built for and a
C++ compiler. Writes packages (.pt2) and, beside each, NAME.safetensors with `in.*` and `out.*`.
"""

import json
import os
import re
import sys
from pathlib import Path

import torch
from torch import nn
from torch._inductor import aot_compile, aoti_load_package
from torch._inductor.package import load_package
from torch.export import Dim, export
from torch.export.pt2_archive._package import package_pt2

PAGE = Path(__file__).parents[2] / "docs" / "programs.md"
DTYPES = {torch.float32: "F32", torch.int64: "I64", torch.bool: "BOOL"}
OPTIONS = {"aot_inductor.package": True, "aot_inductor.metadata": {"author": "torchsight"}}


class Conv(nn.Module):
    """Positional in, one of them no tensor and one of twice the batch; a tuple out, with a hole."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3)
        )

    def forward(self, pixels, scales, gain):
        scale = scales.view(2, -1).sum(0) * gain
        features = self.layers(pixels) * scale[:, None, None, None]
        return features, None, features.mean((2, 3)).argmax(1)


class Encoder(nn.Module):
    """Batch and length are free; one result stands alone."""

    def __init__(self, vocabulary=32, width=32):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        layer = nn.TransformerEncoderLayer(width, 4, 64, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, *, tokens, padding):
        return self.layers(self.embedding(tokens), src_key_padding_mask=padding)


def write_tensors(path, tensors):
    """A safetensors file; the package of that name may not be there."""
    header, data = {}, b""
    for name, tensor in tensors.items():
        raw = bytes(tensor.detach().clone(memory_format=torch.contiguous_format).untyped_storage())
        header[name] = {
            "dtype": DTYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    Path(path).write_bytes(len(text).to_bytes(8, "little") + text + data)


def check(name, package, model, calls):
    """Runs the compiled model and the eager one, and writes down what the compiled one gives."""
    stored = {}
    for i, (inputs, names, call) in enumerate(calls):
        results, eager = call(package), call(model)
        for key, value in names(results).items():
            torch.testing.assert_close(value, names(eager)[key], rtol=1e-3, atol=1e-4)
            stored[f"{i}.out.{key}"] = value
        stored |= {f"{i}.in.{key}": value for key, value in inputs.items()}
    write_tensors(f"{name}.safetensors", stored)


def from_the_page():
    """The example of docs/programs.md, as it is printed."""
    example = re.search(r"```python\n(.*?)```", PAGE.read_text("utf8"), re.DOTALL)[1]
    made = {}
    exec(compile(example, str(PAGE), "exec"), made)
    inputs = [{"pixels": torch.rand(batch, 3, 32, 32)} for batch in (1, 3, 64)]
    calls = [(given, dict, lambda run, given=given: run(**given)) for given in inputs]
    check("model", aoti_load_package("model.pt2"), made["model"], calls)


def compiled(model, args, kwargs, shapes):
    program = export(model, args, kwargs, dynamic_shapes=shapes)
    return program, aot_compile(program.module(), args, kwargs, options=OPTIONS)


def main():
    torch.manual_seed(0)
    with torch.no_grad():
        from_the_page()
        conv, encoder = Conv().eval(), Encoder().eval()
        batch, length = Dim("batch", max=256), Dim("length", max=512)
        example = (torch.randn(3, 3, 16, 16), torch.randn(6), 3)
        shapes = {"pixels": {0: batch}, "scales": {0: 2 * batch}, "gain": None}
        conv_files = compiled(conv, example, {}, shapes)
        tokens = torch.randint(0, 32, (2, 7))
        padding = torch.zeros(2, 7, dtype=torch.bool)
        free = {0: batch, 1: length}
        kwargs = {"tokens": tokens, "padding": padding}
        encoder_files = compiled(encoder, (), kwargs, {"tokens": free, "padding": free})
        package_pt2("conv.pt2", aoti_files=conv_files[1])
        package_pt2(
            "pair.pt2",
            exported_programs={"conv": conv_files[0], "encoder": encoder_files[0]},
            aoti_files={"conv": conv_files[1], "encoder": encoder_files[1]},
        )

        def conv_names(results):
            return {"output_0": results[0], "output_2": results[2]}

        calls = []
        for rows in (1, 4):
            pixels, scales = torch.randn(rows, 3, 16, 16), torch.randn(2 * rows)
            given = {"input_0": pixels, "input_1": scales}
            calls.append((given, conv_names, lambda run, g=given: run(*g.values(), 3)))
        check("conv", aoti_load_package("conv.pt2"), conv, calls)
        calls = []
        for rows, columns in ((1, 1), (2, 7), (5, 30)):
            given = {"tokens": torch.randint(0, 32, (rows, columns))}
            given["padding"] = torch.zeros(rows, columns, dtype=torch.bool)
            given["padding"][:, columns // 2 + 1 :] = True
            calls.append((given, lambda out: {"output": out}, lambda run, g=given: run(**g)))
        check("encoder", load_package("pair.pt2", "encoder"), encoder, calls)


if __name__ == "__main__":
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    main()

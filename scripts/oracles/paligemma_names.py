"""Writes the names and shapes of the tensors in the public checkpoints of PaliGemma and Gemma.

transformers (5.18.0) builds the classes on the meta device, without weights, from the sizes of the
public configs; the counts of tensors and parameters are checked against the known ones.

    python scripts/oracles/paligemma_names.py     # writes test/fixtures/paligemma_names

A list is one JSON object: `name`, `also` (checkpoints of the same shapes), `config` (config.json's
fields that matter), `count` (the number of tensors), `parameters` (the number of their elements),
`layers` {name of a stack: its number of layers} and `tensors` {name: shape}. A name with `{i}`
stands for one tensor of each layer of its stack. PaliGemma's names are those of the published
files, which have no head of their own; their vocabulary has 64 rows of filler behind the 257,152
entries that mean something.
"""

import pathlib

import torch
from transformers import PaliGemmaConfig, PaliGemmaForConditionalGeneration

from checkpoint_names import describe, write_lists
from gemma_run import CLASSES
from paligemma import old_name

TARGET = pathlib.Path(__file__).parents[2] / "test" / "fixtures" / "paligemma_names"
ENTRIES, ROWS = 257_152, 257_216


def sizes(hidden_size, intermediate_size, layers, heads, kv_heads, **more):
    """The fields of a decoder's config."""
    return dict(hidden_size=hidden_size, intermediate_size=intermediate_size,
                num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=kv_heads,
                **more)


GEMMA_2B = dict(model_type="gemma", **sizes(2048, 16384, 18, 8, 1, head_dim=256))
GEMMA_7B = dict(model_type="gemma", **sizes(3072, 24576, 28, 16, 16, head_dim=256))
GEMMA2_2B = dict(model_type="gemma2", **sizes(2304, 9216, 26, 8, 4, head_dim=256,
                                              query_pre_attn_scalar=256))
GEMMA2_9B = dict(model_type="gemma2", **sizes(3584, 14336, 42, 16, 8, head_dim=256,
                                              query_pre_attn_scalar=256))
GEMMA2_27B = dict(model_type="gemma2", **sizes(4608, 36864, 46, 32, 16, head_dim=128,
                                               query_pre_attn_scalar=144))

# name: config, the numbers of tensors and parameters, the checkpoints of the same shapes
DECODERS = {
    "gemma-2b": (GEMMA_2B, 164, 2_506_172_416, ["gemma-2b-it", "gemma-1.1-2b-it"]),
    "gemma-7b": (GEMMA_7B, 254, 8_537_680_896, ["gemma-7b-it", "gemma-1.1-7b-it"]),
    "gemma-2-2b": (GEMMA2_2B, 288, 2_614_341_888, ["gemma-2-2b-it"]),
    "gemma-2-9b": (GEMMA2_9B, 464, 9_241_705_984, ["gemma-2-9b-it"]),
    "gemma-2-27b": (GEMMA2_27B, 508, 27_227_128_320, ["gemma-2-27b-it"]),
}
VISION = dict(hidden_size=1152, intermediate_size=4304, num_hidden_layers=27,
              num_attention_heads=16, patch_size=14, vision_use_head=False)
# name with a gap for the size of the pictures: decoder, the number of tensors, that of parameters
# at 224 pixels without the rows of filler, the kinds of checkpoint there are at each size
FAMILIES = {
    "paligemma-3b-{}-{}": (GEMMA_2B, 603, 2_923_335_408, {224: ["pt", "mix"], 448: ["pt", "mix"],
                                                          896: ["pt"]}),
    "paligemma2-3b-{}-{}": (GEMMA2_2B, 727, 3_032_094_960, {224: ["pt", "mix"],
                                                            448: ["pt", "mix"], 896: ["pt"]}),
    "paligemma2-10b-{}-{}": (GEMMA2_9B, 903, 9_662_409_456, {224: ["pt", "mix"],
                                                             448: ["pt", "mix"], 896: ["pt"]}),
    "paligemma2-28b-{}-{}": (GEMMA2_27B, 947, 27_650_192_112, {224: ["pt", "mix"],
                                                               448: ["pt", "mix"], 896: ["pt"]}),
}
# The parameters of a table of positions beyond those at 224 pixels.
MORE_POSITIONS = {224: 0, 448: 884_736, 896: 4_423_680}


def describe_decoder(name, text, tensors, parameters, also):
    config_class, model_class = CLASSES[text["model_type"]]
    fields = {**text, "vocab_size": 256_000}
    config = {"architectures": [model_class.__name__], **fields}
    del fields["model_type"]
    with torch.device("meta"):
        model = model_class(config_class(**fields))
    return describe(name, also, config, model, str, tensors, parameters)


def describe_paligemma(name, also, text, size, tensors, parameters):
    text = {**text, "vocab_size": ROWS}
    config = {"architectures": ["PaliGemmaForConditionalGeneration"], "model_type": "paligemma",
              "hidden_size": text["hidden_size"], "image_token_index": ENTRIES,
              "projection_dim": text["hidden_size"], "text_config": text,
              "vision_config": {"model_type": "siglip_vision_model", "image_size": size, **VISION}}
    fields = {key: dict(value) if isinstance(value, dict) else value
              for key, value in config.items() if key not in ("architectures", "model_type")}
    with torch.device("meta"):
        model = PaliGemmaForConditionalGeneration(PaliGemmaConfig(**fields))
    filler = (ROWS - ENTRIES) * text["hidden_size"]
    return describe(name, also, config, model, old_name, tensors, parameters + filler)


def main():
    lists = [describe_decoder(name, *facts) for name, facts in DECODERS.items()]
    for family, (text, tensors, parameters, kinds) in FAMILIES.items():
        for size, (kind, *others) in kinds.items():
            also = [family.format(other, size) for other in others]
            lists.append(describe_paligemma(family.format(kind, size), also, text, size, tensors,
                                            parameters + MORE_POSITIONS[size]))
    write_lists(TARGET, lists)


if __name__ == "__main__":
    main()

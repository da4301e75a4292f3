"""Writes the parity fixtures of T5's encoder: small random checkpoints, what they must give.

The expected values are those of transformers' `T5EncoderModel` with eager attention, computed in
float64 and stored as float32. Weights are drawn sharper than a usual initialisation, so that a wrong
formula shows; every case is checked to give the same in float32. Run it with PyTorch (2.13.0),
transformers (5.18.0), NumPy, safetensors and tokenizers (0.23.2) installed:

    python scripts/oracles/t5.py                # writes test/fixtures/t5, t5_tokens, t5_buckets
    python scripts/oracles/t5.py gated ...      # only the named cases

A case is a folder: `config.json`, `model.safetensors`, `inputs.safetensors` (input_ids [B, N] and,
in some, attention_mask [B, N]) and `expected.safetensors` (last_hidden_state [B, N, d], embeddings,
blocks.{l}).

`t5_tokens` has a small Unigram tokenizer as `T5Tokenizer` saves it, learnt from the sentences below,
and the ids of 200 texts. `t5_buckets/buckets.json` has the bucket of each offset from -300 to 300.
"""

import json
import logging
import math
import pathlib
import shutil
import sys
import zlib

import numpy as np
import torch
from paligemma_tokens import CORPUS, GROUPS
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import T5Config, T5EncoderModel, T5ForConditionalGeneration, T5Tokenizer
from transformers.models.t5.modeling_t5 import T5Attention
from transformers.utils.logging import disable_progress_bar

FIXTURES = pathlib.Path(__file__).parents[2] / "test" / "fixtures"
TARGET = FIXTURES / "t5"
SMALL = dict(vocab_size=61, d_model=16, d_kv=6, d_ff=24, num_layers=2, num_heads=3)
GATED = dict(SMALL, feed_forward_proj="gated-gelu", tie_word_embeddings=False)

# `length` of the texts; `mask`, how many tokens of each are seen; `dtype` of the file; `whole`: the
# checkpoint has a decoder and a head besides; `copied`: the token table is there twice.
CASES = {
    "relu": dict(config=SMALL),
    "gated": dict(config=GATED, mask=(3, 12, 7)),
    "long": dict(config=GATED, length=140, mask=(140, 135, 1)),
    "buckets": dict(config=dict(GATED, relative_attention_num_buckets=8,
                                relative_attention_max_distance=20), length=40),
    "one_token": dict(config=GATED, length=1),
    "epsilon": dict(config=dict(SMALL, layer_norm_epsilon=1e-2)),
    "wide_heads": dict(config=dict(GATED, d_kv=16, num_heads=2, num_layers=3)),
    "bfloat16_file": dict(config=GATED, dtype=torch.bfloat16, mask=(5, 12, 9)),
    "whole": dict(config=GATED, whole=True),
    "copied": dict(config=SMALL, copied=True),
}


def draw_weights(model, rng):
    weights = {}
    for name, tensor in model.state_dict().items():
        shape = tuple(tensor.shape)
        if "norm" in name:
            value = rng.uniform(0.5, 1.5, shape)
        elif "relative_attention_bias" in name:
            value = rng.normal(0, 1, shape)
        elif "shared" in name or "embed_tokens" in name:
            value = np.random.default_rng(3).normal(0, 1, shape)  # alike, for they are tied
        elif ".q." in name:
            value = rng.normal(0, 0.5 / math.sqrt(shape[1]), shape)
        else:
            value = rng.normal(0, 1.3 / math.sqrt(shape[1]), shape)
        weights[name] = torch.from_numpy(np.asarray(value, dtype=np.float32))
    return weights


@torch.no_grad()
def run(model, inputs):
    outputs = model(**inputs, output_hidden_states=True)
    states = {"last_hidden_state": outputs.last_hidden_state,
              "embeddings": outputs.hidden_states[0]}
    seen, hooks = {}, []
    for l, block in enumerate(model.encoder.block):
        def hook(_module, _inputs, output, l=l):
            seen[f"blocks.{l}"] = output[0] if isinstance(output, tuple) else output
        hooks.append(block.register_forward_hook(hook))
    model(**inputs)
    for hook in hooks:
        hook.remove()
    return {**states, **seen}


def write_case(name, case):
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    config = T5Config(**case["config"])
    model = T5EncoderModel(config).eval()
    model.set_attn_implementation("eager")
    dtype = case.get("dtype", torch.float32)
    weights = {key: value.to(dtype) for key, value in draw_weights(model, rng).items()}
    model.load_state_dict(weights, strict=True)
    folder = TARGET / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model.to(dtype)
    if case.get("whole"):
        both = T5ForConditionalGeneration(config)
        both.load_state_dict(weights, strict=False)
        both.save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
    else:
        model.save_pretrained(folder)
    if case.get("copied"):
        stored = {**model.state_dict()}
        stored["encoder.embed_tokens.weight"] = stored["shared.weight"].clone()
        save_file({key: value.contiguous() for key, value in stored.items()},
                  folder / "model.safetensors", metadata={"format": "pt"})
    length, seen = case.get("length", 12), case.get("mask")
    inputs = {"input_ids": torch.from_numpy(rng.integers(0, config.vocab_size, (3, length)))}
    if seen:
        inputs["attention_mask"] = torch.tensor([[int(i < most) for i in range(length)]
                                                 for most in seen])
    save_file(inputs, folder / "inputs.safetensors")
    single, results = run(model.float(), inputs), run(model.double(), inputs)
    worst = max(((single[key] - value).abs().max() / value.std()).item()
                for key, value in results.items())
    print(f"{name}: float32 off by {worst * 1e5:.2f}e-5 of the spread")
    assert worst < 1e-5, f"{name}: ill-conditioned"
    save_file({key: value.float().contiguous() for key, value in results.items()},
              folder / "expected.safetensors")


def write_buckets():
    folder = FIXTURES / "t5_buckets"
    folder.mkdir(parents=True, exist_ok=True)
    offsets = torch.arange(-300, 301)
    kinds = [(32, 128), (8, 20), (32, 256), (64, 300), (4, 2), (128, 128)]
    rows = [{"buckets": buckets, "max_distance": most,
             "of_offsets": T5Attention._relative_position_bucket(
                 offsets, True, buckets, most).tolist()} for buckets, most in kinds]
    lines = ",\n".join(json.dumps(row) for row in rows)
    (folder / "buckets.json").write_text(f"[\n{lines}\n]\n")


def write_tokens():
    learner = Tokenizer(models.Unigram())
    learner.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace("\u200b", "")])
    learner.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")])
    trainer = trainers.UnigramTrainer(vocab_size=400, show_progress=False, unk_token="<unk>",
                                      special_tokens=["<pad>", "</s>", "<unk>"])
    learner.train_from_iterator(CORPUS.splitlines() * 2, trainer)
    vocab = [tuple(entry) for entry in json.loads(learner.to_str())["model"]["vocab"]]
    tokenizer = T5Tokenizer(vocab=vocab, extra_ids=3)
    tokenizer.backend_tokenizer.normalizer = learner.normalizer
    folder = FIXTURES / "t5_tokens"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tokenizer.save_pretrained(folder)
    texts = [text for group in GROUPS for text in group if "<loc" not in text]
    texts += ["a cat <extra_id_0> a <extra_id_2>", "cat</s> dog", "<pad>", "a<unk>b",
              "a red square moving left", "Two dogs, three cats; a bird!", "water-lily",
              "the fox\tand the\ndog", "UPPER and lower", "x" * 40]
    cases = [{"text": text, "ids": tokenizer(text).input_ids} for text in texts]
    assert len(cases) >= 200, len(cases)
    batch = ["a cat", "two dogs on a chair near the river", ""]
    padded = tokenizer(batch, padding=True)
    cut = tokenizer(batch, padding="max_length", truncation=True, max_length=6)
    batches = [{"texts": batch, "max_length": length, "input_ids": made.input_ids,
                "attention_mask": made.attention_mask}
               for length, made in ((None, padded), (6, cut))]
    lines = ",\n".join(json.dumps(case) for case in cases)
    (folder / "cases.json").write_text(
        f'{{"size": {len(tokenizer)},\n"batches": {json.dumps(batches)},\n"texts": [\n{lines}\n]}}\n')
    print(f"{len(cases)} texts, {len(tokenizer)} tokens")


def main():
    logging.getLogger("transformers").setLevel(logging.ERROR)
    disable_progress_bar()
    for name in sys.argv[1:] or CASES:
        write_case(name, CASES[name])
    write_buckets()
    write_tokens()


if __name__ == "__main__":
    main()

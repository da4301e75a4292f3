"""Draws weights for Gemma, runs transformers' classes, compares results: shared by the oracles."""

import contextlib
import math

import numpy as np
import torch
from torch.nn import functional
from transformers import Gemma2Config, Gemma2ForCausalLM, GemmaConfig, GemmaForCausalLM

CLASSES = {"gemma": (GemmaConfig, GemmaForCausalLM), "gemma2": (Gemma2Config, Gemma2ForCausalLM)}

# Standard deviations of the outputs of layers for inputs of unit variance.
GAINS = {"q_proj": 1.8, "k_proj": 1.8, "v_proj": 1.3, "o_proj": 1.2, "gate_proj": 1.6,
         "up_proj": 1.3, "down_proj": 1.2, "lm_head": 0.5}


@contextlib.contextmanager
def double_precision():
    """Keeps float64 where transformers goes to float32: in its RMSNorms and its softmax."""
    to_float, softmax = torch.Tensor.float, functional.softmax

    def keep_double(tensor, *args, **kwargs):
        return tensor if tensor.dtype == torch.float64 else to_float(tensor, *args, **kwargs)

    def softmax_in_double(scores, *args, **kwargs):
        if scores.dtype == torch.float64:
            kwargs["dtype"] = torch.float64
        return softmax(scores, *args, **kwargs)

    torch.Tensor.float, functional.softmax = keep_double, softmax_in_double
    try:
        yield
    finally:
        torch.Tensor.float, functional.softmax = to_float, softmax


def to_double(model):
    """The model in float64, but for the rotation angles: float32 is part of their definition."""
    model.double()
    for name, module in model.named_modules():
        if name.endswith("rotary_emb"):
            module.to(torch.float32)
    return model


def draw_decoder(name, shape, rng):
    """Values of one tensor of a decoder or its head, float64."""
    if "norm" in name:
        # A last normalisation around 2 spreads the logits.
        return rng.normal(1.0 if name.endswith(("model.norm.weight", "language_model.norm.weight"))
                          else 0.0, 0.25, shape)
    if name.endswith("bias"):
        return rng.normal(0, 0.2, shape)
    if "embed_tokens" in name:
        return rng.normal(0, 0.06, shape)
    gain = next(gain for part, gain in GAINS.items() if part in name)
    return rng.normal(0, gain / math.sqrt(shape[1]), shape)


def note_outputs(modules):
    """Hooks that note what modules give as they pass: {name: tensor}, and the hooks."""
    seen, hooks = {}, []
    for name, module in modules.items():
        def hook(_module, _inputs, output, name=name):
            seen[name] = output[0] if isinstance(output, tuple) else output
        hooks.append(module.register_forward_hook(hook))
    return seen, hooks


def decoder_modules(decoder):
    """The taps of a GemmaModel or Gemma2Model after its embeddings: {name: module}."""
    blocks = {f"blocks.{l}": layer for l, layer in enumerate(decoder.layers)}
    return {**blocks, "norm": decoder.norm}


def hide_padding(value, attention_mask):
    """Zeros where the mask [B, T] of a tensor [B, T, ...] is 0."""
    return value * attention_mask[..., None].to(value.dtype)


@torch.no_grad()
def run_decoder(model, inputs):
    """Logits and taps of a Gemma or Gemma 2 in the dtype of the model: {name: tensor}."""
    mask = inputs.get("attention_mask", torch.ones_like(inputs["input_ids"]))
    modules = {"embeddings": model.model.embed_tokens, **decoder_modules(model.model)}
    seen, hooks = note_outputs(modules)
    results = {"logits": model(**inputs).logits}
    for hook in hooks:
        hook.remove()
    return {name: hide_padding(value, mask) for name, value in {**results, **seen}.items()}


@torch.no_grad()
def generate(model, inputs, options):
    """Greedy sequences [B, T + n] by `generate`, with the special ids of the options."""
    special = model.generation_config
    special.eos_token_id = options["eos_token_id"] or None
    special.pad_token_id = options["pad_token_id"]
    return model.generate(**inputs, do_sample=False, max_new_tokens=options["max_new_tokens"])


def continued(inputs, sequences):
    """The inputs of one pass over prompts and what was generated after them."""
    new = sequences.shape[1] - inputs["input_ids"].shape[1]
    longer = {**inputs, "input_ids": sequences}
    if "attention_mask" in inputs:
        longer["attention_mask"] = functional.pad(inputs["attention_mask"], (0, new), value=1)
    if "position_ids" in inputs:
        steps = inputs["position_ids"][:, -1:] + torch.arange(1, new + 1)
        longer["position_ids"] = torch.cat([inputs["position_ids"], steps], 1)
    if "token_type_ids" in inputs:
        longer["token_type_ids"] = functional.pad(inputs["token_type_ids"], (0, new), value=1)
    return longer


def generated_rows(sequences, length, eos_token_ids):
    """Which columns of [B, n] were chosen by the model, not padding after an end: bool [B, n]."""
    ended = torch.isin(sequences[:, length:], torch.tensor(eos_token_ids, dtype=torch.int64))
    return ended.long().cumsum(1) - ended.long() == 0


@torch.no_grad()
def check_greedy(name, model, inputs, options, sequences):
    """Greedy ids must be those of one pass over everything, by a clear lead, and not monotonous."""
    length = inputs["input_ids"].shape[1]
    new = sequences[:, length:]
    logits = model(**continued(inputs, sequences)).logits[:, length - 1:-1]
    chosen = generated_rows(sequences, length, options["eos_token_id"])
    assert torch.equal(logits.argmax(-1)[chosen], new[chosen]), f"{name}: cache and pass differ"
    assert not (new[chosen] == options["pad_token_id"]).any(), f"{name}: padding is generated"
    first, second = logits.topk(2, -1).values.unbind(-1)
    lead = (first - second)[chosen].min().item()
    distinct = min((len(set(row[keep].tolist())) / keep.sum().item()
                    for row, keep in zip(new, chosen) if keep.sum() > 4), default=1)
    assert lead >= 1e-3, f"{name}: a choice by {lead:.2g} only"
    assert distinct >= 0.6, f"{name}: {distinct:.0%} of the generated tokens are distinct"
    told = f"least lead {lead:.1e}, {distinct:.0%} distinct tokens of {chosen.sum(1).tolist()}"
    return told, chosen.sum(1)


def error_of(ours, reference, tolerance, floor=0.0):
    """The largest error in units of what is allowed: floor + tolerance * the reference's spread.

    Integers have to agree exactly; infinity where they or the shapes do not.
    """
    if ours.shape != reference.shape:
        return math.inf
    if not reference.is_floating_point():
        return 0.0 if torch.equal(ours, reference) else math.inf
    ours, reference = ours.double(), reference.double()
    spread = reference[reference != 0].std().item()
    return (ours - reference).abs().max().item() / (tolerance * spread + floor)


def stored(results):
    """Results as a file has them: float32 and integers, contiguous."""
    return {name: (value.to(torch.float32) if value.is_floating_point() else value).contiguous()
            for name, value in results.items()}


def check_file(name, folder, model):
    """The folder must load in transformers without complaint and give the model's weights."""
    loaded, info = type(model).from_pretrained(folder, dtype=torch.float32,
                                               output_loading_info=True)
    complaints = {kind: items for kind, items in info.items() if items}
    assert not complaints, f"{name}: {complaints}"
    expected = model.state_dict()
    for key, value in loaded.state_dict().items():
        assert torch.equal(value, expected[key]), f"{name}: {key} is read differently"


def draw_state(model, draw_value, rng, scale, dtype):
    """Draws the model's own weights, of the file's dtype; gives them by name without tied ones."""
    tied = set(model.all_tied_weights_keys) if model.config.tie_word_embeddings else set()
    weights = {}
    for name, tensor in model.state_dict().items():
        if name in tied:
            continue
        value = draw_value(name, tuple(tensor.shape), rng)
        for part, factor in scale.items():
            value = value * factor if part in name else value
        weights[name] = torch.from_numpy(np.asarray(value, np.float32)).to(dtype)
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert set(missing) == tied and not unexpected, (missing, unexpected)
    model.tie_weights()
    return weights

"""Writes what sampling filters, beam search and the random generator of generation must give.

All are NumPy references of their definitions, in float64; the models of two beam searches are those
of transformers. Run it after gemma.py and paligemma.py, with PyTorch (2.13.0), transformers
(5.18.0), NumPy and safetensors installed:

    python scripts/oracles/generation.py     # writes test/fixtures/generation

sampling      inputs.safetensors: logits [R, V] float32; expected.safetensors: probabilities
              [C, R, V] float64 of the C combinations in case.json, and logprobs [R, V] float64, of
              the logits as they are. A combination has a `temperature`, a `top_k` (0: all), a
              `top_p` and `allowed`, the ids that may be chosen (null: all)
beam_table    a model that is a table: inputs.safetensors: logits [R, L, V, V] float32, of the next
              token at a step (0 is the first) after a token (the `start_token_id` at step 0)
beam_gqa, beam_batch
              models of test/fixtures, named in case.json, and the prompts of their
              inputs.safetensors
philox.json   a list of {counter: 4 words, key: 2 words, output: 4 words}, each of 32 bits

A beam search's case.json has `max_new_tokens`, `eos_token_id`, `pad_token_id` and the widths
`beams`; expected.safetensors has for a width n: n{n}.sequences [R, L] int64, the tokens found
including the end, padding after it; n{n}.scores [R] float64, the sums of their log-probabilities;
n{n}.steps [R] int64, the number of times the model was asked.
"""

import itertools
import json
import logging
import pathlib

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

import gemma
import paligemma
from gemma_run import double_precision, to_double
from paligemma_run import prompt_inputs

FIXTURES = pathlib.Path(__file__).parents[2] / "test" / "fixtures"
TARGET = FIXTURES / "generation"

COMBINATIONS = [
    dict(temperature=temperature, top_k=top_k, top_p=top_p, allowed=allowed)
    for temperature, top_k, top_p, allowed in [
        (1.0, 0, 1.0, None), (0.25, 0, 1.0, None), (3.0, 0, 1.0, None),
        (1.0, 1, 1.0, None), (1.0, 5, 1.0, None), (0.7, 12, 1.0, None), (1.0, 60, 1.0, None),
        (1.0, 0, 0.01, None), (1.0, 0, 0.5, None), (1.0, 0, 0.83, None), (0.6, 0, 0.9, None),
        (2.5, 0, 0.97, None), (1.0, 8, 0.77, None), (0.8, 3, 0.6, None), (1.7, 20, 0.93, None),
        (1.0, 0, 1.0, [2, 3, 5, 7, 11]), (1.3, 3, 0.8, list(range(0, 37, 2))), (1.0, 0, 0.4, [36])]]

# The models of beam searches: the folder of the case, and the id that ends a text there.
MODELS = {"beam_gqa": (gemma, "gqa", 16), "beam_batch": (paligemma, "batch", 17)}


def log_softmax(logits):
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def filtered(logits, temperature, top_k, top_p, allowed):
    """Probabilities [R, V] after the allowed ids, the temperature, top-k and top-p, in this order.

    Both cuts keep what equals the last logit they keep; that of top-p is the first at which the
    probabilities from the largest on, of what top-k kept, sum up to p.
    """
    logits = logits.astype(np.float64) / temperature
    if allowed is not None:
        others = np.setdiff1d(np.arange(logits.shape[-1]), allowed)
        logits[:, others] = -np.inf
    if 0 < top_k < logits.shape[-1]:
        least = np.sort(logits, -1)[:, -top_k, None]
        logits = np.where(logits < least, -np.inf, logits)
    if top_p < 1:
        descending = -np.sort(-logits, -1)
        sums = np.exp(log_softmax(descending)).cumsum(-1)
        assert np.abs(sums - top_p).min() > 1e-4, f"top_p {top_p} is undecided in float32"
        least = np.take_along_axis(descending, (sums < top_p).sum(-1, keepdims=True), -1)
        logits = np.where(logits < least, -np.inf, logits)
    return np.exp(log_softmax(logits))


def draw_logits(rng):
    """Rows of 37 logits: usual ones, a leader, ties, all alike, large ones, small differences."""
    rows = rng.normal(0, 2, (6, 37)).astype(np.float32)
    rows[1, 20] = 12
    rows[2] = np.round(rows[2] / 2)
    rows[3] = -1.5
    rows[4] = 300 + 8 * rows[4]
    rows[5] = 1e-2 * rows[5]
    return rows


def write_sampling():
    logits = draw_logits(np.random.default_rng(7))
    probabilities = np.stack([filtered(logits, **options) for options in COMBINATIONS])
    expected = {"probabilities": probabilities, "logprobs": log_softmax(logits.astype(np.float64))}
    counts = (probabilities > 0).sum(-1)
    top5 = COMBINATIONS.index(dict(temperature=1.0, top_k=5, top_p=1.0, allowed=None))
    assert counts[top5, 2] > 5, "no tie crosses the cut of top-k"
    print(f"sampling: kept {counts.tolist()}")
    write("sampling", {"logits": logits}, expected, COMBINATIONS)


def beam_search(next_logprobs, width, end, limit):
    """The best text that ends within `limit` tokens, its sum of log-probabilities, and the steps.

    A state is the best text that has ended and up to `width` that have not. Each step: every open
    text may end, the best of these and of what ended before stays; every open text goes on with its
    `width` + 1 likeliest tokens but the end, the best `width` of all stay. It stops at the limit,
    or when the best open text is worse than the ended one: it can only get worse.
    `next_logprobs` gives [K, V] for K texts of the same length, tuples of ids.
    """
    opened, ended, leads = [((), 0.0)], ((), -np.inf), []
    for step in range(1, limit + 1):
        logprobs = next_logprobs([tokens for tokens, _ in opened])
        endings = [(tokens + (end,), total + row[end])
                   for (tokens, total), row in zip(opened, logprobs)]
        ended, *others = sorted([ended, *endings], key=lambda text: -text[1])
        leads.append(ended[1] - others[0][1])
        going_on = [(tokens + (token,), total + row[token])
                    for (tokens, total), row in zip(opened, logprobs)
                    for token in np.argsort(-row)[:width + 1].tolist() if token != end]
        going_on.sort(key=lambda text: -text[1])
        opened = going_on[:width]
        if len(going_on) > width:
            leads.append(opened[-1][1] - going_on[width][1])
        leads.append(abs(opened[0][1] - ended[1]))
        if opened[0][1] < ended[1]:
            break
    assert min(leads) > 5e-4, f"a beam is undecided by {min(leads):.1g}"
    return *ended, step


def write_beams(name, inputs, models, options):
    """Searches with every width in a list of models, functions as beam_search takes them."""
    expected, limit = {}, options["max_new_tokens"]
    for width in options["beams"]:
        results = [beam_search(model, width, options["eos_token_id"], limit) for model in models]
        sequences = [list(tokens) + [options["pad_token_id"]] * (limit - len(tokens))
                     for tokens, _, _ in results]
        expected.update({f"n{width}.sequences": np.array(sequences),
                         f"n{width}.scores": np.array([total for _, total, _ in results]),
                         f"n{width}.steps": np.array([steps for _, _, steps in results])})
        lengths = [len(tokens) for tokens, _, _ in results]
        print(f"{name}: width {width}: lengths {lengths}, sums "
              f"{np.round(expected[f'n{width}.scores'], 3).tolist()}, steps "
              f"{expected[f'n{width}.steps'].tolist()}")
    widest = f"n{options['beams'][-1]}"
    assert (expected["n1.scores"] < expected[f"{widest}.scores"]).any(), f"{name}: width is nothing"
    write(name, inputs, expected, options)
    return expected


def table_model(table, start):
    """The next log-probabilities of a table [L, V, V]."""
    logprobs = log_softmax(table.astype(np.float64))
    return lambda texts: np.stack([logprobs[len(tokens), tokens[-1] if tokens else start]
                                   for tokens in texts])


def exhaustive(table, start, end):
    """The best of all texts that end within the table's length, and its sum."""
    logprobs, entries = log_softmax(table.astype(np.float64)), range(table.shape[-1])
    best = ((), -np.inf)
    for length in range(len(table)):
        for words in itertools.product([entry for entry in entries if entry != end], repeat=length):
            path = (start, *words, end)
            total = sum(logprobs[step, last, token]
                        for step, (last, token) in enumerate(zip(path, path[1:])))
            best = max(best, (path[1:], total), key=lambda text: text[1])
    return best


def write_beam_table():
    tables = np.random.default_rng(11).normal(0, 2.5, (5, 4, 8, 8)).astype(np.float32)
    start, end = 2, 1
    # An early end is made unlikely, so that there is something to search for.
    tables[:, :2, :, end] -= 3
    options = dict(max_new_tokens=4, eos_token_id=end, pad_token_id=0, start_token_id=start,
                   beams=[1, 2, 3, 4, 512])
    expected = write_beams("beam_table", {"logits": tables},
                           [table_model(table, start) for table in tables], options)
    for row, table in enumerate(tables):
        tokens, total = exhaustive(table, start, end)
        found = expected["n512.sequences"][row]
        assert tuple(found[:len(tokens)]) == tokens and not found[len(tokens):].any()
        assert abs(total - expected["n512.scores"][row]) < 1e-12


def prompts_of(module, case):
    """The prompts of a case without their padding: a list of inputs of one row each."""
    inputs = {name: torch.from_numpy(value) for name, value
              in load_file(FIXTURES / module.TARGET.name / case / "inputs.safetensors").items()}
    if module is paligemma:
        inputs = prompt_inputs(inputs, torch.float64)
    rows = []
    for row, mask in enumerate(inputs["attention_mask"].bool()):
        chosen = {name: value[row, mask][None] for name, value in inputs.items()
                  if name != "pixel_values"}
        if "pixel_values" in inputs:
            chosen["pixel_values"] = inputs["pixel_values"][row, None]
        rows.append(chosen)
    return rows


def prompt_model(model, prompt):
    """The next log-probabilities after a prompt, each from one pass over prompt and text."""
    @torch.no_grad()
    def next_logprobs(texts):
        new = torch.tensor(texts, dtype=torch.int64).reshape(len(texts), -1)
        inputs = {name: value.expand(len(texts), *value.shape[1:])
                  for name, value in prompt.items()}
        inputs["input_ids"] = torch.cat([inputs["input_ids"], new], 1)
        for name in ("attention_mask", "token_type_ids"):
            if name in inputs:
                inputs[name] = torch.cat([inputs[name], torch.ones_like(new)], 1)
        return model(**inputs).logits[:, -1].log_softmax(-1).numpy()
    return next_logprobs


def write_beam_models():
    for name, (module, case, end) in MODELS.items():
        folder = module.TARGET / case
        config = json.loads((folder / "config.json").read_text())
        model = module.build(config)
        model = type(model).from_pretrained(folder, dtype=torch.float32,
                                            attn_implementation="eager").eval()
        options = dict(model=f"{module.TARGET.name}/{case}", max_new_tokens=10, eos_token_id=end,
                       pad_token_id=0, beams=[1, 2, 3, 4])
        with double_precision():
            to_double(model)
            searches = [prompt_model(model, prompt) for prompt in prompts_of(module, case)]
            write_beams(name, {}, searches, options)


def philox(counter, key, bits=32, rounds=10):
    """Philox4x32-10 (4x64 with 64 bits) of Salmon et al. 2011: four words of a counter and a key.

    https://www.thesalmons.org/john/random123/papers/random123sc11.pdf
    """
    multipliers, increments = {
        32: ((0xD2511F53, 0xCD9E8D57), (0x9E3779B9, 0xBB67AE85)),
        64: ((0xD2E7470EE14C6C93, 0xCA5A826395121157), (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)),
    }[bits]
    lowest, (a, b, c, d), (k0, k1) = 2**bits - 1, counter, key
    for _ in range(rounds):
        first, second = multipliers[0] * a, multipliers[1] * c
        a, b, c, d = ((second >> bits) ^ b ^ k0, second & lowest,
                      (first >> bits) ^ d ^ k1, first & lowest)
        k0, k1 = (k0 + increments[0]) & lowest, (k1 + increments[1]) & lowest
    return [a, b, c, d]


def write_philox():
    # The known answers of Random123, github.com/DEShawResearch/random123, tests/kat_vectors.
    ones = 0xFFFFFFFF
    known = [
        ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([ones] * 4, [ones] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        ([0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], [0xA4093822, 0x299F31D0],
         [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1])]
    for counter, key, output in known:
        assert philox(counter, key) == output
    # NumPy has the generator of 64 bits, whose rounds are the same.
    key, counter = [0x0123456789ABCDEF, 0xFEDCBA9876543210], [3, 5, 7, 11]
    generator = np.random.Philox(key=np.array(key, np.uint64), counter=np.array(counter, np.uint64))
    # It counts on before it draws.
    assert generator.random_raw(4).tolist() == philox([4, 5, 7, 11], key, bits=64)
    rng = np.random.default_rng(13)
    drawn = [(rng.integers(0, 2**32, 4).tolist(), rng.integers(0, 2**32, 2).tolist())
             for _ in range(8)]
    counted = [([count, 0, row, 0], [1234, 0]) for row in range(2) for count in range(4)]
    vectors = [{"counter": counter, "key": key, "output": philox(counter, key)}
               for counter, key in [known[0][:2], known[1][:2], known[2][:2], *drawn, *counted]]
    (TARGET / "philox.json").write_text(json.dumps(vectors) + "\n")


def write(name, inputs, expected, options):
    folder = TARGET / name
    folder.mkdir(parents=True, exist_ok=True)
    if inputs:
        save_file(inputs, folder / "inputs.safetensors")
    save_file(expected, folder / "expected.safetensors")
    (folder / "case.json").write_text(json.dumps(options) + "\n")


def main():
    logging.getLogger("transformers").setLevel(logging.ERROR)
    write_sampling()
    write_beam_table()
    write_beam_models()
    write_philox()


if __name__ == "__main__":
    main()

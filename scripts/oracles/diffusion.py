"""Writes what the mathematics of diffusion must give: NumPy, float64, straight from the papers.

    python scripts/oracles/diffusion.py            # writes test/fixtures/diffusion

Sources: Kingma et al. (arXiv 2107.00630), Salimans and Ho (2202.00512), Ho et al. (2204.03458 and
2210.02303), Saharia et al. (2205.11487), Ho and Salimans (2207.12598), Hang et al. (2303.09556).
Formulas are written as the papers have them, with plain exponentials and quotients, and not in the
forms that lose no digits; the test's tolerance of 1e-10 has room for that. Of what SciPy or PyTorch
can say, quantiles are checked against torch.quantile.

The network of the runs is v = tanh(z + c) - 0.05 logsnr for samples z [B, 2, 3] and a condition c
[B, 1, 1]. Random numbers are Philox 4x32-10 (Salmon et al., 2011) and Box and Muller's transform.

Files, all of float64 and int64:
schedules     times [K]; logsnr.{kind} [K]; logsnr.shifted
predictions   z, x, epsilon [B, S], logsnr [B]; v; and factor.{weight}.{kind} [B]
steps         z, x, epsilon, noise [S]; ddim, ancestral.{gamma}, renoised, langevin
thresholds    x [B, S]; dynamic.{percentile}, bounded
noise         normal.{seed}.{stream}.{draw} [10], uniform.{seed}.{stream}.{draw}; augmented.{snr}
targets       x, epsilon [N, 2, 3]; z, target.x, target.epsilon, target.v: the steps 0 to N - 1
runs          {name} [B, 2, 3]; options as JSON in the metadata
known         values, mask, matrix, offset, z; reconstructed
"""

import json
import math
import pathlib

import numpy as np
import torch
from safetensors.numpy import save_file

TARGET = pathlib.Path(__file__).parents[2] / "test" / "fixtures" / "diffusion"
SHAPE = (2, 3)
DRAW_BITS = 40


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def alpha(logsnr):
    return np.sqrt(sigmoid(logsnr))


def sigma(logsnr):
    return np.sqrt(sigmoid(-logsnr))


def cosine(t, least=-20, most=20):
    b = np.arctan(np.exp(-most / 2))
    a = np.arctan(np.exp(-least / 2)) - b
    return -2 * np.log(np.tan(a * t + b))


def offset_cosine(t, s=0.008):
    square = np.cos((t + s) / (1 + s) * math.pi / 2) ** -2 - 1
    return -np.log(np.maximum(square, 1e-5))


def linear(t):
    return -np.log(np.expm1(1e-4 + 10 * t**2))


# Philox 4x32-10: key (seed), counter (offset, stream).
def philox(seed, stream, offset):
    counter = [offset & 0xFFFFFFFF, offset >> 32, stream & 0xFFFFFFFF, stream >> 32]
    key = [seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF]
    for _ in range(10):
        first, second = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [(second >> 32) ^ counter[1] ^ key[0], second & 0xFFFFFFFF,
                   (first >> 32) ^ counter[3] ^ key[1], first & 0xFFFFFFFF]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return counter


def normal(seed, stream, draw, count):
    numbers = []
    for block in range((count + 3) // 4):
        words = philox(seed, stream, (draw << DRAW_BITS) + block)
        for first, second in (words[:2], words[2:]):
            radius = math.sqrt(-2 * math.log((first + 0.5) / 2**32))
            angle = 2 * math.pi * second / 2**32
            numbers += [radius * math.cos(angle), radius * math.sin(angle)]
    return np.array(numbers[:count])


def uniform(seed, stream, draw):
    high, low = philox(seed, stream, draw << DRAW_BITS)[:2]
    return ((high << 32 | low) >> 11) / 2**53


class Draws:
    """The draws of a run, one after the other, for samples of seeds 5, 6, ..."""

    def __init__(self, batch):
        self.batch, self.number = batch, 0

    def __call__(self):
        rows = [normal(5 + b, b, self.number, math.prod(SHAPE)) for b in range(self.batch)]
        self.number += 1
        return np.stack(rows).reshape(self.batch, *SHAPE)


def network(z, logsnr, c):
    return np.tanh(z + c) - 0.05 * logsnr


def quantile(values, q):
    expected = torch.quantile(torch.from_numpy(values), q, dim=1).numpy()
    ours = np.quantile(values, q, axis=1)
    assert np.abs(ours - expected).max() < 1e-12
    return ours


def dynamic(x, percentile, most=np.inf):
    s = np.clip(quantile(np.abs(x).reshape(len(x), -1), percentile), 1, most)
    s = s.reshape(-1, *[1] * (x.ndim - 1))
    return np.clip(x, -s, s) / s


def ancestral(z, x, t, s, gamma, noise):
    """From logsnr t to logsnr s: section 2 of arXiv 2204.03458."""
    ratio = np.exp(t - s)
    mean = ratio * alpha(s) / alpha(t) * z + (1 - ratio) * alpha(s) * x
    lower, upper = (1 - ratio) * sigma(s) ** 2, (1 - ratio) * sigma(t) ** 2
    return mean + np.sqrt(lower ** (1 - gamma) * upper**gamma) * noise


def renoised(z, s, k, noise):
    return alpha(k) / alpha(s) * z + np.sqrt((1 - np.exp(k - s)) * sigma(k) ** 2) * noise


def langevin(z, epsilon, logsnr, delta, noise):
    return z - delta / 2 * sigma(logsnr) * epsilon + math.sqrt(delta) * sigma(logsnr) * noise


def weight_at(guidance, step, steps):
    if not isinstance(guidance, dict):
        return guidance
    first = math.ceil(guidance["lead"] * steps)
    if step < first:
        return guidance["weight"]
    return guidance["low"] if (step - first) % 2 == 0 else guidance["weight"]


def run(options, c, without, start):
    """A whole run of a sampler: [B, 2, 3]."""
    steps, skip = options["steps"], options.get("skip", 0)
    draws = Draws(len(c))
    level = [cosine((steps - i) / steps) for i in range(steps + 1)]

    def evaluate(z, step):
        w = weight_at(options.get("guidance", 0), min(step, steps - 1), steps)
        v = (1 + w) * network(z, level[step], c) - w * network(z, level[step], without)
        x = alpha(level[step]) * z - sigma(level[step]) * v
        threshold = options.get("threshold", "static")
        if threshold == "static":
            x = np.clip(x, -1, 1)
        elif threshold != "none":
            x = dynamic(x, threshold["percentile"])
        return x, (z - alpha(level[step]) * x) / sigma(level[step])

    z = draws()
    if skip:
        z = alpha(level[skip]) * start + sigma(level[skip]) * z
    for step in range(skip, steps):
        x, epsilon = evaluate(z, step)
        if step + 1 == steps:
            return x
        s = level[step + 1]
        if options["kind"] == "ddim":
            z = alpha(s) * x + sigma(s) * epsilon
        elif options["kind"] == "ancestral":
            z = ancestral(z, x, level[step], s, options["gamma"], draws())
        else:
            far = level[step + 2]
            ahead = x if step + 2 == steps else alpha(far) * x + sigma(far) * epsilon
            z = renoised(ahead, far, s, draws())
        for _ in range(options.get("corrections", 0)):
            _, epsilon = evaluate(z, step + 1)
            z = langevin(z, epsilon, s, options["delta"], draws())


RUNS = {
    "ddim": dict(kind="ddim", steps=5, threshold="none"),
    "ddim_static": dict(kind="ddim", steps=5),
    "ddim_skip": dict(kind="ddim", steps=6, skip=2, threshold="none"),
    "ancestral": dict(kind="ancestral", steps=4, gamma=0.3, threshold="none"),
    "ancestral_guided": dict(kind="ancestral", steps=5, gamma=1.0, guidance=3.0,
                             threshold={"percentile": 0.8}),
    "ancestral_corrected": dict(kind="ancestral", steps=3, gamma=0.0, corrections=2, delta=0.1,
                                threshold="none"),
    "stochastic": dict(kind="stochastic", steps=8, threshold="none"),
    "oscillating": dict(kind="ddim", steps=7, guidance=dict(weight=15.0, low=1.0, lead=0.2)),
    "one_step": dict(kind="stochastic", steps=1, threshold="none"),
}


def target(x, epsilon, step, steps, c):
    """One sample's target: algorithm 2 of arXiv 2202.00512, with its own names."""
    t, m, s = (cosine((step + more) / steps) for more in (1, 0.5, 0))
    z_t = alpha(t) * x + sigma(t) * epsilon

    def teacher(z, logsnr):
        v = network(z, logsnr, c)
        return alpha(logsnr) * z - sigma(logsnr) * v, sigma(logsnr) * z + alpha(logsnr) * v

    x1, epsilon1 = teacher(z_t, t)
    x2, epsilon2 = teacher(alpha(m) * x1 + sigma(m) * epsilon1, m)
    z_s = alpha(s) * x2 + sigma(s) * epsilon2
    r = sigma(s) / sigma(t)
    found = x2 if step == 0 else (z_s - r * z_t) / (alpha(s) - r * alpha(t))
    noise = (z_t - alpha(t) * found) / sigma(t)
    return z_t, found, noise, alpha(t) * noise - sigma(t) * found


def factors(logsnr):
    """What a squared error of x, epsilon or v is multiplied with, by the weight of that of x."""
    snr = np.exp(logsnr)
    of_x = {"v": snr + 1, "epsilon": snr, "truncated": np.maximum(snr, 1),
            "min_snr": np.minimum(snr, 5)}
    per_x = {"x": 1, "epsilon": 1 / snr, "v": 1 / (snr + 1)}
    return {f"factor.{weight}.{kind}": value * share
            for weight, value in of_x.items() for kind, share in per_x.items()}


def write(name, tensors, metadata=None):
    tensors = {key: np.ascontiguousarray(value) for key, value in tensors.items()}
    save_file(tensors, TARGET / f"{name}.safetensors", metadata=metadata)


def main():
    rng = np.random.default_rng(7)
    TARGET.mkdir(parents=True, exist_ok=True)

    times = np.concatenate([np.linspace(0, 1, 33), rng.uniform(0, 1, 16)])
    inner = np.where(times == 1, 0.999, times)  # the offset cosine ends at minus infinity
    write("schedules", {"times": times, "inner": inner, "logsnr.cosine": cosine(times),
                        "logsnr.narrow": cosine(times, -10, 12),
                        "logsnr.shifted": cosine(times) + 2 * math.log(64 / 256),
                        "logsnr.offset_cosine": offset_cosine(inner),
                        "logsnr.linear": linear(times)})

    logsnr = np.array([-12.0, -1.5, 0.0, 0.7, 11.0])
    x, epsilon = rng.normal(size=(2, len(logsnr), 4))
    a, s = alpha(logsnr)[:, None], sigma(logsnr)[:, None]
    write("predictions", {"logsnr": logsnr, "x": x, "epsilon": epsilon, "z": a * x + s * epsilon,
                          "v": a * epsilon - s * x, **factors(logsnr)})

    z, x, epsilon, noise = rng.normal(size=(4, 6))
    steps = {"z": z, "x": x, "epsilon": epsilon, "noise": noise,
             "ddim": alpha(1.5) * x + sigma(1.5) * epsilon,
             "renoised": renoised(z, 1.5, -0.5, noise),
             "langevin": langevin(z, epsilon, 0.5, 0.1, noise)}
    for gamma in (0.0, 0.3, 1.0):
        steps[f"ancestral.{gamma}"] = ancestral(z, x, -0.5, 1.5, gamma, noise)
    write("steps", steps)

    x = rng.normal(0, [[[0.4]], [[1.0]], [[2.5]]], (3, 7, 5))
    write("thresholds", {"x": x, "bounded": dynamic(x, 0.9, 1.5),
                         **{f"dynamic.{p}": dynamic(x, p) for p in (0.5, 0.95, 0.995, 1.0)}})

    noises = {}
    for seed, stream, draw in ((0, 0, 0), (7, 0, 0), (7, 3, 0), (7, 3, 11), (2**40 + 5, 1, 2**22)):
        noises[f"normal.{seed}.{stream}.{draw}"] = normal(seed, stream, draw, 10)
        noises[f"uniform.{seed}.{stream}.{draw}"] = np.array([uniform(seed, stream, draw)])
    noises["c"] = rng.uniform(-1, 1, 10)
    for snr in (3, 5):
        level = math.log(snr)
        noises[f"augmented.{snr}"] = (alpha(level) * noises["c"]
                                      + sigma(level) * noises["normal.7.3.11"])
    write("noise", noises)

    count = 4
    x, epsilon = rng.normal(size=(2, count, *SHAPE))
    rows = [target(x[i], epsilon[i], i, count, 0.2) for i in range(count)]
    z, found, noise, v = (np.stack(part) for part in zip(*rows))
    write("targets", {"x": x, "epsilon": epsilon, "z": z, "target.x": found,
                      "target.epsilon": noise, "target.v": v})

    c, without = rng.normal(size=(2, 3, 1, 1))
    start = rng.uniform(-1, 1, (3, *SHAPE))
    results = {name: run(options, c, without, start) for name, options in RUNS.items()}
    write("runs", {"c": c, "without": without, "start": start, **results},
          {"options": json.dumps(RUNS)})

    # x = M z + b for 6 numbers, of which some are known: the gradient is -2 M^T (known - x).
    matrix, offset = rng.normal(size=(6, 6)), rng.normal(size=6)
    z, values = rng.normal(size=(2, 2, 6))
    mask = np.array([1, 1, 0, 0, 1, 0], np.int64)
    x = z @ matrix.T + offset
    gradient = -2 * (mask * (values - x)) @ matrix
    moved = x - 1.7 * alpha(0.4) / 2 * gradient
    write("known", {"matrix": matrix, "offset": offset, "z": z, "values": values, "mask": mask,
                    "reconstructed": np.where(mask, x, moved)})


if __name__ == "__main__":
    main()

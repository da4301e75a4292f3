"""Writes the fixtures of the optimizers and schedules: steps of torch.optim and optax.

Run it with PyTorch, optax, NumPy and safetensors installed:

    python scripts/oracles/optimizers.py        # writes test/fixtures/optimizers

Each file holds the weights before the first step (`start.NAME`), the gradients of each step
(`gradient.STEP.NAME`) and the weights after it (`weight.STEP.NAME`); the metadata has the options as
the trainer takes them. Adafactor is put together as big_vision's `scale_by_adafactor` does it, from
optax's own parts.
"""

import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
from safetensors.numpy import save_file

OUT = pathlib.Path(__file__).parents[2] / "test/fixtures/optimizers"
SHAPES = {"matrix": (9, 12), "square": (10, 10), "stack": (3, 8, 10), "narrow": (2, 16), "row": (6,)}
STEPS = 6
RATE = 0.05
DECAY = 0.1

CASES = {
    "adamw": {"kind": "adamw", "beta1": 0.85, "beta2": 0.97, "eps": 1e-7},
    "sgd": {"kind": "sgd", "momentum": 0.8},
    "sgd_nesterov": {"kind": "sgd", "momentum": 0.7, "nesterov": True},
    "sgd_plain": {"kind": "sgd", "momentum": 0},
    "adafactor": {"kind": "adafactor", "min_dim_to_factor": 4},
    "adafactor_clipped": {"kind": "adafactor", "momentum": 0, "clip_threshold": 0.9,
                          "min_dim_to_factor": 9, "beta2_cap": 0.6, "eps": 1e-20},
}


def torch_optimizer(options, weights):
    rest = {key: value for key, value in options.items() if key != "kind"}
    if options["kind"] == "sgd":
        return torch.optim.SGD(weights, lr=RATE, weight_decay=DECAY, foreach=False, fused=False, **rest)
    betas = (rest["beta1"], rest["beta2"])
    return torch.optim.AdamW(weights, lr=RATE, weight_decay=DECAY, betas=betas, eps=rest["eps"],
                             foreach=False, fused=False)


def big_vision_adafactor(options):
    cap = options.get("beta2_cap", 0.999)
    threshold, momentum = options.get("clip_threshold", 0), options.get("momentum", 0.9)

    def decay(step, exponent):
        return jnp.minimum(cap, 1 - (jnp.array(step, jnp.float32) + 1) ** -exponent)

    parts = [optax.scale_by_factored_rms(
        factored=True, decay_rate=0.8, min_dim_size_to_factor=options.get("min_dim_to_factor", 32),
        epsilon=options.get("eps", 1e-30), decay_rate_fn=decay)]
    if threshold:
        parts.append(optax.clip_by_block_rms(threshold))
    if momentum:
        parts.append(optax.ema(momentum, debias=False, accumulator_dtype=jnp.bfloat16))
    return optax.chain(*parts, optax.add_decayed_weights(DECAY), optax.scale(-RATE))


def steps_of(options, start, gradients):
    if options["kind"] == "adafactor":
        transform = big_vision_adafactor(options)
        weights = {name: jnp.asarray(value) for name, value in start.items()}
        state = transform.init(weights)
        for step in gradients:
            own = {name: jnp.asarray(value) for name, value in step.items()}
            updates, state = transform.update(own, state, weights)
            weights = optax.apply_updates(weights, updates)
            yield {name: np.asarray(value) for name, value in weights.items()}
        return
    weights = {name: torch.tensor(value, requires_grad=True) for name, value in start.items()}
    optimizer = torch_optimizer(options, list(weights.values()))
    for step in gradients:
        for name, weight in weights.items():
            weight.grad = torch.tensor(step[name])
        optimizer.step()
        yield {name: weight.detach().numpy().copy() for name, weight in weights.items()}


def schedules():
    """Rates of steps 0 to 99 by optax, for schedules that both have."""
    peak, warmup, total = 0.3, 10, 100
    cosine = optax.warmup_cosine_decay_schedule(0, peak, warmup, total)
    linear = optax.join_schedules([optax.linear_schedule(0, peak, warmup),
                                   optax.linear_schedule(peak, 0, total - warmup)], [warmup])
    common = {"peak": peak, "steps": total, "warmup": warmup}
    return [{"options": {"kind": kind, **common}, "rates": [float(rate(t)) for t in range(total)]}
            for kind, rate in [("cosine", cosine), ("linear", linear)]]


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(7)
    for name, options in CASES.items():
        draw = lambda: {key: random.normal(size=shape).astype(np.float32) for key, shape in SHAPES.items()}
        start, gradients = draw(), [draw() for _ in range(STEPS)]
        tensors = {f"start.{key}": value for key, value in start.items()}
        for i, after in enumerate(steps_of(options, start, gradients)):
            tensors |= {f"gradient.{i}.{key}": value for key, value in gradients[i].items()}
            tensors |= {f"weight.{i}.{key}": value for key, value in after.items()}
        facts = {"options": options, "rate": RATE, "decay": DECAY, "steps": STEPS}
        save_file({key: np.ascontiguousarray(value) for key, value in tensors.items()},
                  OUT / f"{name}.safetensors", metadata={"case": json.dumps(facts)})
    (OUT / "schedules.json").write_text(json.dumps(schedules()) + "\n")


if __name__ == "__main__":
    jax.config.update("jax_platform_name", "cpu")
    main()

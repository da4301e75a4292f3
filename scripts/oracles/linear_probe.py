"""Writes the fixture of linear probes: scikit-learn's classifiers on drawn features.

Run it with NumPy, scikit-learn and safetensors installed:

    python scripts/oracles/linear_probe.py      # writes test/fixtures/linear_probe
"""

import pathlib

import numpy as np
from safetensors.numpy import save_file
from sklearn.linear_model import LogisticRegression, Ridge

OUT = pathlib.Path(__file__).parents[2] / "test" / "fixtures" / "linear_probe"
TRAIN, TEST, WIDTH, CLASSES, L2 = 120, 200, 6, 4, 0.01


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(3)
    middles = random.normal(0, 1, (CLASSES, WIDTH))
    labels = random.integers(0, CLASSES, TRAIN + TEST)
    features = (middles[labels] + random.normal(0, 1.1, (len(labels), WIDTH))).astype(np.float32)
    told = {"features": features[:TRAIN], "labels": labels[:TRAIN],
            "held_out": features[TRAIN:], "held_out_labels": labels[TRAIN:]}
    wide = features.astype(np.float64)
    # scikit-learn adds the penalty to sums over the examples, not to their means.
    logistic = LogisticRegression(C=1 / (TRAIN * L2), tol=1e-12, max_iter=10_000)
    logistic.fit(wide[:TRAIN], labels[:TRAIN])
    targets = np.where(np.eye(CLASSES)[labels[:TRAIN]] == 1, 1.0, -1.0)
    ridge = Ridge(alpha=TRAIN * L2, solver="cholesky").fit(wide[:TRAIN], targets)
    for name, model in {"logistic": logistic, "ridge": ridge}.items():
        logits = wide[TRAIN:] @ model.coef_.T + model.intercept_
        accuracy = (logits.argmax(1) == labels[TRAIN:]).mean()
        told |= {f"{name}.weight": model.coef_, f"{name}.bias": model.intercept_,
                 f"{name}.accuracy": np.array([accuracy])}
    told["l2"] = np.array([L2])
    save_file({key: np.ascontiguousarray(value) for key, value in told.items()},
              OUT / "probe.safetensors")


if __name__ == "__main__":
    main()

"""Scores of classifiers by scikit-learn 1.9.1: average precision of each label, top-1 accuracy.

    pip install scikit-learn
    python scripts/oracles/classification_scores.py   # writes test/fixtures/classification/scores.json

Scores are random, rounded in some cases so that many are equal; labels are rare, common, on every
sample or on none.
"""

import json
import pathlib

import numpy as np
from sklearn.metrics import accuracy_score, average_precision_score

OUT = pathlib.Path(__file__).parents[2] / "test/fixtures/classification/scores.json"
SHARES = (0.03, 0.2, 0.5, 0.9, 1.0, 0.0)


def multi_label(random, samples, digits):
    truths = np.stack([random.random(samples) < share for share in SHARES], 1).astype(int)
    truths[0, 0] = 1
    scores = np.round(truths * 0.7 + random.normal(size=truths.shape), digits)
    precisions = [average_precision_score(truths[:, k], scores[:, k]) if truths[:, k].any() else None
                  for k in range(len(SHARES))]
    known = [precision for precision in precisions if precision is not None]
    return {"scores": scores.ravel().tolist(), "truths": truths.ravel().tolist(),
            "precisions": precisions, "mean": float(np.mean(known))}


def single_label(random, samples, labels):
    truths = random.integers(labels, size=samples)
    scores = np.round(random.normal(size=(samples, labels)) + np.eye(labels)[truths], 4)
    return {"scores": scores.ravel().tolist(), "truths": truths.tolist(),
            "accuracy": accuracy_score(truths, scores.argmax(1))}


def main():
    random = np.random.default_rng(11)
    cases = {"labels": len(SHARES), "several": [multi_label(random, 60, digits) for digits in (4, 1, 0)],
             "one": {"labels": 5, **single_label(random, 60, 5)}}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(cases) + "\n")


if __name__ == "__main__":
    main()

"""Scores of videos: Fréchet distance by NumPy 2.4 and SciPy 1.17, SSIM and PSNR by scikit-image 0.26.

    pip install numpy scipy scikit-image
    python scripts/oracles/video_quality.py   # writes test/fixtures/video_quality/scores.json

Features are random, of full rank and of less than it; frames are ramps with noise of bytes.
"""

import json
import pathlib

import numpy as np
from scipy.linalg import sqrtm
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

OUT = pathlib.Path(__file__).parents[2] / "test/fixtures/video_quality/scores.json"


def frechet(one, other):
    means = one.mean(0) - other.mean(0)
    a, b = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    root = sqrtm(a.astype(complex) @ b)
    return float(means @ means + np.trace(a + b - 2 * root.real))


def features(random, samples, width, shift):
    mixing = random.normal(size=(width, width))
    return np.round(random.normal(size=(samples, width)) @ mixing * 0.3 + shift, 4)


def distances(random):
    cases = []
    for (samples, others, width) in ((40, 60, 6), (200, 150, 12), (5, 6, 8)):
        one = features(random, samples, width, 0)
        other = features(random, others, width, 0.5)
        cases.append({"width": width, "one": one.ravel().tolist(), "other": other.ravel().tolist(),
                      "distance": frechet(one, other)})
    return cases


def frames(random):
    height, width, count = 13, 17, 3
    ramp = np.linspace(0, 200, width)[None, None, :, None] + np.zeros((count, height, 1, 3))
    noise = random.normal(size=ramp.shape) * np.array([1, 8, 40]).reshape(count, 1, 1, 1)
    one = np.clip(ramp + 20, 0, 255).round().astype(np.uint8)
    other = np.clip(ramp + 20 + noise, 0, 255).round().astype(np.uint8)
    ssim = [structural_similarity(a, b, data_range=255, channel_axis=2, gaussian_weights=True,
                                  sigma=1.5, use_sample_covariance=False)
            for a, b in zip(one, other)]
    psnr = [peak_signal_noise_ratio(a, b, data_range=255) for a, b in zip(one, other)]
    return {"frames": count, "height": height, "width": width, "one": one.ravel().tolist(),
            "other": other.ravel().tolist(), "ssim": ssim, "psnr": psnr}


def main():
    random = np.random.default_rng(7)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({"frechet": distances(random), "clips": frames(random)}) + "\n")


if __name__ == "__main__":
    main()

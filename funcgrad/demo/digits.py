"""1797 handwritten digits of 8 by 8 pixels, to try a classifier on without a download.

Knows NumPy and one file beside it; `DIGITS.md` says where that comes from and under which licence.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

__all__ = ["load", "split"]

TEST = 360


def load() -> tuple[np.ndarray, np.ndarray]:
    """All digits in their original order.

    Images are float32 [1797, 64] in 0..1, labels int64 [1797].

    >>> images, labels = load()
    >>> images.shape, labels[:10].tolist()
    ((1797, 64), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    with np.load(Path(__file__).with_name("digits.npz")) as file:
        images, labels = file["images"], file["labels"]
    # 16 is the most ink a pixel can have; the quotients are exact
    return images.reshape(-1, 64).astype(np.float32) / 16, labels.astype(np.int64)


def split() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """((images, labels) to train on, (images, labels) to test on): 1437 and 360, always the same.

    Shuffled first, so every writer is likely in both: scores say nothing of a writer never seen.
    """
    images, labels = load()
    order = np.random.RandomState(0).permutation(len(labels))
    test, train = order[:TEST], order[TEST:]
    return (images[train], labels[train]), (images[test], labels[test])

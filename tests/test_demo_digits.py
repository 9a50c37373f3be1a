"""The digits are all there, scaled, and always split alike."""

import zlib
from pathlib import Path

import numpy as np

from funcgrad.demo import digits


def test_load():
    images, labels = digits.load()
    assert (images.shape, images.dtype) == ((1797, 64), np.float32)
    assert (labels.shape, labels.dtype) == ((1797,), np.int64)
    assert images.min() == 0 and images.max() == 1
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert zlib.crc32((images * 16).astype(np.uint8).tobytes()) == 4087501628


def test_split_is_a_fixed_partition():
    (train, train_labels), (test, test_labels) = digits.split()
    assert len(train) == len(train_labels) == 1437 and len(test) == len(test_labels) == 360
    images, labels = digits.load()
    whole, parts = (
        sorted(zip(map(bytes, x), y.tolist(), strict=True))
        for x, y in (
            (images, labels),
            (np.concatenate([train, test]), np.concatenate([train_labels, test_labels])),
        )
    )
    assert whole == parts
    assert test_labels[:10].tolist() == [2, 8, 2, 6, 6, 7, 1, 9, 8, 5]
    assert np.bincount(test_labels).min() > 20


def test_the_file_is_small():
    assert Path(digits.__file__).with_name("digits.npz").stat().st_size < 100_000

"""Keys and random bits of JAX's generator, number for number: Threefry-2x32 (Salmon, Moraes, Dror and Shaw, 2011).

A key is its two words, in a last dimension of its array. Counters are the places of the numbers in the result, as JAX
takes them where `jax_threefry_partitionable` is on, which is its default; where it is off, nothing here applies.
"""

from __future__ import annotations

import jax
import numpy as np

_ROTATIONS = (13, 15, 26, 6), (17, 29, 16, 24)
_PARITY = np.uint32(0x1BD11BDA)


def threefry(key, high, low):
    """The two words that the key makes of each counter of two words."""
    keys = key[0], key[1], key[0] ^ key[1] ^ _PARITY
    x, y = high + keys[0], low + keys[1]
    for i in range(5):
        for r in _ROTATIONS[i % 2]:
            x += y
            y = (y << np.uint32(r)) | (y >> np.uint32(32 - r))
            y ^= x
        x += keys[(i + 1) % 3]
        y += keys[(i + 2) % 3] + np.uint32(i + 1)
    return x, y


def _counters(shape):
    places = np.arange(np.prod(shape, dtype=np.int64), dtype=np.uint64).reshape(shape)
    return (places >> np.uint64(32)).astype(np.uint32), places.astype(np.uint32)


def _same(params, ins, outs):
    return lambda key: key


def _split(params, ins, outs):
    shape = params["shape"]
    if len(ins[0].shape) != 1 or not jax.config.jax_threefry_partitionable:
        return None
    return lambda key: np.stack(threefry(key, *_counters(shape)), -1)


def _bits(params, ins, outs):
    shape, dtype = params["shape"], outs[0].dtype
    if len(ins[0].shape) != 1 or not jax.config.jax_threefry_partitionable:
        return None

    def bits(key):
        high, low = threefry(key, *_counters(shape))
        if dtype.itemsize == 8:
            return (high.astype(np.uint64) << np.uint64(32)) | low
        return (high ^ low).astype(dtype)

    return bits


DRAWS = {
    "random_wrap": (_same, 0.0),
    "random_unwrap": (_same, 0.0),
    "random_split": (_split, 100.0),
    "random_bits": (_bits, 100.0),
}
# what else may be done with keys: it leaves their last dimension alone
MOVES = frozenset({*DRAWS, "slice", "squeeze", "unstack", "split", "concatenate"})

"""Fourier transforms with the standard's keywords."""

from __future__ import annotations

from types import SimpleNamespace

from ..tensor import NAMES
from .base import on

_T = SimpleNamespace(**NAMES["fft"])
_ONE, _MANY = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"), ("fftn", "ifftn", "rfftn", "irfftn")


def _one(name: str):
    f = getattr(_T, name)

    def g(x, /, *, n=None, axis=-1, norm="backward"):
        return f(x, n, axis, norm)

    g.__name__, g.__doc__ = name, f"`torch.fft.{name}` along `axis`."
    return g


def _many(name: str):
    f = getattr(_T, name)

    def g(x, /, *, s=None, axes=None, norm="backward"):
        return f(x, s, axes, norm)

    g.__name__, g.__doc__ = name, f"`torch.fft.{name}` along `axes`."
    return g


globals().update({n: _one(n) for n in _ONE} | {n: _many(n) for n in _MANY})


def fftfreq(n, /, *, d=1.0, dtype=None, device=None):
    """The frequencies of `fft` of `n` samples at distances `d`."""
    on(device)
    return _T.fftfreq(n, d, dtype=dtype)


def rfftfreq(n, /, *, d=1.0, dtype=None, device=None):
    """The frequencies of `rfft` of `n` samples at distances `d`."""
    on(device)
    return _T.rfftfreq(n, d, dtype=dtype)


def fftshift(x, /, *, axes=None):
    """The frequency 0 in the middle."""
    return _T.fftshift(x, axes)


def ifftshift(x, /, *, axes=None):
    """`fftshift` undone."""
    return _T.ifftshift(x, axes)


__all__ = sorted([*_ONE, *_MANY, "fftfreq", "fftshift", "ifftshift", "rfftfreq"])

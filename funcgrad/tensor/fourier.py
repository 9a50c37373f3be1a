"""`torch.fft`, `stft` and `istft`: over three rows and the functions of the tables. Must not know the tape.

A transform of n points pads or trims its dimension to n first. `norm` says which direction is divided by n:
"backward" (if None) the inverse, "forward" the other, "ortho" both by the root.
"""

from __future__ import annotations

from .. import dtypes
from ..op import REGISTRY
from ..op.checks import wrap_dim
from .call import call
from .variants import NAMES, composite, into

T = NAMES["torch"]


def _divides(norm, forward: bool) -> str:
    if norm == "ortho":
        return norm
    if norm not in (None, "backward", "forward"):
        raise RuntimeError(f'Invalid normalization mode: "{norm}"')
    return "n" if forward == (norm == "forward") else "none"


def _inexact(x, complex_: bool = False):
    """`x` as something that can be transformed: integers as the default dtype, reals as complex where asked."""
    if not x.dtype.differentiable:
        x = x.to(dtypes.get_default_dtype())
    if x.dtype in (dtypes.float16, dtypes.bfloat16):
        raise RuntimeError(f"Unsupported dtype {x.dtype.legacy}")
    if not complex_ or x.dtype.is_complex:
        return x
    return x.to(dtypes.complex128 if x.dtype is dtypes.float64 else dtypes.complex64)


def _sized(x, dims, sizes):
    """`x` padded with zeros or trimmed to `sizes` along `dims`; -1 or None leaves a dimension alone."""
    for d, n in zip(dims, sizes, strict=True):
        if n in (None, -1):
            continue
        if n < 1:
            raise RuntimeError(f"Invalid number of data points ({n}) specified")
        have = x.shape[d]
        if n < have:
            x = x.narrow(d, 0, n)
        elif n > have:
            x = T["constant_pad_nd"](x, (0, 0) * (x.ndim - 1 - d % x.ndim) + (0, n - have), 0.0)
    return x


def _one(x, dim: int) -> tuple[int, ...]:
    if not x.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    return (wrap_dim(dim, x.ndim),)


def _which(x, s, dim):
    """(dims, sizes) of a transform over several dimensions; all, or the last len(s), if `dim` is None."""
    s, dim = ((v,) if isinstance(v, int) else None if v is None else tuple(v) for v in (s, dim))
    if dim is None:
        if s is not None and len(s) > x.ndim:
            raise RuntimeError(f"Got shape with {len(s)} values but input tensor only has {x.ndim} dimensions.")
        dims = tuple(range(x.ndim))[x.ndim - (x.ndim if s is None else len(s)) :]
    else:
        dims = tuple(wrap_dim(d, x.ndim) for d in dim)
        if len(set(dims)) < len(dims):
            raise RuntimeError("FFT dims must be unique")
        if s is not None and len(s) != len(dim):
            raise RuntimeError("When given, dim and shape arguments must have the same length")
    return dims, (None,) * len(dims) if s is None else s


def _some(name: str, dims) -> None:
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")


def _real(name: str, x, one: bool):
    if x.dtype.is_complex:
        if name == "ihfftn":
            raise RuntimeError(f"Only supports floating-point dtypes, but found: {x.dtype.legacy}")
        kind = "a real input tensor" if one else "a real-valued input tensor"
        raise RuntimeError(f"{name} expects {kind}, but got {x.dtype.legacy}")
    return _inexact(x)


# Each takes (name of the function, input, dims, sizes, norm, whether of one dimension).


def _c2c(forward):
    def transform(name, x, dims, sizes, norm, one):
        x = _sized(_inexact(x, True), dims, sizes)
        return x if not dims else _apply("fft_c2c", x, dims, _divides(norm, forward), forward=forward)

    return transform


def _rfft(name, x, dims, sizes, norm, one):
    x = _real(name, x, one)
    _some(name, dims)
    return _apply("fft_r2c", _sized(x, dims, sizes), dims, _divides(norm, True), onesided=True)


def _irfft(name, x, dims, sizes, norm, one):
    _some(name, dims)
    x, last = _halved(x, dims, sizes)
    return _apply("fft_c2r", x, dims, _divides(norm, False), last=last)


def _hfft(name, x, dims, sizes, norm, one):
    _some(name, dims)
    x, last = _halved(x, dims, sizes)
    how = _divides(norm, True)
    if dims[1:]:
        x = _apply("fft_c2c", x, dims[:-1], how, forward=True)
    return _apply("fft_c2r", T["conj"](x), dims[-1:], how, last=last)


def _ihfft(name, x, dims, sizes, norm, one):
    x = _real(name, x, one)
    _some(name, dims)
    how = _divides(norm, False)
    half = T["conj"](_apply("fft_r2c", _sized(x, dims, sizes), dims[-1:], how, onesided=True))
    return _apply("fft_c2c", half, dims[:-1], how, forward=False) if dims[1:] else half


def _halved(x, dims, sizes):
    """The complex half of a real signal, and how many points that has along the last of `dims`."""
    x = _inexact(x, True)
    last = sizes[-1] if sizes[-1] not in (None, -1) else 2 * (x.shape[dims[-1]] - 1)
    if last < 1:
        raise RuntimeError(f"Invalid number of data points ({last}) specified")
    return _sized(x, dims, (*sizes[:-1], last // 2 + 1)), last


def _apply(row, x, dims, norm, **more):
    return call(REGISTRY[row], (x,), {"dim": dims, "norm": norm, **more})


def _family(name: str, transform, words: str) -> None:
    """`name`, `name2` and `namen`: over one dimension, over two, over any number."""

    def along_one(input, n=None, dim=-1, norm=None, *, out=None):
        made = transform(name, input, _one(input, dim), (n,), norm, True)
        return made if out is None else into(out, made, f"fft_{name}")

    def along_two(input, s=None, dim=(-2, -1), norm=None, *, out=None):
        return along_some(input, s, dim, norm, out=out)

    def along_some(input, s=None, dim=None, norm=None, *, out=None):
        made = transform(f"{name}n", input, *_which(input, s, dim), norm, False)
        return made if out is None else into(out, made, f"fft_{name}n")

    over = {
        "": ("dimension `dim`", along_one), "2": ("two dimensions", along_two), "n": ("dimensions `dim`", along_some),
    }  # fmt: skip
    for suffix, (dims, function) in over.items():
        function.__name__ = function.__qualname__ = name + suffix
        function.__doc__ = f"{words} over {dims}."
        composite(where="fft")(function)


_family("fft", _c2c(True), "The Fourier transform")
_family("ifft", _c2c(False), "The inverse Fourier transform")
_family("rfft", _rfft, "The Fourier transform of a real signal, the half that says all,")
_family("irfft", _irfft, "The real signal, of n = 2 (m - 1) points unless told, of m points of its `rfft`")
_family("hfft", _hfft, "The Fourier transform, which is real, of a Hermitian signal given by its first half")
_family("ihfft", _ihfft, "The inverse of `hfft`, the half that says all,")


# ---- frequencies and shifts --------------------------------------------------------------------------


def _frequencies(name: str, positive: bool):
    def function(n, d=1.0, *, out=None, dtype=None, layout=None, device=None, requires_grad=False):
        dtype = dtypes.get_default_dtype() if dtype is None else dtype
        if not dtype.differentiable:
            raise RuntimeError(f"{name} requires a floating point or complex dtype")
        if positive:
            k = T["arange"](n // 2 + 1, dtype=dtype, device=device)
        else:
            k = T["arange"](n, dtype=dtypes.int64, device=device)
            k = T["where"](k < (n + 1) // 2, k, k - n).to(dtype)
        made = k * (1.0 / (n * d))
        made = made if out is None else into(out, made, f"fft_{name}")
        return made.requires_grad_() if requires_grad else made

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The frequencies of the points of {name.removesuffix('freq')}, in cycles per unit of `d`."
    return composite(where="fft")(function)


_frequencies("fftfreq", False)
_frequencies("rfftfreq", True)


def _shift(name: str, forth: bool):
    def function(input, dim=None):
        dims = tuple(range(input.ndim)) if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
        dims = tuple(wrap_dim(d, input.ndim) for d in dims)
        if not dims:
            return input.clone()
        sizes = [input.shape[d] for d in dims]
        return T["roll"](input, tuple(n // 2 if forth else (n + 1) // 2 for n in sizes), dims)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "The zero frequency moved to the middle." if forth else "The inverse of `fftshift`."
    return composite(where="fft")(function)


_shift("fftshift", True)
_shift("ifftshift", False)


# ---- short-time transforms ---------------------------------------------------------------------------


def _window(window, win_length: int, n_fft: int, like):
    """The window of n_fft points, zeros on both sides; None for ones throughout."""
    if window is None:
        if win_length == n_fft:
            return None
        window = T["ones"](win_length, dtype=like, device="cpu")
    left = (n_fft - win_length) // 2
    return T["constant_pad_nd"](window, (left, n_fft - win_length - left), 0.0) if n_fft > win_length else window


@composite("fm")
def stft(
    input,
    n_fft,
    hop_length=None,
    win_length=None,
    window=None,
    center=True,
    pad_mode="reflect",
    normalized=False,
    onesided=None,
    return_complex=None,
    align_to_window=None,
):
    """The Fourier transforms of pieces of the signal: (batch, frequencies, frames)."""
    if align_to_window is not None and center:
        raise RuntimeError("stft only supports align_to_window for center = False")
    hop = n_fft // 4 if hop_length is None else hop_length
    width = n_fft if win_length is None else win_length
    is_complex = input.dtype.is_complex or (window is not None and window.dtype.is_complex)
    if return_complex is None:
        if not is_complex:
            raise RuntimeError(
                "stft requires the return_complex parameter be given for real inputs, and will further require that "
                "return_complex=True in a future PyTorch release."
            )
        return_complex = True
    x = input
    if center:
        pad = n_fft // 2
        x = x.reshape((1,) * (3 - x.ndim) + tuple(x.shape)) if x.ndim < 3 else x
        x = NAMES["F"]["pad"](x, (pad, pad), pad_mode)
        x = x.reshape(tuple(x.shape)[3 - input.ndim :]) if input.ndim < 3 else x
    of = "None" if window is None else f"torch.{window.dtype.legacy}Tensor{{{list(window.shape)}}}"
    call_text = (
        f"stft(torch.{x.dtype.legacy}Tensor{list(x.shape)}, n_fft={n_fft}, hop_length={hop}, win_length={width}, "
        f"window={of}, normalized={int(normalized)}, onesided={_shown(onesided)}, "
        f"return_complex={int(return_complex)}, align_to_window={_shown(align_to_window)}) "
    )
    if x.ndim not in (1, 2):
        raise RuntimeError(f"{call_text}: expected a 1D or 2D tensor")
    length = x.shape[-1]
    if not 0 < n_fft <= length:
        raise RuntimeError(f"{call_text}: expected 0 < n_fft < {length}, but got n_fft={n_fft}")
    if hop <= 0:
        raise RuntimeError(f"{call_text}: expected hop_length > 0, but got hop_length={hop}")
    if not 0 < width <= n_fft:
        raise RuntimeError(f"{call_text}: expected 0 < win_length <= n_fft, but got win_length={width}")
    if window is not None and tuple(window.shape) != (width,):
        raise RuntimeError(
            f"{call_text}: expected a 1D window tensor of size equal to win_length={width}, "
            f"but got window with size {list(window.shape)}"
        )
    onesided = not is_complex if onesided is None else onesided
    if onesided and is_complex:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    frames = _inexact(x).unfold(-1, n_fft, hop)
    w = _window(window, width, n_fft, x.dtype)
    frames = frames if w is None else frames * w
    norm = "ortho" if normalized else "none"
    if frames.dtype.is_complex:
        made = _apply("fft_c2c", frames, (frames.ndim - 1,), norm, forward=True)
    else:
        made = _apply("fft_r2c", frames, (frames.ndim - 1,), norm, onesided=bool(onesided))
    made = made.transpose(-1, -2)
    return made if return_complex else T["view_as_real"](made)


def _shown(flag):
    return flag if flag is None else int(flag)


@composite("fm")
def istft(
    input,
    n_fft,
    hop_length=None,
    win_length=None,
    window=None,
    center=True,
    normalized=False,
    onesided=None,
    length=None,
    return_complex=False,
):
    """The signal of which `stft` with the same arguments makes `input`, by least squares: (batch, samples)."""
    hop = n_fft // 4 if hop_length is None else hop_length
    width = n_fft if win_length is None else win_length
    if not input.dtype.is_complex:
        raise RuntimeError(
            "istft requires a complex-valued input tensor matching the output from stft with return_complex=True."
        )
    of = "None" if window is None else f"torch.{window.dtype.legacy}Tensor{{{list(window.shape)}}}"
    call_text = (
        f"istft(CPU{input.dtype.legacy}Type{list(input.shape)}, n_fft={n_fft}, hop_length={hop}, win_length={width}, "
        f"window={of}, center={int(center)}, normalized={int(normalized)}, onesided={_shown(onesided)}, "
        f"length={length}, return_complex={int(return_complex)}) "
    )
    bins, frames = input.shape[wrap_dim(-2, input.ndim)], input.shape[-1]
    onesided = bins != n_fft if onesided is None else onesided
    if not input.numel():
        raise RuntimeError(f"{call_text}: input tensor cannot be empty.")
    if input.ndim not in (2, 3):
        raise RuntimeError(f"{call_text}: expected a tensor with 3 or 4 dimensions, but got {input.ndim + 1}")
    if bins != (n_fft // 2 + 1 if onesided else n_fft):
        raise RuntimeError(
            f"{call_text}: expected the frequency dimension (3rd to the last) of the input tensor to match "
            f"n_fft{' / 2 + 1' if onesided else ''} when onesided={onesided}, but got {bins}"
        )
    if not 0 < hop <= width:
        raise RuntimeError(f"{call_text}: expected 0 < hop_length <= win_length")
    if not 0 < width <= n_fft:
        raise RuntimeError(f"{call_text}: expected 0 < win_length <= n_fft")
    if window is not None and tuple(window.shape) != (width,):
        raise RuntimeError(f"{call_text}: Invalid window shape. window has to be 1D and length of `win_length`")
    if return_complex and onesided:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    if not return_complex and window is not None and window.dtype.is_complex:
        raise RuntimeError("Complex windows are incompatible with return_complex=False")
    real = input.real.dtype
    w = _window(window, width, n_fft, real)
    w = T["ones"](n_fft, dtype=real) if w is None else w
    x = input.transpose(-1, -2)
    last, norm = (x.ndim - 1,), "ortho" if normalized else "n"
    if return_complex:
        pieces = _apply("fft_c2c", x, last, norm, forward=False)
    else:
        x = x if onesided else x.narrow(-1, 0, n_fft // 2 + 1)
        pieces = _apply("fft_c2r", x, last, norm, last=n_fft)
    total = n_fft + hop * (frames - 1)
    at = (T["arange"](frames) * hop).unsqueeze(1) + T["arange"](n_fft)

    def overlapped(p):
        flat = p.reshape((*p.shape[:-2], frames * n_fft))
        return p.new_zeros((*p.shape[:-2], total)).index_add(-1, at.reshape(-1), flat)

    signal, envelope = overlapped(pieces * w), overlapped((w * w).expand(frames, n_fft))
    start = n_fft // 2 if center else 0
    end = start + length if length is not None else total - n_fft // 2 if center else total
    kept = min(end, total) - start
    signal, envelope = signal.narrow(-1, start, kept), envelope.narrow(-1, start, kept)
    lowest = envelope.abs().min().item()
    if lowest < 1e-11:
        raise RuntimeError(f"{call_text}window overlap add min: 1")
    made = signal / envelope
    return made if end <= total else T["constant_pad_nd"](made, (0, end - total), 0.0)

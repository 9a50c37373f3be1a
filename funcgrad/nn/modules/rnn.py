"""Recurrent layers and cells: RNN, LSTM, GRU, over padded or packed sequences."""

from __future__ import annotations

import math
import numbers
import warnings

from ...tensor import NAMES, Tensor
from .. import init
from ..module import Module
from ..utils.rnn import PackedSequence
from .make import assign, parameter

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]

T = NAMES["torch"]
GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


class RNNBase(Module):
    """What the recurrent layers share.

    Shapes: input (L, N, input_size), (N, L, input_size) with `batch_first`, (L, input_size), or a PackedSequence; hidden
    state (num_layers · directions, N, hidden_size), zeros if it is not given.

    num_layers     layers on top of each other
    dropout        between layers, in training
    bidirectional  each layer also runs from the end; the outputs stand side by side
    proj_size      the size that an LSTM's hidden state is projected to; 0 for none
    """

    def __init__(self, mode: str, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True,
                 batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, proj_size: int = 0,
                 device=None, dtype=None):  # fmt: skip
        super().__init__()
        self.mode, self.input_size, self.hidden_size, self.num_layers = mode, input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.bidirectional, self.proj_size = bias, batch_first, bidirectional, proj_size
        self._check(dropout)
        self.dropout = float(dropout)
        gates, out = GATES[mode] * hidden_size, proj_size or hidden_size
        how = {"device": device, "dtype": dtype}
        self._all_weights = []
        for layer in range(num_layers):
            into = input_size if layer == 0 else out * self.directions
            for suffix in ("", "_reverse")[: self.directions]:
                shapes = {"weight_ih": (gates, into), "weight_hh": (gates, out)}
                if bias:
                    shapes.update(bias_ih=(gates,), bias_hh=(gates,))
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                names = {f"{name}_l{layer}{suffix}": shape for name, shape in shapes.items()}
                for name, shape in names.items():
                    setattr(self, name, parameter(*shape, **how))
                self._all_weights.append(list(names))
        self.reset_parameters()

    def _check(self, dropout) -> None:
        if not isinstance(dropout, numbers.Number) or not 0 <= dropout <= 1 or isinstance(dropout, bool):
            raise ValueError(
                "dropout should be a number in range [0, 1] representing the probability of an element being zeroed"
            )
        if dropout > 0 and self.num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects num_layers "
                f"greater than 1, but got dropout={dropout} and num_layers={self.num_layers}",
                stacklevel=4,
            )
        for name, kind in (("bias", bool), ("batch_first", bool), ("input_size", int), ("hidden_size", int)):
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(value).__name__}")
            if kind is int and value <= 0:
                raise ValueError(f"{name} must be greater than zero")
        if self.num_layers <= 0:
            raise ValueError("num_layers must be greater than zero")
        if self.proj_size < 0:
            raise ValueError("proj_size should be a positive integer or zero to disable projections")
        if self.proj_size >= self.hidden_size:
            raise ValueError("proj_size has to be smaller than hidden_size")
        if self.mode not in GATES:
            raise ValueError("Unrecognized RNN mode: " + self.mode)

    @property
    def directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def all_weights(self) -> list[list]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    @property
    def _flat_weights(self) -> list:
        return [w for ws in self.all_weights for w in ws]

    def flatten_parameters(self) -> None:
        """Nothing to do: XLA lays parameters out as it likes."""

    def reset_parameters(self) -> None:
        """Draw the weights anew, uniform within ±1/√hidden_size."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for p in self.parameters():
            init.uniform_(p, -bound, bound)

    # ---- the call ----

    def check_input(self, input: Tensor, batch_sizes: Tensor | None) -> None:
        """Raise for an input of another dtype or size."""
        weight = self._flat_weights[0]
        if input.dtype != weight.dtype:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({weight.dtype}). Convert input: "
                f"input.to({weight.dtype}), or convert model: model.to({input.dtype})"
            )
        expected = 3 if batch_sizes is None else 2
        if input.ndim != expected:
            raise RuntimeError(f"input must have {expected} dimensions, got {input.ndim}")
        if self.input_size != input.shape[-1]:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {input.shape[-1]}"
            )

    def check_hidden_size(self, hx: Tensor, expected_hidden_size: tuple, msg: str = "Expected hidden size {}, got {}"):
        """Raise for a hidden state of another size."""
        if tuple(hx.shape) != expected_hidden_size:
            raise RuntimeError(msg.format(expected_hidden_size, list(hx.shape)))

    def get_expected_hidden_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        """The shape of the hidden state for this input."""
        return (self.num_layers * self.directions, self._batch(input, batch_sizes), self.proj_size or self.hidden_size)

    def _batch(self, input: Tensor, batch_sizes: Tensor | None) -> int:
        return int(batch_sizes[0]) if batch_sizes is not None else input.shape[0 if self.batch_first else 1]

    def check_forward_args(self, input: Tensor, hidden, batch_sizes: Tensor | None) -> None:
        """Raise for an input or a hidden state of another size."""
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden, self.get_expected_hidden_size(input, batch_sizes))

    def permute_hidden(self, hx, permutation: Tensor | None):
        """The hidden state with its batch in another order."""
        return hx if permutation is None else hx.index_select(1, permutation)

    def _zeros(self, input: Tensor, batch_sizes):
        return input.new_zeros(self.get_expected_hidden_size(input, batch_sizes))

    def _check_dims(self, hx, batched: bool) -> None:
        n, word = (3, "batched 3-D") if batched else (2, "unbatched 2-D")
        if hx.ndim != n:
            raise RuntimeError(f"For {word} input, hx should also be {n}-D but got {hx.ndim}-D tensor")

    def _each(self, hx, f):
        """`f` of the hidden state, or of each of an LSTM's two."""
        return f(hx)

    def _run(self, *args):
        return T[self.mode.lower()](*args)

    def forward(self, input, hx=None):
        options = (self._flat_weights, self.bias, self.num_layers, self.dropout, self.training, self.bidirectional)
        if isinstance(input, PackedSequence):
            data, batch_sizes, order, back = input
            hx = self._zeros(data, batch_sizes) if hx is None else self.permute_hidden(hx, order)
            self.check_forward_args(data, hx, batch_sizes)
            output, *hidden = self._run(data, batch_sizes, hx, *options)
            return PackedSequence(output, batch_sizes, order, back), self.permute_hidden(self._hidden(hidden), back)
        if input.ndim not in (2, 3):
            more = " tensor" if self.mode.startswith("RNN") else ""
            raise ValueError(f"{self._kind()}: Expected input to be 2D or 3D, got {input.ndim}D{more} instead")
        batched, dim = input.ndim == 3, 0 if self.batch_first else 1
        if hx is not None:
            self._check_dims(hx, batched)
        if not batched:
            input = input.unsqueeze(dim)
            hx = None if hx is None else self._each(hx, lambda h: h.unsqueeze(1))
        hx = self._zeros(input, None) if hx is None else hx
        self.check_forward_args(input, hx, None)
        output, *hidden = self._run(input, hx, *options, self.batch_first)
        hidden = self._hidden(hidden)
        return (output, hidden) if batched else (output.squeeze(dim), self._each(hidden, lambda h: h.squeeze(1)))

    def _kind(self) -> str:
        return self.mode.split("_")[0]

    def _hidden(self, hidden: list):
        return hidden[0]

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        for name, plain in (
            ("proj_size", 0), ("num_layers", 1), ("bias", True), ("batch_first", False), ("dropout", 0),
            ("bidirectional", False),
        ):  # fmt: skip
            value = getattr(self, name)
            if value != plain:
                text += f", {name}={value}"
        return text


class RNN(RNNBase):
    """h ← tanh(W_ih·x + b_ih + W_hh·h + b_hh), or the same with nonlinearity="relu". (output, last h)."""

    def __init__(self, *args, **kwargs):
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if len(args) > 3:
            nonlinearity, args = args[3], args[:3] + args[4:]
        else:
            nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__("RNN_" + nonlinearity.upper(), *args, **kwargs)
        self.nonlinearity = nonlinearity


class GRU(RNNBase):
    """r, z ← sigmoid of their gates; n ← tanh(W_in·x + b_in + r·(W_hn·h + b_hn)); h ← (1 - z)·n + z·h. (output, last h)."""

    def __init__(self, *args, **kwargs):
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__("GRU", *args, **kwargs)


class LSTM(RNNBase):
    """i, f, o ← sigmoid and g ← tanh of their gates; c ← f·c + i·g; h ← o·tanh(c). (output, (last h, last c))."""

    def __init__(self, *args, **kwargs):
        super().__init__("LSTM", *args, **kwargs)

    def get_expected_cell_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        """The shape of the cell state for this input."""
        return (self.num_layers * self.directions, self._batch(input, batch_sizes), self.hidden_size)

    def check_forward_args(self, input: Tensor, hidden, batch_sizes: Tensor | None) -> None:
        self.check_input(input, batch_sizes)
        for i, expected in enumerate((self.get_expected_hidden_size, self.get_expected_cell_size)):
            self.check_hidden_size(hidden[i], expected(input, batch_sizes), f"Expected hidden[{i}] size {{}}, got {{}}")

    def permute_hidden(self, hx, permutation: Tensor | None):
        return hx if permutation is None else tuple(h.index_select(1, permutation) for h in hx)

    def _zeros(self, input: Tensor, batch_sizes):
        h = input.new_zeros(self.get_expected_hidden_size(input, batch_sizes))
        return h, input.new_zeros(self.get_expected_cell_size(input, batch_sizes))

    def _check_dims(self, hx, batched: bool) -> None:
        n, word = (3, "batched 3-D") if batched else (2, "unbatched 2-D")
        if hx[0].ndim != n or hx[1].ndim != n:
            raise RuntimeError(
                f"For {word} input, hx and cx should also be {n}-D but got ({hx[0].ndim}-D, {hx[1].ndim}-D) tensors"
            )

    def _each(self, hx, f):
        return tuple(map(f, hx))

    def _hidden(self, hidden: list):
        return tuple(hidden)


# ---- cells -----------------------------------------------------------------------------------------


class RNNCellBase(Module):
    """What the cells share: input (N, input_size) or (input_size), hidden state (N, hidden_size) or (hidden_size)."""

    def __init__(self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device=None, dtype=None):
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        gates, how = num_chunks * hidden_size, {"device": device, "dtype": dtype}
        self.weight_ih = parameter(gates, input_size, **how)
        self.weight_hh = parameter(gates, hidden_size, **how)
        assign(self, "bias_ih", parameter(gates, **how) if bias else None)
        assign(self, "bias_hh", parameter(gates, **how) if bias else None)
        self.reset_parameters()

    reset_parameters = RNNBase.reset_parameters

    def _check_dims(self, what: str, x: Tensor) -> None:
        if x.ndim not in (1, 2):
            raise ValueError(f"{self._get_name()}: Expected {what} to be 1D or 2D, got {x.ndim}D instead")

    def _weights(self) -> tuple:
        return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh

    def _one(self, cell, input: Tensor, hx: Tensor | None) -> Tensor:
        self._check_dims("input", input)
        if hx is not None:
            self._check_dims("hidden", hx)
        batched = input.ndim == 2
        input = input if batched else input.unsqueeze(0)
        if hx is None:
            hx = input.new_zeros(input.shape[0], self.hidden_size)
        elif not batched:
            hx = hx.unsqueeze(0)
        made = cell(input, hx, *self._weights())
        return made if batched else made.squeeze(0)

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        text += "" if self.bias is True else f", bias={self.bias}"
        nonlinearity = self.__dict__.get("nonlinearity", "tanh")
        return text if nonlinearity == "tanh" else f"{text}, nonlinearity={nonlinearity}"


class RNNCell(RNNCellBase):
    """One step of an RNN."""

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", device=None,
                 dtype=None):  # fmt: skip
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input, hx=None):
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        return self._one(T[f"rnn_{self.nonlinearity}_cell"], input, hx)


class GRUCell(RNNCellBase):
    """One step of a GRU."""

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input, hx=None):
        return self._one(T["gru_cell"], input, hx)


class LSTMCell(RNNCellBase):
    """One step of an LSTM, from (h, c) to (h, c)."""

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input, hx=None):
        self._check_dims("input", input)
        for i, h in enumerate(hx or ()):
            self._check_dims(f"hx[{i}]", h)
        batched = input.ndim == 2
        input = input if batched else input.unsqueeze(0)
        if hx is None:
            zeros = input.new_zeros(input.shape[0], self.hidden_size)
            hx = (zeros, zeros)
        elif not batched:
            hx = (hx[0].unsqueeze(0), hx[1].unsqueeze(0))
        h, c = T["lstm_cell"](input, hx, *self._weights())
        return (h, c) if batched else (h.squeeze(0), c.squeeze(0))

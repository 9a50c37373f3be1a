"""Recurrent networks of several layers and directions: `torch.lstm`, `gru`, `rnn_tanh`, `rnn_relu`, and their cells.

A layer in one direction is one row. Knows the rows. Must not know modules.
"""

from __future__ import annotations

import numpy as np

from ...tape import constant
from ...tensor import NAMES, Tensor, composite
from ...tensor.tensor import wrap
from .shared import row

T, F = NAMES["torch"], NAMES["F"]


def layers(mode: str, input: Tensor, hx, params: list, has_biases: bool, num_layers: int, dropout: float, train: bool,
           bidirectional: bool, mask: Tensor | None = None):  # fmt: skip
    """(output, last h, last c or None) of (T, B, I).

    hx      h, or (h, c) for an LSTM, each (layers · directions, B, H)
    params  for each layer and direction w_ih, w_hh, then b_ih, b_hh with biases, then w_hr with projections
    mask    (T, B, 1): where it is 0 a sequence has ended, and its state stays
    """
    h, c = hx if mode == "lstm" else (hx, None)
    directions = 2 if bidirectional else 1
    each = len(params) // (num_layers * directions)
    last_h, last_c = [], []
    for layer in range(num_layers):
        outs = []
        for d in range(directions):
            k = layer * directions + d
            w_ih, w_hh, *rest = params[k * each : (k + 1) * each]
            b_ih, b_hh = rest[:2] if has_biases else (None, None)
            w_hr = rest[-1] if len(rest) == (3 if has_biases else 1) else None
            made = row(
                "recurrent_layer", input, h[k], None if c is None else c[k], w_ih, w_hh, b_ih, b_hh, w_hr, mask,
                mode=mode, reverse=bool(d),
            )  # fmt: skip
            outs.append(made[0])
            last_h.append(made[1])
            if c is not None:
                last_c.append(made[2])
        input = outs[0] if directions == 1 else T["cat"](outs, -1)
        if dropout and train and layer < num_layers - 1:
            input = F["dropout"](input, dropout, True)
    return input, T["stack"](last_h), T["stack"](last_c) if c is not None else None


def packed_index(batch_sizes: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(where each (t, b) of the padded sequence lies in the packed data, where each row of the data lies in the padded one,
    the mask (T, B, 1))."""
    steps, batch = len(batch_sizes), batch_sizes[0]
    mask = np.arange(batch)[None] < np.array(batch_sizes)[:, None]
    starts = np.concatenate([[0], np.cumsum(batch_sizes)[:-1]])
    into = np.where(mask, starts[:, None] + np.arange(batch)[None], 0)
    out = np.flatnonzero(mask.reshape(steps * batch))
    return into, out, mask[..., None]


def _run(mode: str, args: tuple):
    """The two ways that PyTorch calls it: padded, (input, hx, params, ...), and packed, (data, batch_sizes, hx, params,
    ...)."""
    first, second = args[0], args[1]
    if isinstance(second, Tensor) and not second.dtype.is_floating_point and not second.dtype.is_complex:
        data, sizes, hx, params, biases, num_layers, dropout, train, bidirectional = args
        into, out, mask = packed_index([int(n) for n in sizes.tolist()])
        padded = data[wrap(constant(into))]
        known = wrap(constant(mask.astype(data.dtype.np)))
        y, h, c = layers(mode, padded, hx, params, biases, num_layers, dropout, train, bidirectional, known)
        y = y.reshape(-1, y.shape[-1])[wrap(constant(out))]
        return (y, h) if c is None else (y, h, c)
    input, hx, params, biases, num_layers, dropout, train, bidirectional, batch_first = args
    y, h, c = layers(
        mode, first.transpose(0, 1) if batch_first else input, hx, params, biases, num_layers, dropout, train, bidirectional
    )
    y = y.transpose(0, 1) if batch_first else y
    return (y, h) if c is None else (y, h, c)


@composite()
def lstm(*args):
    """Long short-term memory, as `nn.LSTM` calls it. (output, h, c)."""
    return _run("lstm", args)


@composite()
def gru(*args):
    """Gated recurrent units, as `nn.GRU` calls it. (output, h)."""
    return _run("gru", args)


@composite()
def rnn_tanh(*args):
    """An RNN with tanh, as `nn.RNN` calls it. (output, h)."""
    return _run("tanh", args)


@composite()
def rnn_relu(*args):
    """An RNN with ReLU, as `nn.RNN` calls it. (output, h)."""
    return _run("relu", args)


@composite()
def lstm_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """One step of an LSTM: (h, c) from `hx` = (h, c)."""
    return row("lstm_cell_step", input, hx[0], hx[1], w_ih, w_hh, b_ih, b_hh)[:2]


@composite()
def gru_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """One step of a GRU."""
    return row("gru_cell_step", input, hx, w_ih, w_hh, b_ih, b_hh)[0]


@composite()
def rnn_tanh_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """tanh(W_ih·x + b_ih + W_hh·h + b_hh)."""
    return row("tanh_cell_step", input, hx, w_ih, w_hh, b_ih, b_hh)[0]


@composite()
def rnn_relu_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """max(0, W_ih·x + b_ih + W_hh·h + b_hh)."""
    return row("relu_cell_step", input, hx, w_ih, w_hh, b_ih, b_hh)[0]

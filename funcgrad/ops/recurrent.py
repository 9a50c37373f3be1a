"""Recurrent cells, and layers that run one along a sequence by `lax.scan`: LSTM, GRU, and the plain RNN.

A cell is two functions: `_advance`, from what the input and the hidden state contribute to the new state, and
`_retreat`, its transpose. The layer's rule walks back with only the small product by the hidden weights inside the
loop;
the gradients of all weights are single products over all steps, outside it.
"""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp
import numpy as np
from jax import lax, nn

from ..op import op, sample
from .activation import relu

LSTM, GRU = "lstm", "gru"
GATES = {"lstm": 4, "gru": 3, "tanh": 1, "relu": 1}


def _advance(mode, px, ph, h, c):
    """(new h, new c, what the gates were), from the contributions px of the input and ph of the state."""
    if mode == LSTM:
        i, f, g, o = jnp.split(px + ph, 4, -1)
        i, f, g, o = nn.sigmoid(i), nn.sigmoid(f), jnp.tanh(g), nn.sigmoid(o)
        c = f * c + i * g
        return o * jnp.tanh(c), c, jnp.concatenate([i, f, g, o], -1)
    if mode == GRU:
        (rx, zx, nx), (rh, zh, nh) = jnp.split(px, 3, -1), jnp.split(ph, 3, -1)
        r, z = nn.sigmoid(rx + rh), nn.sigmoid(zx + zh)
        n = jnp.tanh(nx + r * nh)
        return n + z * (h - n), c, jnp.concatenate([r, z, n, nh], -1)
    y = jnp.tanh(px + ph) if mode == "tanh" else relu(px + ph)
    return y, c, y


def _retreat(mode, dh, dc, ds, saved, h, c, c_new):
    """(cotangent of px, of ph, of h apart from ph, of c). ds is that of `saved`, or None; h and c are those before the
    step."""
    if mode == LSTM:
        i, f, g, o = jnp.split(saved, 4, -1)
        si, sf, sg, so = (0, 0, 0, 0) if ds is None else jnp.split(ds, 4, -1)
        t = jnp.tanh(c_new)
        dc = dc + dh * o * (1 - t * t)
        d = jnp.concatenate(
            [
                (dc * g + si) * i * (1 - i),
                (dc * c + sf) * f * (1 - f),
                (dc * i + sg) * (1 - g * g),
                (dh * t + so) * o * (1 - o),
            ],
            -1,
        )
        return d, d, None, dc * f
    if mode == GRU:
        r, z, n, nh = jnp.split(saved, 4, -1)
        sr, sz, sn, snh = (0, 0, 0, 0) if ds is None else jnp.split(ds, 4, -1)
        dn = (dh * (1 - z) + sn) * (1 - n * n)
        dr = (dn * nh + sr) * r * (1 - r)
        dz = (dh * (h - n) + sz) * z * (1 - z)
        return jnp.concatenate([dr, dz, dn], -1), jnp.concatenate([dr, dz, dn * r + snh], -1), dh * z, None
    if ds is not None:
        dh = dh + ds
    d = dh * (1 - saved * saved) if mode == "tanh" else jnp.where(saved > 0, dh, 0)
    return d, d, None, None


def _contribution(x, w, b):
    y = x @ w.T
    return y if b is None else y + b


# ---- one step ----------------------------------------------------------------------------------------------


def _check_cell(x, h, w_ih, w_hh) -> None:
    if x.shape[-1] != w_ih.shape[1]:
        raise RuntimeError(f"input has inconsistent input_size: got {x.shape[-1]} expected {w_ih.shape[1]}")
    if h.shape[-1] != w_hh.shape[1]:
        raise RuntimeError(f"hidden0 has inconsistent hidden_size: got {h.shape[-1]}, expected {w_hh.shape[1]}")
    if x.ndim > 1 and x.shape[0] != h.shape[0]:
        raise RuntimeError(f"Input batch size {x.shape[0]} doesn't match hidden0 batch size {h.shape[0]}")


def _cell(mode, x, h, c, w_ih, w_hh, b_ih=None, b_hh=None):
    _check_cell(x, h, w_ih, w_hh)
    h, c, saved = _advance(mode, _contribution(x, w_ih, b_ih), _contribution(h, w_hh, b_hh), h, c)
    return (h, c, saved) if mode == LSTM else (h, saved)


def _cell_rule(mode, g, y, x, h, c, w_ih, w_hh, b_ih, b_hh):
    saved, dc = y[-1], g[1] if mode == LSTM else None
    dh, ds = g[0], g[-1]
    dh = jnp.zeros_like(y[0]) if dh is None else dh
    dc = jnp.zeros_like(c) if mode == LSTM and dc is None else dc
    dx, dr, dh_prev, dc_prev = _retreat(mode, dh, dc, ds, saved, h, c, y[1] if mode == LSTM else None)
    back = dr @ w_hh
    flat = x.ndim > 1

    def product(d, of):
        return d.T @ of if flat else jnp.outer(d, of)

    def total(d, b):
        return None if b is None else jnp.sum(d, 0) if flat else d

    return (
        dx @ w_ih, back if dh_prev is None else back + dh_prev, dc_prev, product(dx, x), product(dr, h),
        total(dx, b_ih), total(dr, b_hh),
    )  # fmt: skip


def _plain_cell_rule(mode, g, y, x, h, w_ih, w_hh, b_ih=None, b_hh=None):
    dx, dh, _, *rest = _cell_rule(mode, g, y, x, h, None, w_ih, w_hh, b_ih, b_hh)
    return (dx, dh, *rest)


def _register_cells() -> None:
    def lstm_rule(g, y, x, h, c, w_ih, w_hh, b_ih=None, b_hh=None):
        return _cell_rule(LSTM, g, y, x, h, c, w_ih, w_hh, b_ih, b_hh)

    lstm_rule.takes_none = True
    op("lstm_cell_step", partial(_cell, LSTM), lstm_rule, "nn", where=None, node="ThnnFusedLstmCellBackward0",
       sig="input: T, h: T, c: T, w_ih: T, w_hh: T, b_ih: OT = None, b_hh: OT = None",
       samples=lambda: [sample((2, 3), (2, 4), (2, 4), (16, 3), (16, 4), (16,), (16,)),
                        sample((3,), (4,), (4,), (16, 3), (16, 4), None, None)])  # fmt: skip
    for mode, node in ((GRU, "ThnnFusedGruCellBackward0"), ("tanh", "TanhBackward0"), ("relu", "ReluBackward0")):

        def rule(g, y, x, h, w_ih, w_hh, b_ih=None, b_hh=None, *, mode=mode):
            return _plain_cell_rule(mode, g, y, x, h, w_ih, w_hh, b_ih, b_hh)

        def forward(x, h, w_ih, w_hh, b_ih=None, b_hh=None, *, mode=mode):
            return _cell(mode, x, h, None, w_ih, w_hh, b_ih, b_hh)

        rule.takes_none = True
        n = 4 * GATES[mode]
        op(f"{mode}_cell_step", forward, rule, "nn", where=None, node=node,
           sig="input: T, h: T, w_ih: T, w_hh: T, b_ih: OT = None, b_hh: OT = None",
           samples=lambda n=n: [sample((2, 3), (2, 4), (n, 3), (n, 4), (n,), (n,)),
                                sample((3,), (4,), (n, 3), (n, 4), None, None)])  # fmt: skip


_register_cells()


# ---- a sequence --------------------------------------------------------------------------------------------


def _layer(x, h, c, w_ih, w_hh, b_ih=None, b_hh=None, w_hr=None, mask=None, *, mode, reverse):
    """x (T, B, I), h and c (B, H), mask (T, B, 1) or None: where it is 0 the state stays. Gives (states (T, B, H), last
    h, and for an LSTM last c and all c, what the gates were)."""
    px = _contribution(x, w_ih, b_ih)

    def step(state, given):
        h, c = state
        px, m = given
        new_h, new_c, saved = _advance(mode, px, _contribution(h, w_hh, b_hh), h, c)
        if w_hr is not None:
            new_h = new_h @ w_hr.T
        if m is not None:
            new_h = jnp.where(m != 0, new_h, h)
            new_c = None if c is None else jnp.where(m != 0, new_c, c)
        return (new_h, new_c), (new_h, new_c, saved)

    (h, c), (out, cells, saved) = lax.scan(step, (h, c), (px, mask), reverse=reverse)
    return (out, h, c, cells, saved) if mode == LSTM else (out, h, saved)


def _before(states, first, reverse):
    """The states before each step."""
    return jnp.concatenate([states[1:], first[None]] if reverse else [first[None], states[:-1]])


def _layer_rule(g, y, x, h, c, w_ih, w_hh, b_ih=None, b_hh=None, w_hr=None, mask=None, *, mode, reverse):
    lstm = mode == LSTM
    out, saved, cells = y[0], y[-1], y[3] if lstm else None
    h_prev, c_prev = _before(out, h, reverse), _before(cells, c, reverse) if lstm else None
    start_h = jnp.zeros_like(h) if g[1] is None else g[1]
    start_c = None if not lstm else jnp.zeros_like(c) if g[2] is None else g[2]

    def step(state, given):
        dh, dc = state
        dout, dcell, ds, saved, h, c, c_new, m = given
        dh = dh if dout is None else dh + dout
        dc = dc if dcell is None else dc + dcell
        keep_h = keep_c = None
        if m is not None:
            keep_h, dh = jnp.where(m != 0, 0, dh), jnp.where(m != 0, dh, 0)
            if dc is not None:
                keep_c, dc = jnp.where(m != 0, 0, dc), jnp.where(m != 0, dc, 0)
        whole = dh
        if w_hr is not None:
            dh = dh @ w_hr
        dx, dr, direct, dc = _retreat(mode, dh, dc, ds, saved, h, c, c_new)
        dh = dr @ w_hh
        for more in (direct, keep_h):
            dh = dh if more is None else dh + more
        dc = dc if keep_c is None else dc + keep_c
        return (dh, dc), (dx, None if mode != GRU else dr, None if w_hr is None else whole)

    given = (g[0], g[3] if lstm else None, g[-1], saved, h_prev, c_prev, cells, mask)
    (dh, dc), (dx, dr, whole) = lax.scan(step, (start_h, start_c), given, reverse=not reverse)
    dr = dx if dr is None else dr

    def product(d, of):
        return jnp.einsum("tbg,tbi->gi", d, of)

    d_hr = None
    if w_hr is not None:
        d_hr = product(whole, jnp.split(saved, 4, -1)[3] * jnp.tanh(cells))
    return (
        dx @ w_ih, dh, dc, product(dx, x), product(dr, h_prev),
        None if b_ih is None else jnp.sum(dx, (0, 1)), None if b_hh is None else jnp.sum(dr, (0, 1)), d_hr,
        None,
    )  # fmt: skip


_layer_rule.takes_none = True


def _layer_samples():
    mask = np.array([[1, 1], [1, 1], [1, 0]], np.float64).reshape(3, 2, 1)
    made = []
    for mode, gates in GATES.items():
        n, c = 4 * gates, (2, 4) if mode == LSTM else None
        made += [
            sample((3, 2, 3), (2, 4), c, (n, 3), (n, 4), (n,), (n,), None, None, mode=mode, reverse=False),
            sample((3, 2, 3), (2, 4), c, (n, 3), (n, 4), None, None, None, mask, mode=mode, reverse=True),
        ]
    made.append(
        sample((3, 2, 3), (2, 2), (2, 4), (16, 3), (16, 2), (16,), (16,), (2, 4), None, mode=LSTM, reverse=False)
    )
    return made


op(
    "recurrent_layer",
    _layer,
    _layer_rule,
    "nn",
    where=None,
    promote=None,
    sig="input: T, h: T, c: OT, w_ih: T, w_hh: T, b_ih: OT = None, b_hh: OT = None, w_hr: OT = None, mask: OT = None, "
    "*, mode: str, reverse: bool",
    node=lambda params: {"lstm": "MkldnnRnnLayerBackward0"}.get(params["mode"], "CudnnRnnBackward0"),
    samples=_layer_samples,
)

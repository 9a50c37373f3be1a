"""L-BFGS: Newton's direction from the last few changes of the gradient, with a line search by the strong Wolfe
conditions.

It looks at losses and slopes to decide how to go on, as PyTorch's does: each evaluation of the closure is a run.
"""

from __future__ import annotations

from ..engine import enable_grad, no_grad
from ..tensor import NAMES, Tensor
from .checks import check_lr
from .optimizer import Optimizer

__all__ = ["LBFGS"]

cat = NAMES["torch"]["cat"]


class LBFGS(Optimizer):
    """Limited-memory BFGS. `step` needs a closure that clears the gradients, computes the loss and calls `backward()`.

    max_iter, max_eval  iterations, and evaluations of the closure, a step (default: 1.25 · max_iter)
    tolerance_grad      end when the largest gradient is at most this
    tolerance_change    end when a step, or the change of the loss, is smaller than this
    history_size        how many changes are kept
    line_search_fn      None, or "strong_wolfe"

    One group of parameters only. Raises ValueError for more.
    """

    def __init__(self, params, lr=1, max_iter=20, max_eval=None, tolerance_grad=1e-7, tolerance_change=1e-9,
                 history_size=100, line_search_fn=None):  # fmt: skip
        check_lr(lr)
        super().__init__(params, {
            "lr": lr, "max_iter": max_iter, "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change, "history_size": history_size,
            "line_search_fn": line_search_fn,
        })  # fmt: skip
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        self._params = self.param_groups[0]["params"]

    # ---- all parameters as one vector, complex ones as pairs ----

    def _flat_grad(self) -> Tensor:
        return cat([
            (p.new_zeros(p.numel() * (1 + p.dtype.is_complex)) if p.grad is None else _real(p.grad)).reshape(-1)
            for p in self._params
        ])  # fmt: skip

    def _values(self) -> list[Tensor]:
        return [p.detach().clone() for p in self._params]

    def _put(self, values: list[Tensor]) -> None:
        for p, x in zip(self._params, values, strict=True):
            p.copy_(x)

    def _move(self, by: float, direction: Tensor) -> None:
        at = 0
        for p in self._params:
            n = p.numel() * (1 + p.dtype.is_complex)
            part = direction[at : at + n]
            part = part.reshape(*p.shape, 2).view_as_complex() if p.dtype.is_complex else part.view_as(p)
            p.add_(part, alpha=by)
            at += n

    def _at(self, closure, start: list[Tensor], by: float, direction: Tensor) -> tuple[float, Tensor]:
        """Loss and gradient a step away, which is taken back."""
        self._move(by, direction)
        loss = closure().item()
        g = self._flat_grad()
        self._put(start)
        return loss, g

    # ---- the step ----

    def step(self, closure):
        """Up to `max_iter` iterations; returns the loss before the first."""
        with no_grad():
            return self._step(enable_grad()(closure))

    def _step(self, closure):
        h = self.param_groups[0]
        lr = float(h["lr"])
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first = closure()
        loss = first.item()
        evals = 1
        state["func_evals"] += 1
        g = self._flat_grad()
        if g.abs().max().item() <= h["tolerance_grad"]:
            return first
        d, t = state.get("d"), state.get("t")
        dirs, steps, ro = state.get("old_dirs"), state.get("old_stps"), state.get("ro")
        scale, before, loss_before = state.get("H_diag"), state.get("prev_flat_grad"), state.get("prev_loss")
        n = 0
        while n < h["max_iter"]:
            n += 1
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                d, dirs, steps, ro, scale = g.neg(), [], [], [], 1
            else:
                y, s = g.sub(before), d.mul(t)
                ys = y.dot(s).item()
                if ys > 1e-10:
                    if len(dirs) == h["history_size"]:
                        del dirs[0], steps[0], ro[0]
                    dirs.append(y)
                    steps.append(s)
                    ro.append(1.0 / ys)
                    scale = ys / y.dot(y)
                d = _direction(g, dirs, steps, ro, scale)
            before = g.clone()
            loss_before = loss
            t = min(1.0, (1.0 / g.abs().sum()).item()) * lr if state["n_iter"] == 1 else lr
            slope = g.dot(d).item()
            if slope > -h["tolerance_change"]:
                break
            ls_evals = 0
            if h["line_search_fn"] is not None:
                if h["line_search_fn"] != "strong_wolfe":
                    raise RuntimeError("only 'strong_wolfe' is supported")
                start = self._values()
                loss, g, t, ls_evals = _strong_wolfe(
                    lambda by, start=start, d=d: self._at(closure, start, by, d), t, d, loss, g, slope,
                    h["tolerance_change"],
                )  # fmt: skip
                self._move(t, d)
                done = g.abs().max().item() <= h["tolerance_grad"]
            else:
                self._move(t, d)
                done = False
                if n != h["max_iter"]:
                    loss = closure().item()
                    g = self._flat_grad()
                    done = g.abs().max().item() <= h["tolerance_grad"]
                    ls_evals = 1
            evals += ls_evals
            state["func_evals"] += ls_evals
            if n == h["max_iter"] or evals >= h["max_eval"] or done:
                break
            if d.mul(t).abs().max().item() <= h["tolerance_change"]:
                break
            if abs(loss - loss_before) < h["tolerance_change"]:
                break
        state.update(
            d=d, t=t, old_dirs=dirs, old_stps=steps, ro=ro, H_diag=scale, prev_flat_grad=before, prev_loss=loss_before
        )
        return first


def _real(g: Tensor) -> Tensor:
    return g.view_as_real() if g.dtype.is_complex else g


def _direction(g: Tensor, dirs: list, steps: list, ro: list, scale) -> Tensor:
    """The two loops over the history: minus the inverse Hessian times `g`."""
    q, weights = g.neg(), []
    for y, s, r in zip(reversed(dirs), reversed(steps), reversed(ro), strict=True):
        a = s.dot(q) * r
        weights.append(a)
        q = q - y * a
    d = q * scale
    for y, s, r, a in zip(dirs, steps, ro, reversed(weights), strict=True):
        d = d + s * (a - y.dot(d) * r)
    return d


def _cubic(x1, f1, g1, x2, f2, g2, bounds=None) -> float:
    """The least point between of the cubic with these values and slopes at x1 and x2."""
    low, high = bounds if bounds is not None else (min(x1, x2), max(x1, x2))
    d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
    square = d1**2 - g1 * g2
    if not square >= 0:
        return (low + high) / 2.0
    d2 = square**0.5
    if x1 <= x2:
        found = x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2))
    else:
        found = x1 - (x1 - x2) * ((g1 + d2 - d1) / (g1 - g2 + 2 * d2))
    return min(max(found, low), high)


def _strong_wolfe(at, t: float, d: Tensor, f: float, g: Tensor, slope: float, tolerance: float, c1=1e-4, c2=0.9,
                  most: int = 25):  # fmt: skip
    """(loss, gradient, step, evaluations) at a step along `d` that lowers the loss and the slope enough."""
    size = d.abs().max().item()
    g = g.clone()
    f_new, g_new = at(t)
    evals, slope_new = 1, g_new.dot(d).item()
    t_prev, f_prev, g_prev, slope_prev = 0.0, f, g, slope
    done, n = False, 0
    # first find two steps with a good one between them
    while n < most:
        if f_new > f + c1 * t * slope or (n > 1 and f_new >= f_prev):
            bracket = [(t_prev, f_prev, g_prev, slope_prev), (t, f_new, g_new.clone(), slope_new)]
            break
        if abs(slope_new) <= -c2 * slope:
            bracket, done = [(t, f_new, g_new, slope_new)], True
            break
        if slope_new >= 0:
            bracket = [(t_prev, f_prev, g_prev, slope_prev), (t, f_new, g_new.clone(), slope_new)]
            break
        least = t + 0.01 * (t - t_prev)
        last = t
        t = _cubic(t_prev, f_prev, slope_prev, t, f_new, slope_new, (least, t * 10))
        t_prev, f_prev, g_prev, slope_prev = last, f_new, g_new.clone(), slope_new
        f_new, g_new = at(t)
        evals, slope_new, n = evals + 1, g_new.dot(d).item(), n + 1
    else:
        bracket = [(0.0, f, g, slope), (t, f_new, g_new, slope_new)]
    # then close in on it
    stuck = False
    low, high = (0, 1) if bracket[0][1] <= bracket[-1][1] else (1, 0)
    while not done and n < most:
        (t0, f0, _, s0), (t1, f1, _, s1) = bracket
        if abs(t1 - t0) * size < tolerance:
            break
        t = _cubic(t0, f0, s0, t1, f1, s1)
        edge = 0.1 * abs(t1 - t0)
        left, right = min(t0, t1), max(t0, t1)
        if min(right - t, t - left) < edge:
            if stuck or t >= right or t <= left:
                t = right - edge if abs(t - right) < abs(t - left) else left + edge
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        f_new, g_new = at(t)
        evals, slope_new, n = evals + 1, g_new.dot(d).item(), n + 1
        point = (t, f_new, g_new.clone(), slope_new)
        if f_new > f + c1 * t * slope or f_new >= bracket[low][1]:
            bracket[high] = point
            low, high = (0, 1) if bracket[0][1] <= bracket[1][1] else (1, 0)
        else:
            if abs(slope_new) <= -c2 * slope:
                done = True
            elif slope_new * (bracket[high][0] - bracket[low][0]) >= 0:
                bracket[high] = bracket[low]
            bracket[low] = point
    t, f_new, g_new, _ = bracket[low if len(bracket) > 1 else 0]
    return f_new, g_new, t, evals

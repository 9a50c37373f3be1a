"""L-BFGS: Newton's direction from the last few changes of the gradient, with a line search by the strong Wolfe
conditions.

It looks at losses and slopes to decide how to go on, as PyTorch's does. Each evaluation of the closure is a run by
itself, and what is done between two of them another, so that the closure is the same program each time.
"""

from __future__ import annotations

from ..engine import enable_grad, no_grad
from ..tape import settle
from ..tensor import NAMES, Tensor
from .checks import check_lr
from .history import History
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

    def _evaluated(self, closure) -> tuple[Tensor, float, Tensor]:
        """(loss, its number, gradient) of the closure, where the parameters are."""
        settle()
        loss = closure()
        g = self._flat_grad()
        return loss, loss.item(), g

    def _at(self, closure, start: list[Tensor], by: float, direction: Tensor) -> tuple[float, Tensor, float]:
        """Loss, gradient and slope a step away, which is taken back."""
        self._move(by, direction)
        _, loss, g = self._evaluated(closure)
        self._put(start)
        return loss, g, g.dot(direction).item()

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
        first, loss, g = self._evaluated(closure)
        evals = 1
        state["func_evals"] += 1
        if g.abs().max().item() <= h["tolerance_grad"]:
            return first
        d, t, history = state.get("d"), state.get("t"), state.get("history")
        scale, before, loss_before = state.get("H_diag"), state.get("prev_flat_grad"), state.get("prev_loss")
        n = 0
        while n < h["max_iter"]:
            n += 1
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                d, history, scale = g.neg(), History(g, h["history_size"]), g.new_ones(())
            else:
                y, s = g.sub(before), d.mul(t)
                ys, yy = y.dot(s), y.dot(y)
                if ys.item() > 1e-10:
                    history.add(y, s, ys)
                    scale = ys / yy
                d = history.direction(g, scale)
            before, loss_before = g, loss
            slope, size = g.dot(d), d.abs().max()
            t = min(1.0, (1.0 / g.abs().sum()).item()) * lr if state["n_iter"] == 1 else lr
            slope, size = slope.item(), size.item()
            if slope > -h["tolerance_change"]:
                break
            ls_evals = 0
            if h["line_search_fn"] is not None:
                if h["line_search_fn"] != "strong_wolfe":
                    raise RuntimeError("only 'strong_wolfe' is supported")
                start = self._values()
                loss, g, t, ls_evals = _strong_wolfe(
                    lambda by, start=start, d=d: self._at(closure, start, by, d), t, size, loss, g, slope,
                    h["tolerance_change"],
                )  # fmt: skip
                self._move(t, d)
                done = g.abs().max().item() <= h["tolerance_grad"]
            else:
                self._move(t, d)
                done = False
                if n != h["max_iter"]:
                    _, loss, g = self._evaluated(closure)
                    done = g.abs().max().item() <= h["tolerance_grad"]
                    ls_evals = 1
            evals += ls_evals
            state["func_evals"] += ls_evals
            if n == h["max_iter"] or evals >= h["max_eval"] or done:
                break
            if abs(size * t) <= h["tolerance_change"] or abs(loss - loss_before) < h["tolerance_change"]:
                break
        state.update(d=d, t=t, history=history, H_diag=scale, prev_flat_grad=before, prev_loss=loss_before)
        return first

    # ---- its state ----

    def state_dict(self) -> dict:
        """As PyTorch's: the history as lists."""
        made = super().state_dict()
        made["state"] = {k: _with_lists(state) for k, state in made["state"].items()}
        return made

    def load_state_dict(self, state_dict: dict) -> None:
        """Take over a copy of what `state_dict` gave, here or in PyTorch."""
        super().load_state_dict(state_dict)
        for state in self.state.values():
            state.pop("al", None)
            lists = [state.pop(name, None) for name in ("old_dirs", "old_stps", "ro")]
            if lists[0] is not None:
                like = state["d"]
                with no_grad():
                    state["history"] = History.of_lists(like, self.param_groups[0]["history_size"], *lists)
                    if not isinstance(state["H_diag"], Tensor):
                        state["H_diag"] = like.new_ones(()) * state["H_diag"]

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        self._params = self.param_groups[0]["params"]


def _with_lists(state: dict) -> dict:
    kept = {k: v for k, v in state.items() if k != "history"}
    return {**kept, **state["history"].lists()} if state.get("history") is not None else kept


def _real(g: Tensor) -> Tensor:
    return g.view_as_real() if g.dtype.is_complex else g


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


def _strong_wolfe(at, t: float, size: float, f: float, g: Tensor, slope: float, tolerance: float, c1=1e-4, c2=0.9,
                  most: int = 25):  # fmt: skip
    """(loss, gradient, step, evaluations) at a step that lowers the loss and the slope enough: `at(t)` gives loss,
    gradient and slope there; `size` is the largest element of the direction."""
    f_new, g_new, slope_new = at(t)
    evals = 1
    t_prev, f_prev, g_prev, slope_prev = 0.0, f, g, slope
    done, n = False, 0
    # first find two steps with a good one between them
    while n < most:
        if f_new > f + c1 * t * slope or (n > 1 and f_new >= f_prev):
            bracket = [(t_prev, f_prev, g_prev, slope_prev), (t, f_new, g_new, slope_new)]
            break
        if abs(slope_new) <= -c2 * slope:
            bracket, done = [(t, f_new, g_new, slope_new)], True
            break
        if slope_new >= 0:
            bracket = [(t_prev, f_prev, g_prev, slope_prev), (t, f_new, g_new, slope_new)]
            break
        least = t + 0.01 * (t - t_prev)
        last = t
        t = _cubic(t_prev, f_prev, slope_prev, t, f_new, slope_new, (least, t * 10))
        t_prev, f_prev, g_prev, slope_prev = last, f_new, g_new, slope_new
        f_new, g_new, slope_new = at(t)
        evals, n = evals + 1, n + 1
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
        f_new, g_new, slope_new = at(t)
        evals, n = evals + 1, n + 1
        point = (t, f_new, g_new, slope_new)
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

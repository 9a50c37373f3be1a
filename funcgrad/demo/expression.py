"""The first example: what each Tensor of loss = (w*x + b - 3)**2 knows, before and after backward, and the graphs."""

from __future__ import annotations

import warnings

import funcgrad as torch
from funcgrad.draw import backward_graph, forward_graph


def main(format: str = "mermaid") -> None:
    print("y = w * x;  z = y + b;  loss = (z - 3) ** 2")
    example(x_requires_grad=True, format=format)
    print("\nthe same, with x.requires_grad=False")
    example(x_requires_grad=False, format=format)


def example(x_requires_grad: bool, format: str) -> None:
    x = torch.tensor(1.0, requires_grad=x_requires_grad)
    w = torch.tensor(2.0, requires_grad=True)
    b = torch.tensor(0.5, requires_grad=True)

    y = w * x
    z = y + b
    loss = (z - 3) ** 2

    print("\nbefore loss.backward()")
    show(x=x, w=w, b=b, y=y, z=z, loss=loss)
    forward, backward = forward_graph(loss, format=format), backward_graph(loss, format=format)

    loss.backward()

    print("\nafter loss.backward()")
    show(x=x, w=w, b=b, y=y, z=z, loss=loss)
    print(f"\nforward graph\n\n{forward}\n\nbackward graph\n\n{backward}")


def show(**tensors) -> None:
    """A table of what every Tensor says of itself."""
    rows = [("", "data", "grad", "is_leaf", "requires_grad", "grad_fn")]
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", UserWarning
        )  # asking a Tensor that is not a leaf for .grad; we want to see None
        rows += [
            (name, t.data, t.grad, t.is_leaf, t.requires_grad, t.grad_fn)
            for name, t in tensors.items()
        ]
    rows = [[str(x) for x in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print(
            "  "
            + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        )

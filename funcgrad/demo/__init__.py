"""Floor 7. `python -m funcgrad demo`: gradients of one expression, its graphs, and a network that learns digits.

Written as a user would write it, over the public API. Only the command line imports this package.
"""

from __future__ import annotations

__all__ = ["main"]


def main(dot: bool = False, epochs: int = 15, seed: int = 0) -> int:
    """Run all of it. 0 if the network learned what it should, else 1.

    dot     draw the graphs as DOT instead of Mermaid
    epochs  how often the network sees the training images
    seed    of its first weights and of the shuffling
    """
    from . import classifier, expression

    expression.main("dot" if dot else "mermaid")
    return classifier.main(epochs, seed)

"""Keeps a chart readable: draws a repeated stretch once, then leaves out the middle.

Knows boxes only.
"""

from __future__ import annotations

import re

from .layout import Box

SMALL = 24  # a chart of so few boxes is drawn as it is
LONGEST = 60  # boxes in one round of a repeated stretch


def shorten(boxes: list[Box], most: int) -> list[Box]:
    """At most about `most` boxes."""
    if len(boxes) > min(SMALL, most):
        boxes = _folded(boxes)
    return boxes if len(boxes) <= most else _without_middle(boxes, most)


# ---- repeated stretches ------------------------------------------------------------------------------


def _folded(boxes: list[Box]) -> list[Box]:
    at = {box: i for i, box in enumerate(boxes)}
    sorts = {}
    sort = [sorts.setdefault((box.kind, box.sort), len(sorts)) for box in boxes]
    ins = [sorted(at[source] for source, _ in box.ins) for box in boxes]
    merged: dict[Box, Box] = {}
    spans, number = [(0, len(boxes))], 0
    while spans:
        low, high = spans.pop()
        start, p, rounds = _longest_repeat(sort, ins, low, high)
        if rounds < 3:
            continue
        number += 1
        last = start + p * (rounds - 1)
        for i in range(start, start + p):
            box = boxes[i]
            box.lines = _both(box.lines, boxes[i - start + last].lines)
            box.times, box.stretch = rounds, number
            # an edge from outside is that of the first round
            twin = {
                at[s] - last + start: label
                for s, label in boxes[i - start + last].ins
                if at[s] >= last
            }
            box.ins = [(s, _both(label, twin.get(at[s], label))) for s, label in box.ins]
            merged.update((boxes[j], box) for j in range(i + p, last + p, p))
        spans += [(low, start), (last + p, high)]
    return _merge(boxes, merged)


def _longest_repeat(
    sort: list[int], ins: list[list[int]], low: int, high: int
) -> tuple[int, int, int]:
    """(start, length, rounds) of the repetition that saves most boxes between `low` and `high`."""
    best, saved = (low, 1, 1), 0
    for p in range(1, min(LONGEST, (high - low) // 3) + 1):
        run = 0
        for i in range(low + p, high + 1):
            if i < high and sort[i] == sort[i - p] and _alike(ins[i], ins[i - p], p):
                run += 1
                continue
            rounds = run // p + 1
            if rounds >= 3 and (rounds - 1) * p > saved:
                best, saved = (i - run - p, p, rounds), (rounds - 1) * p
            run = 0
    return best


def _alike(a: list[int], b: list[int], p: int) -> bool:
    """Whether two boxes read boxes as far away as each other, or the same ones."""
    return len(a) == len(b) and all(x - y == p or x == y for x, y in zip(a, b, strict=True))


def _both(first: list[str], last: list[str]) -> list[str]:
    """Texts of the first round that also tell the last: layers.1.weight … layers.31.weight."""
    if len(first) != len(last):
        return first
    return [a if a == b else _span(a, b) for a, b in zip(first, last, strict=True)]


def _span(a: str, b: str) -> str:
    parts, others = re.split(r"(\d+)", a), re.split(r"(\d+)", b)
    if parts[::2] != others[::2]:
        return f"{a} … {b}"
    return "".join(x if x == y else f"{x}..{y}" for x, y in zip(parts, others, strict=True))


# ---- the middle --------------------------------------------------------------------------------------


def _without_middle(boxes: list[Box], most: int) -> list[Box]:
    head = (most - 1) // 2
    middle = boxes[head : len(boxes) - (most - 1 - head)]
    count = sum(box.times for box in middle)
    gap = Box("gap", [f"… {count} more …"], ("gap",))
    merged = dict.fromkeys(middle, gap)
    gap.ins = [(s, []) for box in middle for s, _ in box.ins if s not in merged]
    kept = [*boxes[:head], gap, *boxes[len(boxes) - (most - 1 - head) :]]
    for box in kept:
        box.ins = [(s, [] if s in merged else label) for s, label in box.ins]
    return _merge(kept, merged)


def _merge(boxes: list[Box], merged: dict[Box, Box]) -> list[Box]:
    """The boxes that are not merged into others, each edge once and none from a later box to an earlier one."""
    kept = [box for box in boxes if box not in merged]
    order = {box: i for i, box in enumerate(kept)}
    for box in kept:
        ins, box.ins = box.ins, []
        seen = set()
        for source, label in ins:
            source = merged.get(source, source)
            if source not in seen and order[source] < order[box]:
                box.ins.append((source, label))
            elif source in seen and source.kind != "gap" and order[source] < order[box]:
                box.reads(source, label)
            seen.add(source)
    return kept

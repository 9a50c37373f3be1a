"""A run of the benchmarks as a picture: our time over each peer's, a bar a row. Knows the report and matplotlib."""

from __future__ import annotations

from pathlib import Path

COLOURS = {"funcgrad": "#1f6f8b", "compiled": "#e07a3f"}


def refuse_without_matplotlib() -> None:
    """Raises SystemExit, before anything is measured, if there is nothing to draw with."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise SystemExit('funcgrad bench: --plot wants matplotlib: pip install "funcgrad[bench]"') from None


def plot(report: dict, file: str | Path) -> None:
    """Write a picture of `report`, what `--json` writes, in the format that the name of `file` ends with.

    A panel for each peer: the ratio of every row on a logarithmic scale, the middle half of the rounds as a line.
    """
    from matplotlib.figure import Figure

    bars = list(_bars(report))
    peers = list(dict.fromkeys(peer for *_, peer, _ in bars))
    rows = list(dict.fromkeys(row for row, *_ in bars))
    if not bars:
        raise SystemExit("funcgrad bench: nothing was compared with a peer, so there is nothing to draw")
    figure = Figure(figsize=(4 + 4 * len(peers), 1.6 + 0.42 * len(rows)), layout="constrained")
    for at, peer in enumerate(peers):
        axes = figure.add_subplot(1, len(peers), at + 1)
        for i, ours in enumerate(COLOURS):
            mine = [(rows.index(row), ratio) for row, who, p, ratio in bars if who == ours and p == peer]
            places = [y + 0.38 * (i - 0.5) for y, _ in mine]
            beyond = [ratio[0] - 1 for _, ratio in mine]  # bars grow from 1, to the left where we are faster
            spread = [[r[0] - r[1] for _, r in mine], [r[2] - r[0] for _, r in mine]]
            how = {"color": COLOURS[ours], "label": ours, "error_kw": {"linewidth": 1}}
            axes.barh(places, beyond, 0.36, left=1, xerr=spread, **how)
        axes.axvline(1, color="black", linewidth=1)
        axes.set(xscale="log", title=f"time over {peer}", ylim=(len(rows) - 0.4, -0.6))
        axes.set_yticks(range(len(rows)), rows if at == 0 else [""] * len(rows))
        axes.grid(axis="x", which="both", alpha=0.25)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower right", ncols=2)
    figure.suptitle(" · ".join(f"{k} {v}" for k, v in report["about"].items()), fontsize=8)
    figure.savefig(file)


def _bars(report: dict):
    """(row, funcgrad or compiled, peer, (median, lower quartile, upper quartile)) of everything compared."""
    for rows in report["suites"].values():
        for row in rows:
            for ours, ratios in row["ratios"].items():
                for peer, ratio in ratios.items():
                    yield row["name"], ours, peer, ratio

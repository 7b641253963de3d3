"""
The same as pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot, ticker

from tests.benchmarks import samples
from tests.benchmarks.parts import (
    growth,
    layer,
    logins,
    memory,
    round_trips,
)
from tests.benchmarks.results import Comparison, Results

#: Ours in blue; the same colour for a client in every picture.
COLOURS = {
    "connect": "#1f5fa8",
    "drop-in": "#7fb0e0",
    "Conch": "#d98c1f",
    "AsyncSSH": "#3f8f4f",
    "Paramiko": "#a8455f",
    "ssh": "#777777",
    "eager": "#1f5fa8",
    "ordinary": "#7fb0e0",
    "signature": "#777777",
}
_STYLE: Any = {
    # Words stay words, and the same numbers give the same file.
    "svg.fonttype": "none",
    "svg.hashsalt": "conch_auth",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "legend.frameon": False,
    "figure.facecolor": "white",
}
_WIDTH = 7.0

Draw = Callable[[Results], Any]


def _bars(axes: Any, comparisons: Sequence[Comparison]) -> None:
    """
    A group of bars for each comparison, with the spread where there is any.
    """
    candidates = comparisons[0].candidates
    width = 0.8 / len(candidates)
    for number, name in enumerate(candidates):
        there = [each for each in comparisons if name in each.candidates]
        found = [samples.of(each.rounds, name) for each in there]
        places = [
            place + (number - (len(candidates) - 1) / 2) * width
            for place, each in enumerate(comparisons)
            if name in each.candidates
        ]
        errors = [
            [each.median - each.low for each in found],
            [each.high - each.median for each in found],
        ]
        medians = [each.median for each in found]
        axes.bar(places, medians, width * 0.92, color=COLOURS[name], label=name)
        axes.errorbar(places, medians, errors, fmt="none", ecolor="#333333", lw=0.8)
    axes.set_xticks(range(len(comparisons)))
    axes.grid(visible=False, axis="x")


def _bar_chart(
    comparisons: Sequence[Comparison], label: str, names: Sequence[str]
) -> Any:
    figure, axes = pyplot.subplots(figsize=(_WIDTH, 3.2), layout="constrained")
    _bars(axes, comparisons)
    axes.set_xticklabels(names)
    axes.set_ylabel(label)
    figure.legend(loc="outside upper center", ncols=len(comparisons[0].candidates))
    return figure


def _titles(comparisons: Sequence[Comparison]) -> list[str]:
    return [each.what.replace(", ", ",\n") for each in comparisons]


def _trips(results: Results) -> Any:
    found = results.of(round_trips.PART, unit=round_trips.TRIPS)
    first = [each for each in found if each.size == found[0].size]
    return _bar_chart(first, "round trips after NEWKEYS", _titles(first))


def _time(results: Results) -> Any:
    found = results.of(round_trips.PART, unit=round_trips.TIME)
    cases = list(dict.fromkeys(each.what for each in found))
    figure, grid = pyplot.subplots(
        1, len(cases), figsize=(_WIDTH, 2.8), layout="constrained", sharey=True
    )
    for axes, case in zip(grid, cases, strict=True):
        _lines(axes, [each for each in found if each.what == case])
        axes.set_title(case.replace(", ", ",\n"), fontsize=8)
        axes.set_xlabel("ms each way")
    grid[0].set_ylabel(round_trips.TIME)
    _legend(figure, grid[0])
    return figure


def _legend(figure: Any, axes: Any) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))


def _lines(axes: Any, comparisons: Sequence[Comparison]) -> None:
    """
    The medians of each candidate by size.
    """
    for name in comparisons[0].candidates:
        there = [each for each in comparisons if name in each.candidates]
        axes.plot(
            [each.size for each in there],
            [samples.of(each.rounds, name).median for each in there],
            marker="o",
            markersize=3,
            linewidth=1.2,
            color=COLOURS[name],
            label=name,
        )


def _layer(results: Results) -> Any:
    return _bar_chart(results.of(layer.PART), layer.UNIT, ["one key"])


def _logins(results: Results) -> Any:
    found = results.of(logins.PART, unit=logins.CPU)
    return _bar_chart(found, logins.CPU, _titles(found))


def _memory(results: Results) -> Any:
    found = results.of(memory.PART)
    return _bar_chart(found, memory.UNIT, _titles(found))


def _in_plain_numbers(axes: Any) -> None:
    """
    Logarithmic axes, on which 100 is 100.
    """
    for axis, scale in ((axes.xaxis, axes.set_xscale), (axes.yaxis, axes.set_yscale)):
        scale("log")
        axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axis.set_minor_locator(ticker.NullLocator())
        axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_major_locator(ticker.LogLocator())


def _growth(results: Results) -> Any:
    figure, grid = pyplot.subplots(
        2, 2, figsize=(_WIDTH, 5.4), layout="constrained", squeeze=True
    )
    quantities = (growth.KEYS, growth.QUESTIONS, growth.BANNERS, growth.SIMULTANEOUS)
    for axes, what in zip(grid.flat, quantities, strict=True):
        _lines(axes, results.of(growth.PART, what))
        _in_plain_numbers(axes)
        axes.set_xlabel(f"logins {what}" if what == growth.SIMULTANEOUS else what)
    for axes in grid[:, 0]:
        axes.set_ylabel("ms of processor time\na login")
    _legend(figure, grid[0, 0])
    return figure


_PICTURES: dict[str, tuple[str, Draw]] = {
    "round-trips": (round_trips.PART, _trips),
    "time": (round_trips.PART, _time),
    "layer": (layer.PART, _layer),
    "logins": (logins.PART, _logins),
    "memory": (memory.PART, _memory),
    "growth": (growth.PART, _growth),
}


def draw(results: Results, directory: Path) -> Iterator[Path]:
    """
    Draw what there are results of, as SVG.
    """
    directory.mkdir(exist_ok=True)
    for name, (part, picture) in _PICTURES.items():
        if results.of(part):
            with pyplot.rc_context(_STYLE):
                figure = picture(results)
                file = directory / f"{name}.svg"
                figure.savefig(file, metadata={"Date": None, "Creator": None})
                pyplot.close(figure)
            yield file

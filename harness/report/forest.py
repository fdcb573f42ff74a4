"""Forest plots of effects, the only user of matplotlib, which is asked for when a plot is."""

import io
from collections.abc import Sequence
from typing import Any, Final, Literal

from harness.errors import EnvironmentFault
from harness.records import Effect

MOST: Final = 80
_COLOURS: Final = {"win": "#1a7f37", "no worse": "#57606a", "worse": "#cf222e", "inconclusive": "#9a6700"}
_MISSING: Final = "pip install 'holdpoint[report]'"


def forest(effects: Sequence[tuple[str, Effect]], title: str, form: Literal["svg", "png"]) -> bytes:
    """A plot of labelled effects with their intervals, one a line from the top; an open end is an arrow.

    All effects should be of one metric, since they share an axis. EnvironmentFault without matplotlib.
    """
    figure_kind, rc = _matplotlib()
    with rc({"svg.hashsalt": "holdpoint", "svg.fonttype": "none"}):
        figure = figure_kind(figsize=(9, 1.4 + 0.26 * len(effects)), layout="constrained")
        axes = figure.add_subplot()
        bounds = _bounds([effect for _, effect in effects])
        for place, (_, effect) in enumerate(effects):
            _draw(axes, -place, effect, bounds)
        axes.axvline(0, color="#24292f", linewidth=0.8)
        axes.set_xlim(*bounds)
        axes.set_ylim(-len(effects) + 0.4, 0.6)
        axes.set_yticks([-place for place in range(len(effects))])
        axes.set_yticklabels([label for label, _ in effects], fontsize=8, parse_math=False)
        axes.set_title(title, fontsize=10, parse_math=False)
        axes.grid(axis="x", linewidth=0.3)
        data = io.BytesIO()
        figure.savefig(data, format=form, metadata={"Date": None} if form == "svg" else {"Software": None})
    return data.getvalue()


def _draw(axes: Any, height: float, effect: Effect, bounds: tuple[float, float]) -> None:
    colour = _COLOURS[effect.outcome]
    low = bounds[0] if effect.low is None else effect.low
    high = bounds[1] if effect.high is None else effect.high
    axes.plot([low, high], [height, height], color=colour, linewidth=1.6)
    for end, mark in ((effect.low, "<"), (effect.high, ">")):
        if end is None:
            axes.plot([bounds[0] if mark == "<" else bounds[1]], [height], mark, color=colour, clip_on=False)
    axes.plot([effect.estimate], [height], "s" if effect.outcome == "win" else "o", color=colour, markersize=4)


def _bounds(effects: list[Effect]) -> tuple[float, float]:
    """An axis that holds zero, every estimate and every bounded end, with some room."""
    ends = [end for effect in effects for end in (effect.low, effect.high, effect.estimate, 0.0) if end is not None]
    low, high = min(ends), max(ends)
    room = 0.05 * (high - low) or 0.01
    return low - room, high + room


def _matplotlib() -> tuple[Any, Any]:
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise EnvironmentFault("Plots need matplotlib, which is not installed.", _MISSING) from None
    return Figure, rc_context

"""A campaign as one HTML page that needs nothing else: counts, what luck would have given, forest plots; pure text."""

from html import escape

from harness.records import Effect, EffectOutcome, Record
from harness.report.forest import MOST, forest
from harness.report.path import path_line
from harness.text import visible_line

_RANK: dict[EffectOutcome, int] = {"win": 0, "no worse": 1, "inconclusive": 2, "worse": 3}
_STYLE = (
    "body{font:15px/1.5 sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#24292f}"
    "table{border-collapse:collapse;font-size:13px}td,th{padding:.2rem .7rem;text-align:left}"
    "tr{border-bottom:1px solid #ddd}"
    "svg{max-width:100%;height:auto}.path{font-family:monospace;white-space:pre}"
)


class Comparison(Record):
    """One proposal's effect as it was measured."""

    proposal: str
    title: str
    verdict: str
    effect: Effect


class CampaignReport(Record):
    """What a campaign amounts to: `comparisons` of noisy objectives, at which levels, what won and what luck explains.

    `expected_by_luck` is the sum of the levels, at most so many wins on average if no candidate had any effect;
    `false_at_most` is alpha times the wins, the false ones among them that e-LOND allows on average.
    """

    campaign: str
    state: str
    proposals: int
    passed: int
    alpha: float
    gamma: str
    comparisons: int
    wins: int
    expected_by_luck: float
    false_at_most: float
    effects: tuple[Comparison, ...]


def in_order(effects: tuple[Comparison, ...]) -> dict[str, tuple[Comparison, ...]]:
    """By metric, wins first, the largest before all."""
    found: dict[str, list[Comparison]] = {}
    for one in sorted(effects, key=lambda one: (_RANK[one.effect.outcome], -one.effect.estimate, one.proposal)):
        found.setdefault(one.effect.metric, []).append(one)
    return {metric: tuple(ones) for metric, ones in found.items()}


def summary(report: CampaignReport) -> tuple[str, ...]:
    """The report in sentences."""
    lines = [
        f"{report.campaign}: {report.proposals} proposals, {report.passed} passed, {report.state}",
        f"{report.comparisons} comparisons of noisy metrics under e-LOND at alpha {report.alpha:g} ({report.gamma})",
    ]
    if report.comparisons:
        lines.append(
            f"{report.wins} wins; if no candidate had any effect, luck would give at most "
            f"{report.expected_by_luck:.3g} on average"
        )
    if report.wins:
        lines.append(f"of these wins, at most {report.false_at_most:.3g} are false on average")
    return tuple(lines)


def page(report: CampaignReport) -> str:
    """The page; titles are candidates' words and are escaped. EnvironmentFault without matplotlib."""
    parts = [f"<p>{escape(line)}</p>" for line in summary(report)]
    for metric, ones in in_order(report.effects).items():
        noisy = tuple(one for one in ones if not one.effect.exact)
        parts.append(f"<h2>{escape(metric)}</h2>")
        if noisy:
            parts.append(_picture(noisy))
        parts.append(_table(ones))
    body = "\n".join(parts)
    head = f'<meta charset="utf-8"><title>{escape(report.campaign)}</title><style>{_STYLE}</style>'
    top = f"<h1>{escape(report.campaign)}</h1>"
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{top}\n{body}</body></html>\n'


def labelled(ones: tuple[Comparison, ...]) -> list[tuple[str, Effect]]:
    """The rows of a plot: as many as one can read."""
    return [(f"{one.proposal} {one.effect.outcome}", one.effect) for one in ones[:MOST]]


def _picture(ones: tuple[Comparison, ...]) -> str:
    text = forest(labelled(ones), "candidate against baseline, right is better", "svg").decode()
    more = f"<p>{len(ones) - MOST} more are in the table only.</p>" if len(ones) > MOST else ""
    return text[text.index("<svg") :] + more


def _table(ones: tuple[Comparison, ...]) -> str:
    head = (
        "<tr>"
        + "".join(f"<th>{name}</th>" for name in ("proposal", "title", "effect", "pairs", "evidence", ""))
        + "</tr>"
    )
    return "<table>" + head + "\n".join(map(_row, ones)) + "</table>"


def _row(one: Comparison) -> str:
    effect = one.effect
    span = f" [{_end(effect.low)}, {_end(effect.high)}]" if not effect.exact else ""
    value = f"{effect.estimate:+.3g}{span} {effect.outcome}"
    evidence = "exact" if effect.e_value is None else f"e = {effect.e_value:.3g}"
    cells = (one.proposal, visible_line(one.title, 100), value, str(effect.pairs), evidence)
    path = f'<td class="path">{path_line(effect)}</td>'
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + path + "</tr>"


def _end(value: float | None) -> str:
    return "open" if value is None else f"{value:+.3g}"

"""Effects as text, plot and page, with names that would like to be markup."""

import sys

import pytest

from harness.cli.words import effect_words
from harness.errors import EnvironmentFault
from harness.records import Effect, EffectOutcome
from harness.report import CampaignReport, Comparison, forest, page, path_line
from harness.report.page import in_order, summary


def effect(outcome: EffectOutcome = "win", estimate: float = 0.05, **changes: object) -> Effect:
    fields = {
        "metric": "lookup", "unit": "s", "kind": "time", "role": "objective", "exact": False, "baseline": 1.0,
        "candidate": 0.9, "estimate": estimate, "low": 0.01, "high": 0.09, "e_value": 24.0, "pairs": 5,
        "outcome": outcome, "alpha": 0.05, "path": (1.4, 2.2, 0.5, 9.0, 24.0),
    }  # fmt: skip
    return Effect.model_validate({**fields, **changes})


def test_the_path_is_full_only_where_the_evidence_is_enough() -> None:
    line = path_line(effect())
    assert len(line) == 5
    assert line[-1] == "█"
    assert "█" not in line[:-1]
    assert line[2] < line[1] < line[3]
    strict = path_line(effect(alpha=0.0005))
    assert "█" not in strict
    assert path_line(effect(path=())) == ""
    assert "█" not in path_line(effect(alpha=0.0, path=(19.0,)))
    assert path_line(effect(role="guardrail", alpha=None, path=(0.001, 20.0))) == "▁█"


def test_a_long_path_keeps_its_end() -> None:
    line = path_line(effect(path=(*[1.0] * 999, 30.0)), width=20)
    assert len(line) == 20
    assert line[-1] == "█"
    assert len(set(line[:-1])) == 1


def test_words_say_what_would_have_been_enough_and_which_ends_are_open() -> None:
    assert effect_words(effect()) == "lookup: +0.050 [+0.010, +0.090] (5 pairs, e=24 of 20): win"
    assert "[open, +0.090]" in effect_words(effect(low=None))
    assert "[+0.010, open]" in effect_words(effect(high=None))
    assert "e=24 of 2e+03" in effect_words(effect(alpha=0.0005))
    assert "nothing is enough" in effect_words(effect(alpha=0.0))
    assert "over its parent" in effect_words(effect(over="c0ffee"))
    assert "refuted" in effect_words(effect("inconclusive", futile=True))
    assert effect_words(effect("no worse", role="guardrail", alpha=None)).endswith("(5 pairs, e=24): no worse")


def report(*effects: Effect, title: str = "<script>alert(1)</script> $x^$") -> CampaignReport:
    return CampaignReport(
        campaign="tinker-1", state="finished", proposals=3, passed=1, alpha=0.05, gamma="even", comparisons=3, wins=1,
        expected_by_luck=0.15, false_at_most=0.05,
        effects=tuple(
            Comparison(proposal=f"P{n}", title=title, verdict="pass", effect=one) for n, one in enumerate(effects)
        ),
    )  # fmt: skip


@pytest.mark.parametrize(("form", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_a_forest_plot_is_the_same_each_time(form: str, start: bytes) -> None:
    effects = [("P1 $a$", effect()), ("P2", effect("worse", -0.2, low=None)), ("P3", effect("inconclusive", high=None))]
    first, second = (forest(effects, "lookup $", form) for _ in range(2))  # type: ignore[arg-type]
    assert first == second
    assert first.startswith(start)
    if form == "svg":
        assert b"P1 $a$" in first, "a label is text, no formula"


def test_a_page_escapes_and_orders() -> None:
    found = report(
        effect("worse", -0.1), effect("win", 0.05), effect("win", 0.08), effect("no worse", exact=True, path=())
    )
    assert [one.effect.estimate for one in in_order(found.effects)["lookup"]] == [0.08, 0.05, 0.05, -0.1]
    text = page(found)
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert text.count("<svg") == 1
    assert "luck would give at most 0.15 on average" in text
    assert any("at most 0.05 are false" in line for line in summary(found))
    assert page(found.model_copy(update={"effects": ()})).count("<svg") == 0


def test_without_the_library_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(EnvironmentFault, match=r"pip install 'holdpoint\[report\]'"):
        forest([("P1", effect())], "t", "svg")

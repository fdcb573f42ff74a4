"""SECURITY.md names every probe and is in step with the registry and the threats."""

from pathlib import Path

import pytest

from harness.doctor.registry import PROBES
from harness.doctor.threats import BEGIN, END, THREATS, security_table, with_table
from harness.errors import UsageError

DOCUMENT = Path(__file__).resolve().parents[2] / "SECURITY.md"


def test_the_document_is_in_step() -> None:
    text = DOCUMENT.read_text()
    assert with_table(text, PROBES) == text, "run `make security`"


def test_every_probe_is_listed_once() -> None:
    table = DOCUMENT.read_text().partition(BEGIN)[2].partition(END)[0]
    for probe in PROBES:
        assert table.count(f"`{probe.id}`") == 1, probe.id
    assert len({probe.id for probe in PROBES}) == len(PROBES)


def test_a_probe_that_is_missing_shows() -> None:
    text = DOCUMENT.read_text()
    assert with_table(text, PROBES[1:]) != text


def test_a_probe_of_an_unknown_threat_is_refused() -> None:
    stranger = PROBES[0].__class__(**{**vars(PROBES[0]), "threat": "unheard of"})
    with pytest.raises(UsageError, match=PROBES[0].id):
        security_table((*PROBES, stranger))


def test_threats_are_told_apart_and_fit_a_table() -> None:
    assert len({threat.key for threat in THREATS}) == len(THREATS)
    for threat in THREATS:
        for text in (threat.threat, threat.protection, threat.residual):
            assert "|" not in text
            assert "\n" not in text

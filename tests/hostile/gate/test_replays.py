"""A true signature by the right person, used for something that it was not given for."""

from pathlib import Path

import pytest
from attacks import checked, landed_by_hand, packet, predicate_of, record, refused, sealed, wrong
from gate_stage import Stage, build

from harness.gate.statement import Envelope


def both_ways(stage: Stage, tmp_path: Path, number: str, envelope: Envelope, who: str = "ana") -> tuple[str, str]:
    """Why the harness refuses the statement, and why a verifier does after it was pushed past the harness."""
    from harness.gate.statement import Statement, read_statement

    statement = read_statement(envelope.statement.encode())
    assert isinstance(statement, Statement)
    record(stage, number, who, envelope)
    why = refused(stage, number)
    run = stage.ledger.state.proposals[number].run
    assert run is not None
    said = statement.predicate.model_copy(update={"merge": run.merge})  # only for the folder's name
    files = packet(stage, number, (said, envelope))
    return why, wrong(checked(stage, landed_by_hand(stage, tmp_path / "pushed.git", run, files)))


def test_a_statement_for_another_repository(stage: Stage, tmp_path: Path) -> None:
    """Twin repositories: same content, same people, same keys; one of them was approved."""
    one, two = build(tmp_path / "one", root=False), build(tmp_path / "two", root=False)
    first, _ = one.waiting()
    given = one.approve(first)
    second, _ = two.waiting()
    two.approve(second)  # signs the twin's own root; taken back at once
    two.desk().revoke(second, "only the root was wanted")
    assert given.statement is not None
    envelope = Envelope.model_validate_json(one.store.get(given.statement))
    for why in both_ways(two, tmp_path, second, envelope):
        assert "another repository" in why


def test_a_statement_for_another_ref(stage: Stage, tmp_path: Path) -> None:
    number, _ = stage.waiting()
    said = predicate_of(stage, stage.approve(number)).model_copy(update={"ref": "refs/heads/sandbox"})
    for why in both_ways(stage, tmp_path, number, sealed(stage, said, "ana")):
        assert "another ref ('refs/heads/sandbox', not 'refs/heads/main')" in why


def test_a_statement_for_another_base(stage: Stage, tmp_path: Path) -> None:
    number, _ = stage.waiting()
    before = stage.approve(number)
    stage.landed(edits={"src/pkg/b.py": b"other = 5\n"})
    stage.run(number)  # the base moved: another merge, another run
    assert before.statement is not None
    envelope = Envelope.model_validate_json(stage.store.get(before.statement))
    for why in both_ways(stage, tmp_path, number, envelope):
        assert "another evidence" in why or "another base" in why


def test_a_statement_with_only_its_base_exchanged(stage: Stage, tmp_path: Path) -> None:
    number, _ = stage.waiting()
    said = predicate_of(stage, stage.approve(number)).model_copy(update={"base": "a" * 40})
    for why in both_ways(stage, tmp_path, number, sealed(stage, said, "ana")):
        assert "another base" in why


def test_a_statement_for_another_tree(stage: Stage, tmp_path: Path) -> None:
    number, _ = stage.waiting()
    said = predicate_of(stage, stage.approve(number)).model_copy(update={"tree": "a" * 40})
    for why in both_ways(stage, tmp_path, number, sealed(stage, said, "ana")):
        assert "another tree" in why


def test_a_statement_for_another_proposal_of_the_same_person(stage: Stage, tmp_path: Path) -> None:
    harmless, _ = stage.waiting(edits={"src/pkg/b.py": b"other = 3\n"})
    given = stage.approve(harmless)
    number, _ = stage.waiting()
    assert given.statement is not None
    envelope = Envelope.model_validate_json(stage.store.get(given.statement))
    for why in both_ways(stage, tmp_path, number, envelope):
        assert "another" in why


def test_a_statement_under_another_policy(stage: Stage, tmp_path: Path) -> None:
    number, _ = stage.waiting()
    said = predicate_of(stage, stage.approve(number)).model_copy(update={"policy": "sha256:" + "0" * 64})
    for why in both_ways(stage, tmp_path, number, sealed(stage, said, "ana")):
        assert "another policy" in why


def test_a_statement_that_was_tested_in_another_sandbox(stage: Stage, tmp_path: Path) -> None:
    number, _ = stage.waiting()
    said = predicate_of(stage, stage.approve(number)).model_copy(update={"profile": "sha256:" + "0" * 64})
    for why in both_ways(stage, tmp_path, number, sealed(stage, said, "ana")):
        assert "another profile" in why


def test_a_statement_whose_text_was_laid_out_anew(stage: Stage, tmp_path: Path) -> None:
    """The same content in other bytes, signed: one content has one text."""
    number, _ = stage.waiting()
    said = predicate_of(stage, stage.approve(number))
    honest = sealed(stage, said, "ana")
    spaced = honest.model_copy(update={"statement": honest.statement.replace(",", ", ", 1)})
    record(stage, number, "ana", spaced)
    assert "not the canonical text" in refused(stage, number)


def test_a_second_landing_of_the_same_approval(stage: Stage) -> None:
    number, _ = stage.waiting()
    stage.approve(number)
    stage.desk().merge(number)
    again = stage.desk().merge(number)
    assert "merged already" in getattr(again, "why", "")


@pytest.mark.parametrize("word", ["revoke", "reject", "request-changes", "defer"])
def test_a_signed_no_is_no_approval(stage: Stage, word: str) -> None:
    """Whatever else the person signed, in whatever place it is put."""
    number, _ = stage.waiting()
    stage.approve(number)
    desk = stage.desk()
    done = {
        "revoke": desk.revoke, "reject": desk.reject, "request-changes": desk.request_changes, "defer": desk.defer,
    }[word](number, "I changed my mind")  # type: ignore[operator]  # fmt: skip
    assert done.statement is not None
    envelope = Envelope.model_validate_json(stage.store.get(done.statement))
    other, _ = stage.waiting(edits={"src/pkg/b.py": b"other = 4\n"})
    record(stage, other, "ana", envelope)
    assert "no approval statement" in refused(stage, other)

"""Proposals: deterministic, confined to the policy, readable, valid Python. Which of them help is not known here."""

import ast
import re
from pathlib import Path

import pytest
from tinker import policy
from tinker.propose import MOST_ROWS, PATH, propose

TEXT = Path(policy.__file__).read_text(encoding="utf-8")
SEEDS = range(12)


@pytest.fixture(scope="module")
def proposals():
    return [propose(seed, {PATH: TEXT}) for seed in SEEDS]


def test_the_same_seed_and_file_give_the_same_proposal(proposals):
    assert [propose(seed, {PATH: TEXT}) for seed in SEEDS[:5]] == proposals[:5]


def test_seeds_differ(proposals):
    assert len({proposal["edits"][0]["content"] for proposal in proposals}) > len(SEEDS) / 2


def test_only_the_policy_is_edited_and_each_edit_changes_it(proposals):
    for proposal in proposals:
        (edit,) = proposal["edits"]
        assert (proposal["type"], edit["path"]) == ("proposal", PATH)
        assert edit["content"] != TEXT


def test_a_proposal_is_valid_python_and_keeps_the_form_of_the_policy(proposals):
    names = {node.name for node in ast.parse(TEXT).body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for proposal in proposals:
        body = ast.parse(proposal["edits"][0]["content"]).body
        assert names == {node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def test_a_proposal_stays_short_and_says_what_it_changes(proposals):
    for proposal in proposals:
        assert 0 < len(proposal["title"]) <= 200
        assert proposal["rationale"].startswith(proposal["title"])
        lines, before = proposal["edits"][0]["content"].count("\n"), TEXT.count("\n")
        assert lines <= before + 2
        rows = [line for line in proposal["edits"][0]["content"].splitlines() if line.lstrip().startswith(("(", '"'))]
        assert all(re.match(r' {4}[("]', row) for row in rows if not row.endswith('"""'))  # laid out as a person would


def test_a_full_table_grows_no_further():
    full = (
        "RULES = (\n"
        + '    ("Name", "{name}"),\n' * MOST_ROWS
        + ")\n\n\ndef key(edit):\n    return (edit.rule, edit.line)\n"
    )
    full += "\n\nclass Edit:\n    rule: int\n    line: int\n"
    for seed in SEEDS:
        namespace = {}
        exec(propose(seed, {PATH: full})["edits"][0]["content"], namespace)
        assert 1 <= len(namespace["RULES"]) <= MOST_ROWS


@pytest.mark.parametrize("files", [{}, {PATH: ""}, {PATH: "x = 1\n"}, {PATH: "def f(:"}])
def test_a_file_that_no_operator_fits_gives_nothing(files):
    assert propose(1, files) == {"type": "nothing"}

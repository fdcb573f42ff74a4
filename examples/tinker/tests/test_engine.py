"""The fixed half: sites, templates, splicing, budget. Nothing here depends on which rules the policy holds."""

import io
import json

import pytest
from tinker import engine
from tinker.engine import Problem, fill, serve, solve, valid

SOURCE = """def spread(values, low):
    best = (low + 1) * 2
    for value in values:
        if value < best:
            best = max(value, low)
    return best
"""
NO_FACTS = {"failing": {}, "passing": {}}


@pytest.fixture
def problem():
    return Problem(SOURCE, {"failing": {"5": 2}, "passing": {"5": 1, "6": 3}})


def one(problem, kind):
    (site,) = problem.sites[kind]
    return site


def test_sites_are_found_by_kind_and_by_role(problem):
    assert one(problem, "Comparison").text == "value < best"
    assert one(problem, "If.test") == one(problem, "Comparison")
    assert [site.text for site in problem.sites["Call.args"]] == ["value", "low"]


def test_the_parts_of_a_comparison_are_its_own(problem):
    parts = one(problem, "Comparison").parts
    assert (parts["left"], parts["operator"], parts["right"]) == ("value", "<", "best")


def test_a_part_keeps_its_parentheses(problem):
    assert problem.sites["Assign.value"][0].parts["left"] == "(low + 1)"


def test_lines_carry_what_the_judge_said(problem):
    assert (problem.failing[5], problem.passing[5], problem.failing[6], problem.passing[6]) == (2, 1, 0, 3)


def test_an_edit_replaces_its_site_and_nothing_else(problem):
    assert problem.apply(one(problem, "Comparison"), "value > best") == SOURCE.replace("value < best", "value > best")


def test_a_replacement_inside_an_expression_gets_parentheses(problem):
    inner = problem.sites["BinaryOperation.left"][0]
    assert "((low - 1)) * 2" in problem.apply(inner, "low - 1")


def test_text_of_several_lines_follows_the_indentation(problem):
    new = problem.apply(one(problem, "Return"), fill("if {value}:\n    {self}", one(problem, "Return").parts))
    assert new.endswith("    if best:\n        return best\n")
    assert valid(new)


def test_a_statement_of_several_lines_can_be_moved_inwards(problem):
    loop = one(problem, "For")
    new = problem.apply(loop, fill("while {iter}:\n    {self}", loop.parts))
    assert "    while values:\n        for value in values:\n            if value < best:\n" in new
    assert valid(new)


def test_rules_are_expanded_in_order_and_numbered(problem):
    rules = (("Comparison", "{left} >= {right}"), ("Return", "return {name}"))
    edits = [(rule, turn, text) for rule, turn, _, text in problem.expand(rules, {"name": "Name"})]
    assert edits[0] == (0, 0, "value >= best")
    assert [rule for rule, _, _ in edits[1:]] == [1] * (len(edits) - 1)
    assert [turn for _, turn, _ in edits[1:]] == list(range(len(edits) - 1))
    assert "return low" in [text for _, _, text in edits]
    assert "return best" not in [text for _, _, text in edits]  # what is there already is no edit


@pytest.mark.parametrize("template", ["{nowhere}", "{left} {nowhere}", "{left", "{", "", "{}"])
def test_a_template_that_makes_no_sense_is_harmless(problem, template):
    edits = list(problem.expand([("Comparison", template)], {"name": "Name"}))
    assert len(edits) <= 1


def test_a_rule_without_a_site_gives_nothing(problem):
    assert list(problem.expand([("Lambda", "None"), ("", "0")], {})) == []


def test_what_a_task_may_cost_is_bounded(problem):
    names = {f"n{i}": "Name" for i in range(6)}
    rules = [("Name", " + ".join(f"{{n{i}}}" for i in range(6)))]
    assert len(list(problem.expand(rules, names))) == engine.MOST_EDITS


@pytest.mark.parametrize("source", ["def f(:", "(" * 3000, "\0", "x = 'a\n", "-" * 5000 + "1"])
def test_what_does_not_parse_is_told_apart(source):
    assert not valid(source)


def body(**changes):
    return {"source": SOURCE, "facts": NO_FACTS, "budget": 40, **changes}


def test_each_source_is_tried_once_and_only_if_it_parses():
    tried = [SOURCE, "x = 1\n", "x = \n", "x = 1\n", "x = 2\n"]
    session = solve(body(), lambda problem: tried)
    assert next(session)["sources"] == ["x = 1\n", "x = 2\n"]


def test_the_budget_bounds_what_is_sent():
    session, sent = solve(body(budget=40), lambda problem: (f"x = {i}\n" for i in range(1000))), 0
    message = next(session)
    while message["type"] == "evaluate":
        sent += len(message["sources"])
        assert len(message["sources"]) <= engine.BATCH
        try:
            message = session.send([False] * len(message["sources"]))
        except StopIteration as end:
            message = end.value
    assert (sent, message) == (40, {"type": "give_up"})


def test_the_first_success_is_the_answer():
    session = solve(body(), lambda problem: ["x = 1\n", "x = 2\n", "x = 3\n"])
    next(session)
    with pytest.raises(StopIteration) as end:
        session.send([False, True])
    assert end.value.value == {"type": "answer", "source": "x = 2\n"}


def test_the_line_protocol_echoes_ids(monkeypatch, capsys):
    lines = "".join(json.dumps({"id": n, "body": {"n": n}}) + "\n" for n in (7, 8))
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    serve(lambda body: {"twice": body["n"] * 2})
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert answers == [{"id": 7, "body": {"twice": 14}}, {"id": 8, "body": {"twice": 16}}]

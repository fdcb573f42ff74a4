"""What holds for any policy worth proposing: it is well formed, it terminates, and it repairs something trivial."""

from itertools import islice

import pytest
from tinker import engine, policy
from tinker.worker import Worker

TRIVIAL = [  # buggy source, function, tests
    ("def second(a, b):\n    return a\n", "second", [((1, 2), 2), ((3, 3), 3)]),
    ("def smaller(a, b):\n    if a > b:\n        return a\n    return b\n", "smaller", [((1, 2), 1), ((5, 4), 4)]),
    ("def double(n):\n    return n + 0\n", "double", [((0,), 0), ((4,), 8)]),
]


def passes(source, function, tests):
    namespace = {}
    try:
        exec(source, namespace)
        return all(namespace[function](*args) == expected for args, expected in tests)
    except Exception:
        return False


def repair(source, function, tests, budget=60):
    """Plays the judge; gives the repaired source, or None, and the evaluations used."""
    worker, used = Worker(), 0
    message = worker.answer({"type": "repair", "source": source, "facts": {}, "budget": budget})
    while message["type"] == "evaluate":
        results = []
        for new in message["sources"]:
            results.append(passes(new, function, tests))
            if results[-1]:
                break
        used += len(results)
        message = worker.answer({"type": "outcome", "results": results})
    return message.get("source"), used


def test_rules_are_pairs_of_text():
    assert len(policy.RULES) > 0
    assert all(isinstance(cell, str) for rule in policy.RULES for cell in rule)
    assert {len(rule) for rule in policy.RULES} == {2}


def test_placeholders_name_kinds():
    assert all(isinstance(cell, str) for item in policy.PLACEHOLDERS.items() for cell in item)


def test_the_search_ends_and_yields_sources():
    for source, _, _ in TRIVIAL:
        problem = engine.Problem(source, {})
        found = list(islice(policy.search(problem), engine.MOST_EDITS + 1))
        assert len(found) <= engine.MOST_EDITS
        assert all(isinstance(new, str) for new in found)


def test_the_search_is_deterministic():
    source = TRIVIAL[1][0]
    first, second = (list(policy.search(engine.Problem(source, {"failing": {"2": 1}}))) for _ in range(2))
    assert first == second


def test_something_trivial_is_repaired_within_the_budget():
    repaired = [repair(*task) for task in TRIVIAL]
    assert any(source is not None for source, _ in repaired)
    assert all(used <= 60 for _, used in repaired)


def test_what_is_called_repaired_passes():
    for source, function, tests in TRIVIAL:
        new, _ = repair(source, function, tests)
        assert new is None or passes(new, function, tests)


def test_a_task_beyond_repair_is_given_up():
    assert repair("def f():\n    pass\n", "f", [((), "no edit makes this text")]) == (None, pytest.approx(0, abs=60))


def test_one_worker_does_one_task_after_another():
    worker = Worker()
    for source, _, _ in TRIVIAL:
        message = worker.answer({"type": "repair", "source": source, "facts": {}, "budget": 3})
        assert message["type"] in ("evaluate", "give_up")
        assert len(message.get("sources", ())) <= 3


@pytest.mark.parametrize("body", [{}, {"type": "outcome"}, {"type": "repair", "source": "def f(:"}, {"type": "no"}])
def test_a_message_that_makes_no_sense_gives_the_task_up(body):
    assert Worker().answer(body) == {"type": "give_up"}

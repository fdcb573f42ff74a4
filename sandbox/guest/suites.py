"""Runs a benchmark suite that the target has already, and prints its figures as rows; it compares nothing.

For pytest-benchmark a fixture of the same name and use stands in, so that the library need not be installed; asv's
conventions are read as they are written. The suite shares its process with the candidate: its figures are claims.
"""

import importlib
import inspect
import itertools
import json
import statistics
import sys
import time
from pathlib import Path

import pytest

ROUNDS = 5
SHORTEST = 0.005  # seconds of one round; calls are repeated until they fill it
MOST = 100_000
TIMED = ("time", "cpu", "memory")


def main(header):
    """Rows for each metric that the header names, or an exit status that says that there are none."""
    path = Path(header["path"])
    found = SUITES[header["suite"]](path)
    for name, kind in header["metrics"].items():
        for task, value in found["time" if kind in TIMED else "track"]:
            row = {"metric": name, "task": task, "seed": "", "value": value}
            sys.__stdout__.write(json.dumps(row) + "\n")
    sys.__stdout__.flush()
    return 0


def seconds_of(call):
    """Median seconds of a call over rounds of equally many; the first call is its warm-up, and counts nowhere."""
    clock = time.perf_counter
    began = clock()
    call()
    once = max(clock() - began, 1e-9)
    repeats = max(1, min(MOST, int(SHORTEST / once)))
    rounds = []
    for _ in range(ROUNDS):
        began = clock()
        for _ in range(repeats):
            call()
        rounds.append((clock() - began) / repeats)
    return max(statistics.median(rounds), 1e-9)


class Benchmark:
    """What a test of pytest-benchmark calls."""

    def __init__(self, name, rows):
        self.name, self.rows = name, rows
        self.group, self.extra_info = None, {}

    def __call__(self, function, *args, **kwargs):
        result = function(*args, **kwargs)
        self.rows.append((self.name, seconds_of(lambda: function(*args, **kwargs))))
        return result

    def pedantic(self, target, args=(), kwargs=None, setup=None, rounds=1, warmup_rounds=0, iterations=1):
        """As the library's: with `setup` before each round, which may give the arguments."""
        taken, result = [], None
        for number in range(warmup_rounds + rounds):
            given = setup() if setup is not None else None
            use_args, use_kwargs = given if given is not None else (args, kwargs or {})
            began = time.perf_counter()
            for _ in range(iterations):
                result = target(*use_args, **use_kwargs)
            if number >= warmup_rounds:
                taken.append((time.perf_counter() - began) / iterations)
        self.rows.append((self.name, max(statistics.median(taken), 1e-9)))
        return result


class Plugin:
    """Gives the fixture, and collects what the tests measured."""

    def __init__(self):
        self.rows = []

    def pytest_configure(self, config):
        config.addinivalue_line("markers", "benchmark: as pytest-benchmark has it")

    @pytest.fixture
    def benchmark(self, request):
        return Benchmark(request.node.nodeid, self.rows)


def of_pytest_benchmark(path):
    """One figure for each test that uses the fixture; a test that fails ends the run."""
    plugin = Plugin()
    options = ["-p", "no:terminal", "-p", "no:cacheprovider", "-p", "no:benchmark", "-x", "-o", "python_files=*.py"]
    status = pytest.main([str(path), *options], plugins=[plugin])
    if status != 0:
        sys.exit(f"the suite ended with exit status {int(status)}")
    return {"time": plugin.rows, "track": []}


def of_asv(path):
    """One figure for each `time_` and `track_` of the modules in a folder, and each combination of its parameters."""
    sys.path.insert(0, str(path.parent))
    found = {"time": [], "track": []}
    for file in sorted(path.glob("*.py")):
        module = importlib.import_module(path.name if file.stem == "__init__" else f"{path.name}.{file.stem}")
        members = [(name, member) for name, member in vars(module).items() if inspect.isclass(member)]
        suites = [(module.__name__, module, vars(module))]
        suites += [(f"{module.__name__}.{n}", c, c.__dict__) for n, c in members if c.__module__ == module.__name__]
        for where, owner, names in suites:
            for name in sorted(names):
                kind = name.partition("_")[0]
                if kind in found and name != kind and callable(getattr(owner, name, None)):
                    found[kind] += measured(f"{where}.{name}", owner, name, kind)
    return found


def measured(label, owner, name, kind):
    """The figures of one benchmark, by combination of parameters."""
    holder = owner() if inspect.isclass(owner) else owner
    function = getattr(holder, name)
    params = getattr(function, "params", None) or getattr(holder, "params", None) or []
    axes = params if params and isinstance(params[0], (list, tuple)) else [params] if params else []
    cached = [holder.setup_cache()] if hasattr(holder, "setup_cache") else []
    for values in itertools.product(*axes):
        given = [*cached, *values]
        task = f"{label}({', '.join(map(repr, values))})" if values else label
        prepare = getattr(function, "setup", None) or getattr(holder, "setup", None)
        if prepare is not None:
            try:
                prepare(*given)
            except NotImplementedError:
                continue  # asv's way to leave out a combination
        if kind == "time":
            yield task, seconds_of(lambda given=given: function(*given))
        else:
            yield task, float(function(*given))
        finish = getattr(function, "teardown", None) or getattr(holder, "teardown", None)
        if finish is not None:
            finish(*given)


SUITES = {"pytest-benchmark": of_pytest_benchmark, "asv": of_asv}

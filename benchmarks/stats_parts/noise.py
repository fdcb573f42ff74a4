"""Noise of run times, simulated and recorded: logarithms (experiments, pairs, 2), the last axis in order of running."""

import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Generator = np.random.Generator
Shape = tuple[int, int, int]
Noise = Callable[[Generator, Shape], Floats]


def _additive(cost: Floats) -> Floats:
    return np.log1p(cost)


def _drift(rng: Generator, shape: Shape) -> Floats:
    """A walk, a slope, and a second run that is 2 % slower: what makes stored baselines and fixed orders lie."""
    steps = rng.normal(0, 0.015, (shape[0], shape[1] * 2))
    slope = rng.normal(0, 0.001, (shape[0], 1)) * np.arange(shape[1] * 2)
    return (np.cumsum(steps, axis=1) + slope).reshape(shape) + np.array([0.0, 0.02]) + rng.normal(0, 0.02, shape)


NOISE: dict[str, Noise] = {
    "normal": lambda rng, shape: rng.normal(0, 0.03, shape),
    "lognormal cost": lambda rng, shape: _additive(0.02 * rng.lognormal(0, 1.0, shape)),
    "pareto 1.5": lambda rng, shape: _additive(0.03 * rng.pareto(1.5, shape)),
    "student 1.5": lambda rng, shape: 0.02 * rng.standard_t(1.5, shape),
    "spikes": lambda rng, shape: rng.normal(0, 0.02, shape) + (rng.random(shape) < 0.08) * rng.exponential(0.5, shape),
    "bimodal": lambda rng, shape: rng.normal(0, 0.015, shape) + 0.1 * (rng.random(shape) < 0.3),
    "drift, order bias": _drift,
}


def recorded(path: Path) -> Noise:
    """Windows of consecutive runs of a recorded trace, starting anywhere."""
    logs = np.log(np.asarray(json.loads(path.read_text())["seconds"], dtype=np.float64))

    def windows(rng: Generator, shape: Shape) -> Floats:
        length = shape[1] * 2
        starts = rng.integers(0, len(logs) - length + 1, shape[0])
        cut: Floats = logs[starts[:, None] + np.arange(length)].reshape(shape)
        return cut

    return windows


def coins(rng: Generator, runs: Floats) -> Floats:
    """Differences (baseline - candidate) of A/A pairs with the order decided by coins."""
    signed: Floats = rng.choice((-1.0, 1.0), runs.shape[:2]) * (runs[..., 0] - runs[..., 1])
    return signed


def _sort() -> None:
    sorted(range(20_000), key=lambda n: n * 7919 % 20_011)


def _digest() -> None:
    hashlib.blake2b(bytes(1 << 21)).digest()


def _process() -> None:
    subprocess.run([sys.executable, "-I", "-S", "-c", "pass"], check=True)


WORK: dict[str, tuple[Callable[[], None], int]] = {
    "sort": (_sort, 3000),
    "digest": (_digest, 3000),
    "process": (_process, 1500),
}


def record(folder: Path) -> None:
    """Times each kind of work on this machine as it is just now, run after run, and writes the traces."""
    folder.mkdir(exist_ok=True)
    for name, (work, count) in WORK.items():
        seconds = []
        for _ in range(count):
            began = time.perf_counter()
            work()
            seconds.append(float(f"{time.perf_counter() - began:.5g}"))
        trace = {
            "what": f"{count} consecutive runs of {name} (benchmarks/stats_parts/noise.py)",
            "where": f"{platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}",
            "seconds": seconds,
        }
        (folder / f"{name}.json").write_text(json.dumps(trace) + "\n")

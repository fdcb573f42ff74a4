"""The lab: answers one question about one candidate with fresh containers, and keeps what holds for a whole base.

Kept for a base: images, the baseline's test session, exact baselines. Never kept: anything of a noisy comparison.
"""

import contextlib
import dataclasses
import json
import os
import queue
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from pydantic import BaseModel, ValidationError

from harness.container import (
    Engine,
    ImageRef,
    check_lock,
    ensure_sandbox_image,
    judge_image,
    reap,
)
from harness.container.images import remove_images, too_many_judges
from harness.errors import EnvironmentFault, RefusedError, UsageError
from harness.records import Alarm, Effect, canonical_json, sha256
from harness.repo import Repo, matches
from harness.scratch import write_whole
from harness.target import BenchEntry, MetricEntry, StateDir, TargetConfig
from harness.trial.bench import BenchResult, BenchRunner
from harness.trial.exact import exact_effects
from harness.trial.inputs import TrialInputs, scope_links
from harness.trial.lanes import LanesRun, OracleBase, oracle_base, run_lanes
from harness.trial.metrics import BenchArms, Measured, Terms, exact_baseline, measure_all, measure_noise
from harness.trial.noisy import Series
from harness.trial.question import NOT_RUN, Examined, Question
from harness.trial.replay.panel import Material
from harness.trial.replay.recorder import Recorder
from harness.trial.replay.replay import replay
from harness.trial.replay.scripts import Recording
from harness.trial.shipping import shipment
from harness.trial.tests import TestRun, run_tests, unusable
from harness.trial.workshop import Workshop

PLAIN: Final = ("100644", "100755")
Kept = TypeVar("Kept", bound=BaseModel)


@dataclass(frozen=True)
class Room:
    """What holds for one base: its images and the names that its lock makes importable."""

    image: ImageRef
    judge: ImageRef
    warm: tuple[str, ...]


class Lab:
    """A context manager; `examine` may be called from several threads at once."""

    def __init__(self, engine: Engine, repo: Repo, state: StateDir, report: Callable[[str], None]) -> None:
        self.engine = engine
        self._repo = repo
        self._cache: Path = state.root / "cache"
        self._report = report
        self.run_id = secrets.token_hex(8)
        self._lock = threading.RLock()
        self._rooms: dict[str, Room] = {}
        self._runners: dict[tuple[str, str], queue.SimpleQueue[BenchRunner]] = {}
        self._shops: dict[str, Workshop] = {}
        self._recordings: dict[str, Recording] = {}
        self._results: dict[str, BenchResult] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        reap(self.engine)  # what a killed harness left behind; a live neighbour's containers stay
        self._cache.mkdir(exist_ok=True)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def examine(self, question: Question) -> Examined:
        """Tests and metrics of one candidate; UsageError when the base itself cannot serve as a measure."""
        inputs = self.inputs(question)
        baseline = self._baseline_tests(inputs)
        shop, oracle = self._oracle(inputs, baseline)
        if not question.claims_gain:
            tested = run_lanes(shop, inputs, baseline, oracle)
            good = tested.result.passed == tested.result.expected and not tested.result.failed
            seen = self._examined(inputs, tested, self._measure(question, inputs) if good else Measured())
            return self._replayed(question, shop, inputs, oracle, seen)
        measured = self._measure(question, inputs)
        if not any(effect.outcome == "win" for effect in measured.effects):
            return self._examined(inputs, None, measured)
        seen = self._examined(inputs, run_lanes(shop, inputs, baseline, oracle), measured)
        return self._replayed(question, shop, inputs, oracle, seen)

    def noise(self, question: Question, metrics: tuple[MetricEntry, ...], pairs: int) -> tuple[Series, ...]:
        """Pairs of these metrics that decide nothing, by benchmark; ask with `merge` equal to `base` for A/A."""
        inputs = self.inputs(question)
        with ExitStack() as stack:
            benches = {
                bench.name: BenchArms(
                    stack.enter_context(self._runner(inputs, bench)),
                    self.read(question.base, bench.ships),
                    self.read(question.merge, bench.ships),
                )
                for bench in question.config.benches
            }
            return measure_noise(self.engine, inputs, benches, metrics, pairs)

    @contextlib.contextmanager
    def hands(self, count: int) -> Iterator[ThreadPoolExecutor]:
        """Threads for `examine`; when the work is broken off, what they run is ended instead of waited for."""
        pool = ThreadPoolExecutor(count)
        try:
            yield pool
        except BaseException:
            self.engine.abandon()
            pool.shutdown(cancel_futures=True)
            raise
        pool.shutdown()

    def inputs(self, question: Question) -> TrialInputs:
        """The question with the images of its base."""
        room = self.room(question.base, question.config)
        return TrialInputs(
            base_commit=question.base,
            merge_commit=question.merge,
            config=question.config,
            image=room.image,
            judge=room.judge,
            run_id=self.run_id,
            read=self.read,
            arch=self.engine.info.arch,
        )

    def room(self, base: str, config: TargetConfig) -> Room:
        """The base's images, built once; UsageError when its lock is missing or no lock."""
        with self._lock:
            known = self._rooms.get(base)
            # Used again, and still there: a neighbour may have made room.
            if known is None or not all(self.engine.images.used(image.tag) for image in (known.image, known.judge)):
                self._rooms[base] = self._furnish(base, config)
            return self._rooms[base]

    def read(self, commit: str, patterns: tuple[str, ...]) -> Mapping[str, bytes]:
        """Files of a commit; one thread at a time talks to git."""
        with self._lock:
            return self._repo.read_matching(commit, patterns)

    def _furnish(self, base: str, config: TargetConfig) -> Room:
        self.engine.require_runtime(config.sandbox.runtime)
        lock = config.target.requirements
        requirements = None if lock is None else self._repo.read(base, lock)
        if lock is not None and requirements is None:
            raise UsageError(f"The base has no {lock}, which [target] requirements names.", f"add {lock}, or the key")
        image = ensure_sandbox_image(self.engine, self._report, requirements)
        entries = self._repo.files(base)
        outside = {
            path: entry
            for path, entry in entries.items()
            if entry.mode in PLAIN and not matches(path, config.target.source)
        }
        files = self._repo.read_matching(base, tuple(outside)) if outside else {}
        executable = [path for path, entry in outside.items() if entry.mode == "100755"]
        judging = judge_image(self.engine, image, files, scope_links(config.target.source), executable)
        remove_images(self.engine, [old.tag for old in too_many_judges(self.engine, time.time())])
        warm = check_lock(requirements, lock or "") if requirements else ()
        return Room(image, judging, warm)

    def _baseline_tests(self, inputs: TrialInputs) -> TestRun:
        """The base's own session, kept by what it depends on; RefusedError when it cannot be a measure."""
        key = self._tests_key("tests", inputs)
        with self._lock:
            known = self._kept(key, TestRun)
            if known is not None:
                return known
            self._report("running the base's tests, once for this base")
            run = run_tests(self.engine, inputs, "baseline")
            why = unusable(run)
            if why:
                raise RefusedError(why, "mend the base: nothing can be judged against tests that do not pass there")
            self._keep(key, run.model_copy(update={"stdout": b"", "stderr": b""}))
            return run

    def _oracle(self, inputs: TrialInputs, native: TestRun) -> tuple[Workshop, OracleBase]:
        """Containers for the base's oracle, and what it says of the base itself, kept like the base's own session."""
        key = self._tests_key("oracle", inputs)
        with self._lock:
            shop = self._shops.get(key)
            if shop is None:
                shop = self._stack.enter_context(Workshop(self.engine, inputs, shipment(inputs)))
                self._shops[key] = shop
            base = self._kept(key, OracleBase)
            if base is None:
                self._report("running the base's tests through the oracle, twice for this base")
                recorder = Recorder()
                base = oracle_base(shop, inputs, native, recorder)
                self._keep(self._tests_key("recording", inputs), recorder.recording())
                self._keep(key, base)
            return shop, base

    def _replayed(
        self, question: Question, shop: Workshop, inputs: TrialInputs, base: OracleBase, seen: Examined
    ) -> Examined:
        """For what would pass: base and candidate asked the same questions, made from what the base's tests ask."""
        tests = seen.tests
        if tests.passed != tests.expected or tests.failed or any(effect.outcome == "worse" for effect in seen.effects):
            return seen
        key = self._tests_key("recording", inputs)
        with self._lock:
            if key not in self._recordings:
                self._recordings[key] = self._kept(key, Recording) or Recording()
            recording = self._recordings[key]
        replayed, alarms = replay(shop, inputs, Material(recording, base.shapes), question.declares)
        return dataclasses.replace(seen, replay=replayed, alarms=(*seen.alarms, *alarms))

    def _tests_key(self, what: str, inputs: TrialInputs) -> str:
        """Names what the base's tests depend on."""
        tree = self._repo.tree_of(inputs.base_commit)
        profile = inputs.spec(inputs.judge, "tests").profile.digest
        return sha256(
            canonical_json(
                [what, tree, inputs.judge.id, inputs.image.id, profile, inputs.config.model_dump(mode="json")]
            )
        )

    def _measure(self, question: Question, inputs: TrialInputs) -> Measured:
        """All metrics; exact ones against the base, and for a claimed gain against the parent as well."""
        config = question.config
        with ExitStack() as stack:
            benches: dict[str, BenchArms] = {}
            over = question.parent if question.claims_gain and question.parent else question.base
            for bench in config.benches:
                runner = stack.enter_context(self._runner(inputs, bench))
                benches[bench.name] = BenchArms(
                    runner=runner,
                    baseline_files=self.read(over, bench.ships),
                    candidate_files=self.read(question.merge, bench.ships),
                    baseline=self._exact(runner, inputs, bench, over),
                )
            terms = Terms(
                question.level,
                question.claims_gain,
                question.earlier,
                question.attempt,
                over="" if over == question.base else over,
            )
            measured = measure_all(self.engine, inputs, benches, terms)
            self._note(question, inputs, measured)
            if over == question.base or not any(effect.outcome == "win" for effect in measured.effects):
                return measured
            return self._against_base(question, inputs, measured, benches)

    def _against_base(
        self, question: Question, inputs: TrialInputs, measured: Measured, benches: Mapping[str, BenchArms]
    ) -> Measured:
        """A gain over the parent, told as what lands: exact effects are restated against the base."""
        restated: dict[str, Effect] = {}
        for bench in question.config.benches:
            metrics = tuple(m for m in question.config.metrics if m.bench == bench.name and m.exact)
            base = self._exact(benches[bench.name].runner, inputs, bench, question.base)
            candidate = measured.results.get(bench.name)
            if candidate is not None:
                restated |= {effect.metric: effect for effect in exact_effects(metrics, base, candidate)}
        return measured.model_copy(
            update={"effects": tuple(restated.get(effect.metric, effect) for effect in measured.effects)}
        )

    def _exact(self, runner: BenchRunner, inputs: TrialInputs, bench: BenchEntry, commit: str) -> BenchResult:
        """A commit's exact result, measured twice the first time; later candidates build on it."""
        key = self._key(inputs, bench, commit)
        with self._lock:
            if key in self._results:
                return self._results[key]
            known = self._kept(key, BenchResult)
            if known is None:
                self._report(f"measuring {bench.name} on {commit[:12]}, twice")
                known = exact_baseline(runner, self.read(commit, bench.ships))
                if known.whole:
                    self._keep(key, known.model_copy(update={"trials": (), "blobs": ()}))
            self._results[key] = known
            return known

    def _note(self, question: Question, inputs: TrialInputs, measured: Measured) -> None:
        """A confirmed candidate is the measure of its children."""
        for bench in question.config.benches:
            result = measured.results.get(bench.name)
            if result is not None and result.whole and any(effect.outcome == "win" for effect in measured.effects):
                key = self._key(inputs, bench, question.merge)
                with self._lock:
                    self._results[key] = result.model_copy(update={"trials": (), "blobs": ()})

    def _key(self, inputs: TrialInputs, bench: BenchEntry, commit: str) -> str:
        """Names an exact result by everything that it depends on: image, judge, and what the candidate ships."""
        with self._lock:
            entries = self._repo.files(self._repo.tree_of(commit))
            base = self._repo.files(self._repo.tree_of(inputs.base_commit))
        ours = (*bench.files, bench.judge, *((bench.scratch,) if bench.scratch else ()))
        shipped = {path: entry.blob for path, entry in entries.items() if matches(path, bench.ships)}
        judged = {path: entry.blob for path, entry in base.items() if matches(path, ours)}
        profile = inputs.spec(inputs.image, "candidate").profile.digest
        return sha256(
            canonical_json(["exact", inputs.image.id, profile, bench.model_dump(mode="json"), judged, shipped])
        )

    @contextlib.contextmanager
    def _runner(self, inputs: TrialInputs, bench: BenchEntry) -> Iterator[BenchRunner]:
        """A runner of this bench that no other thread uses; its judge goes on with what it has learned."""
        with self._lock:
            idle = self._runners.setdefault((inputs.base_commit, bench.name), queue.SimpleQueue())
            try:
                runner = idle.get_nowait()
            except queue.Empty:
                warm = self.room(inputs.base_commit, inputs.config).warm
                runner = self._stack.enter_context(BenchRunner(self.engine, inputs, bench, warm))
        try:
            yield runner
        finally:
            idle.put(runner)

    def _examined(self, inputs: TrialInputs, tested: LanesRun | None, measured: Measured) -> Examined:
        inside = tested.inside if tested else None
        return Examined(
            tests=tested.result if tested else NOT_RUN,
            effects=measured.effects,
            alarms=(*(tested.alarms if tested else ()), *measured.alarms, *_refusals(inside)),
            trials=(*(tested.trials if tested else ()), *measured.trials),
            blobs=(*(tested.blobs if tested else ()), *measured.blobs),
            log=tested.log if tested else b"",
            differences=measured.differences,
            coins=measured.coins,
            image=inputs.image.id,
            profile=inputs.spec(inputs.image, "candidate").profile.digest,
            artifacts=inside.artifacts if inside else (),
        )

    def _kept(self, key: str, kind: type[Kept]) -> Kept | None:
        path = self._cache / key.removeprefix("sha256:")
        try:
            found = kind.model_validate_json(path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None
        os.utime(path)  # `gc` goes by the last use
        return found

    def _keep(self, key: str, value: BaseModel) -> None:
        """Atomic, so that a kill leaves the old entry, the new one or none."""
        data = json.dumps(value.model_dump(mode="json")).encode()
        try:
            write_whole(self._cache / key.removeprefix("sha256:"), data, place=self._cache)
        except OSError as error:
            raise EnvironmentFault(
                f"a result could not be kept in {self._cache}: {error.strerror}.",
                "make room on the disk, then try again",
            ) from error


def _refusals(tests: TestRun | None) -> tuple[Alarm, ...]:
    refused = tests.refused if tests else ()
    return tuple(Alarm(kind="artifact", detail=f"artifact refused: {each.name}: {each.why}") for each in refused)

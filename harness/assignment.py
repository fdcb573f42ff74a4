"""Which variant an id gets and what came of it: for A/B of a landed change among users; it asks and runs nothing.

A variant is chosen by weighted rendezvous: each variant draws blake2b(salt \\0 name \\0 id \\0 variant) as a number u
in (0, 1) and the smallest -ln(u) / weight wins. Those are exponential times, so variant v gets an id with probability
weight_v / (sum of weights), independent from id to id for whoever does not know the salt. A variant that is added takes
its share from all others and moves nobody between them; one that is removed gives its ids to the others. Python's own
`hash` would not do: it is salted per process and gave one user both variants.

Proof that `differences` may be bet on. Take the outcomes of two variants in the order in which they were recorded, the
first of each id, in blocks of two neighbours. Given that a block has one of each, "a, b" is as likely as "b, a", since
p(1-p) = (1-p)p whatever the weights are, and independent of all other blocks. Under the sharp null (an outcome does
not depend on the variant) the two values are what they are either way, so each difference has a fair sign given its
magnitude and everything before: what `harness.stats.flip` asks for, under drift and heavy tails. Pairing the n-th of
one variant with the n-th of the other would not do: while one is ahead, its outcomes are all the older ones. Blocks of
one variant tell nothing and are left out, half of them at equal weights.

Sources: Thaler & Ravishankar 1998 (rendezvous hashing); Efraimidis & Spirakis 2006 (exponential keys for weights).
"""

import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from pydantic import ValidationError

from harness.errors import EnvironmentFault, IntegrityError, UsageError
from harness.records import Record, canonical_json
from harness.stats.paired import PairedComparison, PairedResult, Plan

_UNIT: Final = 2.0**-64
_MOST_PAIRS: Final = 2000  # the interval at the end costs the square of them


class Assignment:
    """A named choice among variants; the same id gets the same variant in every process and on every machine."""

    def __init__(self, name: str, variants: Sequence[str] | Mapping[str, float], *, salt: str) -> None:
        """`variants` are equally likely names, or weights by name; `salt` is a secret. UsageError for bad ones."""
        weights = dict(variants) if isinstance(variants, Mapping) else dict.fromkeys(variants, 1.0)
        self.name, self.weights = name, {variant: float(weight) for variant, weight in weights.items()}
        self._salt = salt
        if not name or not salt or "\0" in name + salt + "".join(weights):
            raise UsageError(
                "An assignment needs a name and a salt, and no text with NUL.", 'Assignment("n", …, salt=…)'
            )
        if not isinstance(variants, Mapping) and len(weights) != len(variants):
            raise UsageError(f"{name}: a variant is named twice in {list(variants)}.", "name each variant once")
        finite = all(math.isfinite(weight) and weight >= 0 for weight in self.weights.values())
        if not finite or not any(self.weights.values()) or "" in weights:
            raise UsageError(f"{name}: weights {weights} must be numbers from 0 on, one of them above.", "mend them")

    def variant(self, unit: str) -> str:
        """The variant of this id."""
        live = [(variant, weight) for variant, weight in self.weights.items() if weight]
        return min(live, key=lambda pair: (self._time(unit, *pair), pair[0]))[0]

    def shares(self) -> dict[str, float]:
        """The probability of each variant."""
        total = sum(self.weights.values())
        return {variant: weight / total for variant, weight in self.weights.items()}

    def unit(self, unit: str) -> str:
        """The id as outcomes name it: a digest that tells nothing without the salt."""
        return hashlib.blake2b(f"{self._salt}\0{self.name}\0{unit}".encode(), digest_size=16).hexdigest()

    def _time(self, unit: str, variant: str, weight: float) -> float:
        text = f"{self._salt}\0{self.name}\0{unit}\0{variant}"
        drawn = int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())
        return -math.log((drawn + 0.5) * _UNIT) / weight


class Outcome(Record):
    """What came of one unit: `unit` is the digest of its id, `value` a finite number."""

    experiment: str
    unit: str
    variant: str
    value: float


class Outcomes:
    """Outcomes in a file, one JSON object a line in the order of recording; several processes may append."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def record(self, assignment: Assignment, unit: str, value: float) -> Outcome:
        """Appends the outcome of an id under the variant that it has; EnvironmentFault when it cannot be written."""
        if not math.isfinite(value):
            raise UsageError(
                f"{assignment.name}: found {value} as an outcome; allowed: a finite number.", "measure again"
            )
        found = Outcome(
            experiment=assignment.name,
            unit=assignment.unit(unit),
            variant=assignment.variant(unit),
            value=float(value),
        )
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(descriptor, canonical_json(found) + b"\n")  # one write: lines of several processes stay whole
            finally:
                os.close(descriptor)
        except OSError as error:
            raise EnvironmentFault(f"{self.path} cannot be written: {error.strerror}.", "see to the disk") from error
        return found

    def read(self, experiment: str) -> Iterator[Outcome]:
        """The outcomes of one experiment in order; a last line that a crash cut off is left out, others are errors."""
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return
        for number, line in enumerate(lines[:-1], 1):
            try:
                found = Outcome.model_validate(json.loads(line))
            except (ValueError, ValidationError) as error:
                raise IntegrityError(
                    f"line {number} of {self.path} is no outcome.", "mend or remove the line"
                ) from error
            if found.experiment == experiment:
                yield found


class Terms(Record):
    """What is asked of two variants; `ratio` compares logarithms, for costs above zero. Rates as in `stats.paired`."""

    baseline: str
    candidate: str
    direction: Literal["lower", "higher"]
    ratio: bool = False
    role: Literal["objective", "guardrail"] = "objective"
    alpha: float = 0.05
    effect: float = 0.03
    margin: float = 0.0
    pairs: int = _MOST_PAIRS


def differences(outcomes: Iterable[Outcome], terms: Terms) -> Iterator[float]:
    """Differences of neighbours in the two variants, positive when the candidate is better; each id counts once."""
    seen: set[str] = set()
    waiting: Outcome | None = None
    for outcome in outcomes:
        if outcome.variant not in (terms.baseline, terms.candidate) or outcome.unit in seen:
            continue
        seen.add(outcome.unit)
        if waiting is None:
            waiting = outcome
            continue
        if outcome.variant != waiting.variant:
            pair = {each.variant: _value(each, terms) for each in (waiting, outcome)}
            gain = pair[terms.candidate] - pair[terms.baseline]
            yield gain if terms.direction == "higher" else -gain
        waiting = None


def compare(outcomes: Iterable[Outcome], terms: Terms) -> PairedResult:
    """What the outcomes say so far, by the rules of every other comparison; to be asked as often as one likes."""
    plan = Plan(
        role=terms.role,
        alpha=terms.alpha,
        effect=terms.effect,
        margin=terms.margin,
        pairs=min(terms.pairs, _MOST_PAIRS),
    )
    comparison = PairedComparison(plan)
    for difference in differences(outcomes, terms):
        if comparison.add(difference) is not None:
            break
    return comparison.result()


def _value(outcome: Outcome, terms: Terms) -> float:
    if not terms.ratio:
        return outcome.value
    if outcome.value <= 0:
        raise UsageError(f"{outcome.experiment}: found {outcome.value}, which has no logarithm.", "ratio=False")
    return math.log(outcome.value)

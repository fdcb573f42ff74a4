"""The surroundings in which a worker is asked: the usual ones, and ones in which a sandbox does not look like one."""

import datetime
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from harness.container import Engine, Session, stream
from harness.container.variation import Variation, add_link
from harness.trial.workshop import Workshop

CLOCK: Final = "shifted clocks"
PLACE: Final = "other uid, host name, environment, temporary folder and CPU count"
LINK: Final = "a network interface that leads nowhere"
QUIET: Final = "nothing that listens to output, warnings and logs"
THREAD: Final = "calls from another thread"
SOAK: Final = "many calls before"
NEVER: Final = ("installed wheel", "terminal", "idle time")  # what no variation covers
_YEAR: Final = 365 * 24 * 3600
_PLACE: Final = Variation(
    uid=1000,
    hostname="web-6f7c9d",
    env={"HOME": "/home/app", "TMPDIR": "/srv/tmp", "LANG": "en_US.UTF-8", "TZ": "IST-5:30", "USER": "app"},
    folder="/srv/tmp",
    cpuset="0",
)


@dataclass(frozen=True)
class Surroundings:
    """What differs; `shift` is (wall, steady) in seconds, None where the clocks stay."""

    words: tuple[str, ...]
    shift: tuple[int, int] | None = None
    variation: Variation | None = None
    quiet: bool = False
    threaded: bool = False


def everything(seed: int) -> Surroundings:
    """All variations at once; the clocks move by a secret span, to where a date that a source names has passed."""
    return Surroundings((CLOCK, PLACE, LINK, QUIET, THREAD), _shift(seed), _PLACE, quiet=True, threaded=True)


def each_alone(seed: int) -> tuple[Surroundings, ...]:
    """One variation at a time, to tell which one it was."""
    return (
        Surroundings((CLOCK,), _shift(seed)),
        Surroundings((PLACE,), None, _PLACE),
        Surroundings((LINK,)),
        Surroundings((QUIET,), quiet=True),
        Surroundings((THREAD,), threaded=True),
    )


def worker_in(
    shop: Workshop, around: Surroundings | None, header: Mapping[str, Any], files: Mapping[str, bytes]
) -> tuple[Session, tuple[str, ...]]:
    """A worker that has its files, and which of the variations are in force for it."""
    if around is None:
        session = shop.worker()
        session.send(stream(header, files))
        return session, ()
    spec = shop.working.model_copy(update={"variation": around.variation})
    session = shop.engine.start(spec)
    done = tuple(word for word in around.words if word != LINK or _linked(shop.engine, session))
    shift = {"shift": list(around.shift)} if around.shift else {}
    more = {"quiet": around.quiet, "threaded": around.threaded, **shift}
    session.send(stream({**header, **more}, files))
    return session, done


def _linked(engine: Engine, session: Session) -> bool:
    pid = engine.settings(session.container)["State"].get("Pid")
    return add_link(int(pid or 0), session.container)


def _shift(seed: int) -> tuple[int, int]:
    """Beyond 2100, at another hour and day of the week; the steady clocks as if the machine had run for months."""
    chance = random.Random(seed)  # noqa: S311 - the seed is the secret
    year = datetime.datetime.fromtimestamp(time.time(), datetime.UTC).year
    wall = (max(2101 - year, 76) + chance.randrange(20)) * _YEAR + chance.randrange(_YEAR)
    return wall, chance.randrange(_YEAR // 12, _YEAR // 2)

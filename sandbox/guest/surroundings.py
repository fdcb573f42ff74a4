"""What surrounds a call: environment, clock, levels of logs go to the worker; its output, warnings, logs come back."""

import logging
import math
import os
import random
import sys
import warnings
from pathlib import Path

from .imports import ProxyModule
from .patches import Patches

HERE = str(Path(__file__).parent)
SEED = random.seed


class Surroundings:
    """Remembers what the worker was told."""

    def __init__(self, crosses):
        self.known = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}
        self.stamp = dict(environ())
        self.clock = None
        self.argv = list(sys.argv)
        self.seeds = []
        random.seed = self.seed  # before any test imports it by name
        self.levels = levels()
        self.patches = Patches(crosses)

    def seed(self, *args, **kwargs):
        """The tests' own chance begins anew, and so does the worker's."""
        SEED(*args, **kwargs)
        value = args[0] if len(args) == 1 and not kwargs else None
        if type(value) in (int, str) or (type(value) is float and math.isfinite(value)):
            self.seeds.append(value)

    def changes(self):
        """What to add to a request."""
        told = {}
        if self.seeds:
            told["seed"] = self.seeds.pop()
            self.seeds.clear()
        if environ() != self.stamp:
            self.stamp = dict(environ())
            now = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}
            differs = [[name, now.get(name)] for name in {*now, *self.known} if now.get(name) != self.known.get(name)]
            self.known = now
            if differs:
                told["env"] = differs
        if sys.argv != self.argv:
            self.argv = told["argv"] = [str(part) for part in sys.argv]
        if (now := levels()) != self.levels:
            known = self.levels[1]
            told["levels"] = [now[0], [[name, now[1].get(name, 0)] for name in {**known, **now[1]}]]
            self.levels = now
        clock = self.stopped_clock()
        if clock != self.clock:
            self.clock = told["clock"] = clock
        return told

    def stopped_clock(self):
        """[moment, zone offset in seconds, whether it ticks] as freezegun has it, or None."""
        api = sys.modules.get("freezegun.api")
        if api is None or not api.freeze_factories:
            return None
        made, zone = api.freeze_factories[-1], api.tz_offsets[-1]
        moment = getattr(made, "time_to_freeze", None)
        if moment is None:
            return None
        ticks = not isinstance(made, api.FrozenDateTimeFactory)
        return [api.real_datetime.isoformat(moment), int(zone.total_seconds()), ticks]

    def refresh(self, name):
        module = sys.modules.get(name)
        if isinstance(module, ProxyModule):
            module.refresh()

    def hear(self, reply, decode):
        for entry in reply.get("p", ()):
            stream, text = entry
            (sys.stderr if stream == 2 else sys.stdout).write(str(text))
        for name, level, text in reply.get("g", ()):
            logging.getLogger(str(name)).log(int(level), "%s", text)
        for kind, text in reply.get("w", ()):
            category = decode(kind)
            if isinstance(category, type) and issubclass(category, Warning):
                warn(category, str(text))


def environ():
    """What the environment consists of, or what a test has put in its place."""
    return getattr(os.environ, "_data", os.environ)


def levels():
    """(the level that is disabled for all, {logger: its level}); the root logger has no name."""
    root = logging.root
    set_ones = {name: logger.level for name, logger in root.manager.loggerDict.items() if getattr(logger, "level", 0)}
    return root.manager.disable, {**set_ones, "": root.level}


def warn(category, text):
    """As if the candidate had warned here: at the line of the test that called."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(HERE):
        frame = frame.f_back
    place = (frame.f_code.co_filename, frame.f_lineno) if frame is not None else ("<worker>", 1)
    warnings.warn_explicit(text, category, *place, registry={})

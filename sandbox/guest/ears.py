"""Hears what the candidate prints, warns of and logs, for the oracle, without looking like a test runner to it.

Streams, warning filters, loggers and their levels stay as a plain program has them: text goes through Python's own
streams into files that have no name, and the two functions that warn, and the method that hands out log records, pass
through here. Code that looks for exactly those finds them; a worker of the replay has none of this (`quiet`).
"""

import fcntl
import logging
import os
import sys
import tempfile
import warnings

MOST_TEXT = 64 * 1024
MOST_NEWS = 200
MOST_LINE = 1000
EVERY = ("always", None, Warning, None, 0)


class Ears:
    """What was said since it was last asked; each kind is capped."""

    def __init__(self):
        self.streams = [(sys.stdout, Spool(1)), (sys.stderr, Spool(2))]
        self.noted, self.logged = [], []
        self.plain = list(warnings.filters)
        warnings.warn = self.through(warnings.warn, 1)
        warnings.warn_explicit = self.through(warnings.warn_explicit, None)
        logging.Logger.callHandlers = self.handing(logging.Logger.callHandlers)

    def text(self):
        """[[1 or 2, text], …] of standard output and error."""
        found, room = [], MOST_TEXT
        for number, (stream, spool) in enumerate(self.streams, 1):
            if text := spool.take(stream)[:room]:
                found.append([number, text])
                room -= len(text)
        return found

    def warned(self):
        """[(category, text), …]"""
        found, self.noted = self.noted, []
        return found

    def records(self):
        """[[logger, level, text], …]"""
        found, self.logged = self.logged, []
        return found

    def close(self):
        """From here on text goes where it would have gone."""
        for stream, spool in self.streams:
            spool.close(stream)

    # warnings

    def note(self, message, category, *_):
        if len(self.noted) < MOST_NEWS and isinstance(message, Warning):
            self.noted.append((category, str(message)[:MOST_LINE]))

    def through(self, ours, deeper):
        """Every warning is noted, unless filters or a hook of the candidate's own decide otherwise."""

        def warn(*args, **kwargs):
            if deeper is not None and len(args) < 3:
                kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + deeper
            elif deeper is not None:
                args = (*args[:2], args[2] + deeper, *args[3:])
            filters, hook = warnings.filters, warnings.showwarning
            own = filters[: -len(self.plain)] if filters[-len(self.plain) :] == self.plain else filters
            warnings.filters = [*own, EVERY]
            if hook is HOOK and warnings._showwarnmsg_impl is SHOW:
                warnings.showwarning = self.note
            try:
                return ours(*args, **kwargs)
            finally:
                warnings.filters, warnings.showwarning = filters, hook

        warn.__name__ = warn.__qualname__ = ours.__name__
        warn.__module__, warn.__doc__ = ours.__module__, ours.__doc__
        return warn

    # logs

    def handing(self, ours):
        def callHandlers(self_, record):  # noqa: N802 - the name that logging gives it
            if len(self.logged) < MOST_NEWS:
                self.logged.append([record.name, record.levelno, record.getMessage()[:MOST_LINE]])
            if self_.hasHandlers():  # else the last resort would print what nobody asked to see
                ours(self_, record)

        callHandlers.__qualname__ = ours.__qualname__
        callHandlers.__module__ = ours.__module__
        return callHandlers


HOOK, SHOW = warnings.showwarning, warnings._showwarnmsg_impl


def set_levels(disabled, levels):
    """What the tests set: the level that is disabled for all, and [[logger, level], …]; the root logger has no name."""
    logging.disable(disabled)
    for name, level in levels:
        logging.getLogger(name).setLevel(level)


class Spool:
    """A descriptor that leads into a file without a name."""

    def __init__(self, fd):
        self.fd = fd
        self.before = os.dup(fd)
        self.file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - it lives as long as the process
        fcntl.fcntl(self.file, fcntl.F_SETFL, os.O_APPEND)  # also after it was cut
        os.dup2(self.file.fileno(), fd)

    def take(self, stream):
        """What was written since; what is beyond the cap is lost."""
        flush(stream)
        size = os.fstat(self.fd).st_size
        if not size:
            return ""
        data = os.pread(self.file.fileno(), MOST_TEXT, 0)
        os.ftruncate(self.file.fileno(), 0)
        return data.decode(errors="replace")

    def close(self, stream):
        rest = self.take(stream)
        os.dup2(self.before, self.fd)
        os.write(self.fd, rest.encode())


def flush(stream):
    """A full disk loses text, as it does in a plain program."""
    try:
        stream.flush()
    except (OSError, ValueError):
        return

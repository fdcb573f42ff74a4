"""What functions of the tests may not do while they run for the worker: it chooses when, and with which arguments.

A test may put a function in the place of `subprocess.run` or `open` that goes on to the real one. Without this the
candidate could start a process beside the tests, read them, or write into the memory of theirs, by calling it.
"""

import os
import sys
import tempfile
from pathlib import Path

from .stdlib_names import words
from .wire import Fault

STOPPED = words(
    "subprocess.Popen os.system os.exec os.posix_spawn os.spawn os.fork os.forkpty pty.spawn os.kill os.killpg "
    "signal.pthread_kill pickle.find_class marshal.load marshal.loads gc.get_objects gc.get_referrers "
    "gc.get_referents sys._current_frames sys.setprofile sys.settrace mmap.__new__"
)
READERS = words("importlib._bootstrap_external tokenize")  # for an import, and for the lines of a traceback
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Guard:
    """A context manager; inside, what the interpreter announces and is not allowed is a Fault, also when it is caught.

    Files may be written where temporary ones are, and read but for the code of the tests and what the kernel tells of
    processes. An audit hook stays for good, so there is one of these a process.
    """

    def __init__(self):
        self.depth, self.broken = 0, None
        self.root = str(Path.cwd().resolve()) + os.sep
        self.fine = (os.path.realpath(tempfile.gettempdir()) + os.sep, os.devnull)
        sys.addaudithook(self.hear)

    def __enter__(self):
        self.depth += 1

    def __exit__(self, kind, error, trace):
        self.depth -= 1

    def hear(self, event, args):
        if not self.depth:
            return
        if event in STOPPED or event.startswith("ctypes.") or (event == "open" and self.opens(*args)):
            self.broken = Fault(f"a function of the tests may not do this for the worker: {event}")
            raise self.broken

    def opens(self, path, _, flags):
        """Whether a file may not be opened."""
        if isinstance(path, int):
            return False
        place = os.path.realpath(os.fsdecode(path))
        if flags & WRITING:
            return not place.startswith(self.fine)
        if place.startswith("/proc/"):
            return True
        by = sys._getframe(2).f_globals.get("__name__")
        return place.startswith(self.root) and place.endswith((".py", ".pyc")) and by not in READERS

"""Does not end when told to: leaves a daemon behind, hears no signal, or stops itself; at last it ends by itself."""

import json
import os
import signal
import sys
import time

args = json.loads(sys.argv[1])
HOW, SECONDS = args["how"], args["seconds"]


def ignore_everything():
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)


def ready():
    os.write(1, b"ready\n")


def last():
    """No alarm: a program that hears no signal hears none of its own."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        time.sleep(0.1)


def leave_a_daemon(silent):
    told, tell = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            ignore_everything()
            if silent:
                for number in range(3):
                    os.dup2(os.open(os.devnull, os.O_RDWR), number)
            os.write(tell, b"r")
            last()
        os._exit(0)
    os.wait()
    os.read(told, 1)
    ready()
    sys.stdin.buffer.read()  # until whoever started it has looked


def stopped(pid):
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "T"


def stop():
    """By a child, which sees it done: what follows `ready` must not come before it."""
    parent = os.getpid()
    if os.fork() == 0:
        os.kill(parent, signal.SIGSTOP)
        until = time.monotonic() + SECONDS
        while not stopped(parent) and time.monotonic() < until:
            time.sleep(0.01)
        ready()
        os._exit(0)


if HOW in ("daemon", "holder"):
    leave_a_daemon(silent=HOW == "daemon")
elif HOW == "deaf":
    ignore_everything()
    ready()
    last()
elif HOW == "stopped":
    stop()
    last()

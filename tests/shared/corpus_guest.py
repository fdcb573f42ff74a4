"""Runs in a container of its own: many probes and suites of hostile trees, one process group each; judges nothing.

Reads /work/jobs.json and the targets beside it, and prints one JSON line for each job. Standard library only.
"""

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

WORK = Path(__file__).resolve().parent
SITE = "/opt/holdpoint/site"
SECONDS = 40


def main():
    for number, job in enumerate(json.loads((WORK / "jobs.json").read_text())):
        folder = WORK / f"job{number}"
        shutil.copytree(WORK / "targets" / job["target"], folder)
        for path, text in job["files"].items():
            place = folder / path
            if text is None:
                place.unlink()
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(text, encoding="utf-8")
        if job["what"] == "probe":
            (folder / "probe_it.py").write_text(job["script"], encoding="utf-8")
            command = [sys.executable, "-B", "probe_it.py"]
        else:
            command = [sys.executable, "-B", "-m", "pytest", "-q", "-rfE", "--tb=no", "-p", "no:cacheprovider"]
        code, output = run(command, folder)
        print(json.dumps({"id": job["id"], "code": code, "output": output[-4000:]}), flush=True)
        shutil.rmtree(folder, ignore_errors=True)


def run(command, folder):
    """Status and output. A process stands between this one and the probe, for some attacks kill their parent."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8", "PYTHONPATH": f"{folder / 'src'}:{SITE}"}
    with (WORK / "output.txt").open("w+b") as output:
        between = os.fork()
        if between == 0:
            os.setsid()
            limited()
            done = subprocess.run(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                check=False,
            )
            os._exit(done.returncode & 255)
        code = status(between)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(between, signal.SIGKILL)
        output.seek(0)
        return code, output.read(1 << 22).decode("utf-8", "backslashreplace")


def status(pid):
    """The exit status, -1 when it was killed or its time was up."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        ended, how = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(how)
        time.sleep(0.01)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return -1


def limited():
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 22, 1 << 22))


main()

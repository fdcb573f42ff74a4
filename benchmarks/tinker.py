"""How far tinker improves itself in campaigns of preset seeds; prints before and after, and the medians.

Runs alone from the repository's environment. Counts are evaluations and tasks, so the table is the same on any machine;
the minutes are not.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from harness.campaign.loop import Campaign
from harness.campaign.plan import Plan
from harness.cli.campaign import document
from harness.cli.demo import make_target
from harness.cli.opened import laboratory, opened
from harness.cli.shell import Shell

SEEDS = (1, 2, 3, 4, 5)
PROPOSALS = 100


def measured(seed: int, proposals: int) -> dict[str, object]:
    """One campaign on a fresh tinker."""
    with tempfile.TemporaryDirectory() as folder:
        shell = Shell(make_target(Shell(Path(), json=True), Path(folder)), json=True)
        began = time.monotonic()
        with opened(shell, lock="benchmark") as work, laboratory(shell, work) as lab:
            plan = Plan(name="tinker", seed=seed, proposals=proposals)
            name = Campaign(work, lab, plan, "benchmark", lambda _progress: None).run()
            found = document(work, name)
            titles = [work.view(one).proposal.title for one in found["accepted"]]
        return {
            "seed": seed,
            "proposals": found["proposals"],
            "minutes": round((time.monotonic() - began) / 60, 1),
            "before": found["before"],
            "after": found["after"],
            "accepted": titles,
        }


def main() -> None:
    """Runs the campaigns and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="one seed, few proposals: under a minute on an idle machine"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument("--proposals", type=int, default=PROPOSALS)
    options = parser.parse_args()
    seeds, proposals = ((1,), 16) if options.quick else (SEEDS, options.proposals)
    rows = []
    for seed in seeds:
        rows.append(measured(seed, proposals))
        print(f"seed {seed}: {rows[-1]['before']} → {rows[-1]['after']}", file=sys.stderr, flush=True)

    def median(name: str, relative: bool) -> float:
        changes = []
        for row in rows:
            before, after = row["before"], row["after"]
            assert isinstance(before, dict)
            assert isinstance(after, dict)
            last = after.get(name, before[name])
            changes.append((last / before[name] - 1) * 100 if relative else last - before[name])
        return round(statistics.median(changes), 1)

    summary = {
        "training_solved": median("training_solved", relative=False),
        "training_evaluations_percent": median("training_evaluations", relative=True),
        "validation_solved": median("validation_solved", relative=False),
        "validation_evaluations_percent": median("validation_evaluations", relative=True),
    }
    if options.json:
        print(json.dumps({"schema": "holdpoint/benchmark-tinker/1", "seeds": rows, "median": summary}))
        return
    names = ("training_solved", "training_evaluations", "validation_solved", "validation_evaluations")
    print("| seed | proposals | accepted | minutes | " + " | ".join(name.replace("_", " ") for name in names) + " |")
    print("|---" * (4 + len(names)) + "|")
    for row in rows:
        before, after, accepted = row["before"], row["after"], row["accepted"]
        assert isinstance(before, dict)
        assert isinstance(after, dict)
        assert isinstance(accepted, list)
        cells = [f"{before[name]:g} → {after.get(name, before[name]):g}" for name in names]
        print(
            f"| {row['seed']} | {row['proposals']} | {len(accepted)} | {row['minutes']} | " + " | ".join(cells) + " |"
        )
    print(f"median change: {summary}")


if __name__ == "__main__":
    main()

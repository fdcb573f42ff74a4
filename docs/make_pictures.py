"""Makes docs/review.svg from a real target: the review screen on its best waiting proposal. Give the target's path."""

import sys
from pathlib import Path

from harness.cli.opened import desk, opened
from harness.cli.shell import Shell
from harness.tui.screenshot import render_svg


def main() -> None:
    """Renders the first row of the queue."""
    with opened(Shell(Path(sys.argv[1]), json=False)) as work:
        counter = desk(work)
        picture = render_svg(counter, counter.queue()[0].proposal, (140, 40))
    Path(__file__).with_name("review.svg").write_text(picture)


if __name__ == "__main__":
    main()

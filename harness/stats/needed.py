"""What planning answers, as a record of its own: documents name it, and numpy takes longer to import than they do."""

from harness.records import Record


class Needed(Record):
    """One effect on one kind of noise: the share of comparisons won within the limit of pairs, and the pairs they use.

    `pairs` is how many win four times of five, None when the limit does not; `mean_pairs` includes those that lose.
    """

    effect: float
    power: float
    pairs: int | None
    mean_pairs: float

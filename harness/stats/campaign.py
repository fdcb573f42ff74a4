"""Error control over a whole campaign: which level the next comparison may use; it sees outcomes only.

e-LOND (Xu & Ramdas, "Online multiple testing with e-values", AISTATS 2024): test t rejects when its
e-value reaches 1/alpha_t with alpha_t = alpha * gamma_t * (R + 1), R being the rejections before t and the
gammas summing to at most one.

Proof of FDR <= alpha under any dependence. Let R_T be the final number of rejections. For a true null t
that was rejected, R_T >= R_{t-1} + 1, so its share 1/R_T of the false discovery proportion is at most
1{E_t >= 1/alpha_t} / (R_{t-1} + 1) <= alpha_t E_t / (R_{t-1} + 1) = alpha * gamma_t * E_t. Its mean is at
most alpha * gamma_t because E_t is an e-value given the past (R_{t-1} is fixed when test t starts).
Summing over the true nulls gives at most alpha * sum(gamma) = alpha; no independence was used.

A rejection may ask for more than the e-value: counted, and controlled, is then what meets the rest too. The
e-value may be that of a process at any stopping time, also one that a later run continues: its level is the
one that it started with. A comparison of k objectives that gives each alpha_t/k is one test: when one of them
wins, the mean of the k e-values has reached 1/alpha_t, and that mean is an e-value.

Two choices of gamma. `even`: 1/T for the T comparisons that the plan allows, 0 after them. `decreasing`, for
campaigns without a known end: gamma_t = t^(-1/2) - (t+1)^(-1/2), about t^(-3/2)/2; the sum telescopes to one.
"""

import math
from typing import Literal

from harness.records import Record

Gamma = Literal["even", "decreasing"]


class ELond(Record):
    """The state of one campaign's error budget; immutable, `after` returns the next."""

    alpha: float
    horizon: int
    gamma: Gamma = "even"
    tests: int = 0
    wins: int = 0

    def level(self) -> float:
        """alpha_t of the comparison that starts now; 0 when the planned number has been used up."""
        return self.alpha * self._share() * (self.wins + 1)

    def after(self, win: bool) -> "ELond":
        """The budget after one comparison ended, with a win or without."""
        return self.model_copy(update={"tests": self.tests + 1, "wins": self.wins + int(win)})

    def _share(self) -> float:
        """gamma_t of the test that comes next."""
        number = self.tests + 1
        if self.gamma == "decreasing":
            root, following = math.sqrt(number), math.sqrt(number + 1)
            return 1 / (root * following * (root + following))  # the difference, without its cancellation
        return 1 / self.horizon if number <= self.horizon else 0.0


def expected_by_luck(levels: tuple[float, ...]) -> float:
    """How many wins these levels give on average if no candidate has any effect: at most their sum."""
    return sum(levels)

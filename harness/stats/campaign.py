"""Error control over a whole campaign: which level the next comparison may use; it sees outcomes only.

e-LOND (Xu & Ramdas, "Online multiple testing with e-values", AISTATS 2024): test t rejects when its
e-value reaches 1/alpha_t with alpha_t = alpha * gamma_t * (R + 1), R being the rejections before t and the
gammas summing to one.

Proof of FDR <= alpha under any dependence. Let R_T be the final number of rejections. For a true null t
that was rejected, R_T >= R_{t-1} + 1, so its share 1/R_T of the false discovery proportion is at most
1{E_t >= 1/alpha_t} / (R_{t-1} + 1) <= alpha_t E_t / (R_{t-1} + 1) = alpha * gamma_t * E_t. Its mean is at
most alpha * gamma_t because E_t is an e-value given the past (R_{t-1} is fixed when test t starts).
Summing over the true nulls gives at most alpha * sum(gamma) = alpha; no independence was used.

Here gamma_t = 1/T for the T comparisons that the campaign's plan allows, and 0 after them.
"""

from harness.records import Record


class ELond(Record):
    """The state of one campaign's error budget; immutable, `after` returns the next."""

    alpha: float
    horizon: int
    tests: int = 0
    wins: int = 0

    def level(self) -> float:
        """alpha_t of the comparison that starts now; 0 when the planned number has been used up."""
        if self.tests >= self.horizon:
            return 0.0
        return self.alpha * (self.wins + 1) / self.horizon

    def after(self, win: bool) -> "ELond":
        """The budget after one comparison ended, with a win or without."""
        return self.model_copy(update={"tests": self.tests + 1, "wins": self.wins + int(win)})

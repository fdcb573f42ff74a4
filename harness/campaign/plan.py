"""A campaign's plan as people write it in TOML; pure."""

import tomllib

from pydantic import Field, ValidationError

from harness.errors import UsageError
from harness.records import Record
from harness.stats.campaign import ELond, Gamma


class Plan(Record):
    """What may be spent, and how: counts are proposals, `minutes` is wall time and ends at a generation's border.

    `alpha` is the share of false ones that is allowed, on average, among what passes for a noisy gain (FDR). `gamma`
    says how it is spread over comparisons: `even` over `proposals` of them, `decreasing` where more may follow.
    """

    name: str = Field("campaign", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    seed: int = Field(1, ge=0)
    proposals: int = Field(100, ge=1, le=1_000_000)
    minutes: float | None = Field(None, gt=0)
    generation: int = Field(4, ge=1, le=64)
    workers: int = Field(2, ge=1, le=64)
    alpha: float = Field(0.05, gt=0, lt=1)
    gamma: Gamma = "even"

    def budget(self) -> ELond:
        """The campaign's error budget before its first comparison."""
        return ELond(alpha=self.alpha, horizon=self.proposals, gamma=self.gamma)


def parse_plan(text: str, where: str) -> Plan:
    """The plan in the text's `[campaign]` table; UsageError names the key, what was found and what is allowed."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where} is no TOML: {error}.", "correct that line") from None
    extra = sorted(set(table) - {"campaign"})
    if extra or "campaign" not in table:
        raise UsageError(f"{where} holds {extra or 'no [campaign]'}; a plan has one table.", "write [campaign]")
    try:
        return Plan.model_validate(table["campaign"])
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        allowed = ", ".join(Plan.model_fields)
        raise UsageError(
            f"{where}: [campaign] {key} = {first['input']!r}: {first['msg']}.", f"keys allowed: {allowed}"
        ) from None

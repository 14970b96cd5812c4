"""A verdict: a state, a sentence, and the numbers behind them."""

from dataclasses import dataclass

STATES = (
    "too early",
    "growing",
    "saturated",
    "dimensional collapse",
    "complete collapse",
    "exploding",
)
ALARMS = STATES[3:]


@dataclass(frozen=True)
class Verdict:
    """What has become of an embedding.

    Attributes
    ----------
    state : one of `STATES`; of a single moment "full" or one of the two collapses
    sentence : the same in plain words, with the numbers that matter most
    evidence : the numbers behind it by name, each finite; docs/verdicts.md says what they are
    """

    state: str
    sentence: str
    evidence: dict[str, float]

    @property
    def alarm(self) -> bool:
        """Whether something has gone wrong."""
        return self.state in ALARMS

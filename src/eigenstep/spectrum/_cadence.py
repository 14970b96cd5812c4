"""At which steps a monitor measures."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LogSpaced:
    """Measure at steps that are evenly spaced on a logarithmic axis: every step at first, rarely later.

    >>> cadence = LogSpaced(per_decade=4)
    >>> [step for step in range(1, 101) if cadence.is_due(step)]
    [1, 2, 4, 6, 10, 18, 32, 57, 100]
    """

    per_decade: int = 20

    def __post_init__(self) -> None:
        if not 1 <= self.per_decade <= 200:
            raise ValueError(f"expected 1 to 200 measurements a decade, got {self.per_decade}")

    def is_due(self, step: int) -> bool:
        """Whether `step` is the first one at or after one of the points 10^(i / per_decade)."""
        return step == 1 or self._passed(step) > self._passed(step - 1)

    def _passed(self, step: int) -> int:
        """How many of the points lie at or below `step`, by exact integers: 10^i <= step^per_decade."""
        return len(str(step**self.per_decade)) - 1

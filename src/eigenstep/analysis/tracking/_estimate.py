"""A number with its interval."""

from typing import NamedTuple


class Estimate(NamedTuple):
    """A value and the ends of its interval, which covers the truth in nine cases of ten."""

    value: float
    low: float
    high: float

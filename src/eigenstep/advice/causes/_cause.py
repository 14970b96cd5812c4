"""What a cause of a bad run says of itself."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from eigenstep.advice._signs import Signs

# The evidence from which a cause is named.
NAMED = 1.0


@dataclass(frozen=True)
class Evidence:
    """One thing that speaks for a cause, or against it.

    Attributes
    ----------
    said : str
        In words, with its number.
    weight : float
        Above 0 for the cause, below against it; `NAMED` in sum names it.
    """

    said: str
    weight: float


@dataclass(frozen=True)
class Action:
    """What to do about a cause.

    Attributes
    ----------
    said : str
        In words, with the option of `eigenstep train` if there is one.
    changes : Mapping[str, Any]
        Options with the values to set, by dotted name; empty where no option does it.
    expected : str
        What should be seen then.
    line : str
        What to do in a loop of one's own, where that is another thing than `said`.
    """

    said: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    expected: str = ""
    line: str = ""

    def of_foreign_loop(self) -> Self:
        """The same as the line of a loop that has no options."""
        return replace(self, said=self.line or self.said, changes={})


@dataclass(frozen=True)
class Cause:
    """Something that makes a run bad, with the signs by which it is known.

    Attributes
    ----------
    name : str
        As `eigenstep advise --json` has it.
    said : str
        What is wrong, in one sentence.
    weigh : Callable[[Signs, bool], list[Evidence]]
        What speaks for it and against it in a run's signs, given whether the run shows symptoms; nothing
        where they do not tell. An option out of its published range names a cause of an ill run alone.
    act : Callable[[Signs], Action]
        What to do about it.
    trial : str
        Where its signs were seen.
    restart : bool
        Whether what has been learned so far is spoilt by it, so that the run should begin anew.
    checks : tuple[str, ...]
        Which checks of a batch speak for it, as `Checked.faults` has them.
    """

    name: str
    said: str
    weigh: Callable[[Signs, bool], list[Evidence]]
    act: Callable[[Signs], Action]
    trial: str = "benchmarks/advice.py, the half on which thresholds were set"
    restart: bool = False
    checks: tuple[str, ...] = ()


def above(value: float, bound: float) -> bool:
    """Whether a number is known, and above another."""
    return math.isfinite(value) and value > bound


def below(value: float, bound: float) -> bool:
    """Whether a number is known, and below another."""
    return math.isfinite(value) and value < bound

"""What every loss is, seen from a small start: an operator on the views, and the rate of each mode."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenstep.kernel.pairs._pair_graph import PairGraph
from eigenstep.kernel.pairs._pair_operator import PairOperator


@dataclass(frozen=True)
class SmallStartObjective(ABC):
    """A loss, seen from a small start.

    Attributes
    ----------
    name : ClassVar[str]
        As in `objective_operator`.
    weights : Mapping[str, float]
        The factor of each term of the loss, under the names of `eigenstep.losses`.
    plateau : float | None
        What a mode's eigenvalue lambda = gamma s^2 saturates at, or None if no closed form is known.
    closed_form : ClassVar[bool]
        Whether the logistic curve of a mode is known, exactly or to fourth order in the embeddings:
        lambda_j(t) = plateau x theory.mode_eigenvalues(gamma_j, s_j(0) / sqrt(plateau), t / time_unit).
    """

    name: ClassVar[str]
    closed_form: ClassVar[bool]

    @property
    @abstractmethod
    def weights(self) -> Mapping[str, float]: ...

    @property
    @abstractmethod
    def plateau(self) -> float | None: ...

    @abstractmethod
    def operator(self, graph: PairGraph) -> PairOperator:
        """Return the effective A over the graph's views; ValueError for too few samples."""

    @abstractmethod
    def time_unit(self, dim: int | None = None) -> float:
        """Return the time in which a mode grows as Barlow Twins' does in a time of 1; see `growth_rates`."""

    def growth_rates(self, gamma: ArrayLike, dim: int | None = None) -> NDArray[np.float64]:
        """Return the exponents r_j of small modes, s_j ~ e^{r_j t}: 4 gamma_j / time_unit, shape of gamma.

        dim is the embedding's dimension d, which VICReg divides by; ValueError if it is needed and missing.
        """
        return 4 * np.asarray(gamma, dtype=np.float64) / self.time_unit(dim)


def one_number_if_equal(diagonal: NDArray[np.float64]) -> float | NDArray[np.float64]:
    """A diagonal (n,) as `PairOperator` has it at least cost."""
    return float(diagonal[0]) if (diagonal == diagonal[0]).all() else diagonal


def check_positive(option: str, value: float) -> None:
    """Raise a ValueError unless the value is finite and above zero."""
    if not (np.isfinite(value) and value > 0):
        raise ValueError(f"{option} expects a positive number, got {value}")


def check_samples(name: str, count: int) -> None:
    """Raise a ValueError where an objective that compares samples has no two of them."""
    if count < 2:
        raise ValueError(
            f"{name} compares different samples: expected at least 2, got n_samples = {count}; add samples"
        )

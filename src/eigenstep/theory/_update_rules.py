"""The update rules whose courses are known: the plain gradient, preconditioned, or orthogonalised."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Preconditioner:
    """The gradient at the embeddings is multiplied by P = (C + damping)^-power.

    C's directions of small eigenvalue, the modes to come, are sped up by up to damping^-power. As a rule,
    `rule=Preconditioner(0.5, 1e-4)`; the name "preconditioned" stands for `Preconditioner()`.

    Training in practice takes the covariance of the embeddings of both views, Cov, in place of C: it is
    never negative, and it is stable where a batch's own C is not. A mode's eigenvalue of Cov is
    sigma_j s_j^2 = lambda_j / rho_j, sigma_j the variance of the views along the mode and
    rho_j = gamma_j / sigma_j the correlation of its values on two views; the two are the same where views
    agree. `correlations` gives rho_j, exact where Gamma and the views' second moment commute, so that every
    mode still moves alone. Where gamma_j < 0 the eigenvalue of C is taken by its size.

    Attributes
    ----------
    power : float
        p >= 0; 0 is the plain gradient.
    damping : float
        Delta >= 0.
    correlations : ArrayLike
        (d,) or one number for all modes: rho_j, whose sign plays no role, 0 < |rho_j| <= 1. By default 1: P
        is made of C.

    Raises
    ------
    ValueError
        A power or damping that is negative or not finite, or correlations beyond 1.
    """

    power: float = 0.5
    damping: float = 1e-3
    correlations: ArrayLike = 1.0

    def __post_init__(self) -> None:
        for name in ("power", "damping"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"expected a {name} that is finite and not negative, got {value}")
        values = np.asarray(self.correlations, dtype=np.float64)
        # Rounding may bring the correlation of equal views a little above 1.
        if values.ndim > 1 or not (np.abs(values) <= 1 + 1e-9).all():
            raise ValueError(f"expected correlations of shape (d,), from -1 to 1, got {self.correlations}")
        # Numbers alone, so that two rules can be compared.
        object.__setattr__(
            self, "correlations", values.item() if values.ndim == 0 else tuple(values.tolist())
        )

    def variances(self, gamma: NDArray[np.float64]) -> NDArray[np.float64]:
        """Each mode's eigenvalue of what P is made of, over its eigenvalue of C: 1 / |rho_j|, (d,)."""
        values = np.abs(np.asarray(self.correlations, dtype=np.float64))
        if values.ndim == 1 and values.shape != gamma.shape:
            raise ValueError(f"expected one correlation a mode, {gamma.size}, got {values.size}")
        values = np.where(gamma == 0, 1.0, values)
        if not (values > 0).all():
            raise ValueError("expected correlations other than 0 of modes whose gamma is not 0")
        variances: NDArray[np.float64] = 1 / values
        return variances


Rule = Literal["gradient", "preconditioned", "orthogonalised"] | Preconditioner


def checked_rule(rule: Rule) -> Preconditioner | Literal["gradient", "orthogonalised"]:
    """Return the rule with its numbers; ValueError for a name that is none."""
    if isinstance(rule, Preconditioner):
        return rule
    if rule == "preconditioned":
        return Preconditioner()
    if rule not in ("gradient", "orthogonalised"):
        raise ValueError(
            "expected rule gradient, preconditioned, orthogonalised or a Preconditioner(power, damping), got"
            f" {rule!r}"
        )
    return rule

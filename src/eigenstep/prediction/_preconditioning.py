"""The preconditioner of a prediction: as training has it, or as the closed form knows it."""

import numpy as np

from eigenstep.optim import EmbeddingPreconditioner, EmbeddingPreconditionerConfig
from eigenstep.prediction._linear_training import Preconditioning
from eigenstep.prediction._modes import KernelModes
from eigenstep.theory import Preconditioner


def closed_preconditioner(
    options: EmbeddingPreconditionerConfig, modes: KernelModes
) -> Preconditioner | None:
    """That of each mode alone, None without one: its covariance is the variance of the mode on the views.

    A mode of unit norm has the variance sigma_j there, and the eigenvalue gamma_j over pairs; its correlation
    on two views is gamma_j / sigma_j.
    """
    if options.power is None:
        return None
    variances = np.mean(modes.views**2, axis=0)
    return Preconditioner(options.power, options.damping, np.minimum(modes.gamma / variances, 1.0))


def running_preconditioner(options: EmbeddingPreconditionerConfig, center: bool) -> Preconditioning | None:
    """The one that training takes, with its running covariance, in its first state; None without one."""
    if options.power is None:
        return None
    return EmbeddingPreconditioner(options.power, options.damping, options.decay, options.every, center)

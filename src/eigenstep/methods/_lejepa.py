"""LeJEPA: views predict their mean, and embeddings are Gaussian along random directions."""

import dataclasses
from dataclasses import dataclass

from eigenstep.methods._method import Method, as_its_loss_says, of_slices
from eigenstep.methods._small_start import SmallStart


@dataclass(frozen=True)
class LeJEPAConfig:
    """LeJEPA with SIGReg (used with --loss lejepa)."""

    weight: float = 0.05
    """lambda, the share of SIGReg in the loss."""
    slices: int = 1024
    """Random directions at each step."""
    pooled: bool = False
    """Test all views as one sample, as stable-pretraining does, in the place of each view on its own."""
    prediction: float | None = None
    """Weight of the prediction (stable-pretraining: 1); default: 1 - weight."""
    t_max: float = 3.0
    """Largest frequency of the characteristic functions (the paper's algorithm: 5)."""
    knots: int = 17
    """Frequencies from 0 to t_max (the paper's algorithm: 9)."""


def _small_start(options: LeJEPAConfig, batch_size: int) -> SmallStart:
    from eigenstep.kernel.pairs import LeJEPA

    known = {field.name for field in dataclasses.fields(LeJEPA)}
    shared = {name: value for name, value in dataclasses.asdict(options).items() if name in known}
    return SmallStart(LeJEPA(batch_size=batch_size, **shared))


METHOD = Method(
    name="lejepa",
    title="LeJEPA",
    options=LeJEPAConfig,
    build=of_slices("LeJEPALoss"),
    small_start=_small_start,
    refuses_preconditioning=as_its_loss_says("LeJEPALoss"),
)

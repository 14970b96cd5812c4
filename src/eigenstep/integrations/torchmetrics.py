"""Measures of rank and collapse as a metric of torchmetrics."""

from typing import Any

import torch
from torch import Tensor

try:
    from torchmetrics import Metric
    from torchmetrics.utilities import dim_zero_cat
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "eigenstep.integrations.torchmetrics needs torchmetrics; install it by pip install torchmetrics"
    ) from error

from eigenstep.embeddings import as_tensor
from eigenstep.spectrum import Spectrum, check_embeddings, spectrum_of
from eigenstep.spectrum.measures import MEASURES
from eigenstep.spectrum.moments import LARGEST_DENSE, LeadingDirections, Moments, pack, unpack


class SpectrumMetric(Metric):
    """A measure of all embeddings since the last reset, over all processes: the value that a monitor records.

    What is kept is two d×d matrices, not the embeddings.

    Parameters
    ----------
    measure : str
        A name of `eigenstep.spectrum.measures.MEASURES`: "rank_me", "effective_rank", "participation_ratio",
        "lidar", "modes_past_half", ... (docs/measures.md).
    center : bool
        Subtract the mean over both views before the cross-correlation is formed.
    plateau : float
        Eigenvalue of a learned mode in theory, for "modes_past_half".
    leading : int
        Above 2,048 dimensions, how many eigenvalues are found.
    options
        Of `torchmetrics.Metric`: `sync_on_compute`, `process_group`, `dist_sync_on_step`, ...

    Raises
    ------
    ValueError
        For a measure that is not known.

    Examples
    --------
    >>> metric = SpectrumMetric("participation_ratio")
    >>> metric.update(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
    >>> metric.compute()
    tensor(2., dtype=torch.float64)
    """

    full_state_update = False
    is_differentiable = False
    sums: list[Tensor]

    def __init__(
        self,
        measure: str = "rank_me",
        *,
        center: bool = True,
        plateau: float = 1.0,
        leading: int = 128,
        **options: Any,
    ) -> None:
        if measure not in MEASURES:
            raise ValueError(f"expected measure to be one of {', '.join(MEASURES)}, got {measure!r}")
        super().__init__(**options)
        self.measure = measure
        self.center, self.plateau, self.leading = center, plateau, leading
        self.add_state("sums", [], dist_reduce_fx=dim_zero_cat)
        self.set_dtype(torch.float64)  # of a process that has nothing, when all are gathered

    def update(self, z_a: Any, z_b: Any = None) -> None:
        """Add embeddings (n, d) of one view or two; samples that are not finite are left out.

        Raises
        ------
        TypeError, ValueError
            For embeddings of another shape or type than those before.
        """
        views = [as_tensor(each) for each in (z_a, z_b) if each is not None]
        held = self._held()
        check_embeddings(views[0], views[1] if z_b is not None else None, held.dim if held else None)
        if held is None:
            device = views[0].device
            wide = torch.float32 if device.type == "mps" else torch.float64
            held = Moments(views[0].shape[1], len(views), dtype=wide, device=device)
        held.update(*views)
        self.sums = [pack(held)]

    def compute(self) -> Tensor:
        """The measure, a scalar; NaN where embeddings of one view do not tell it.

        Raises
        ------
        ValueError
            If nothing has come.
        """
        return torch.tensor(self.spectrum().measures[self.measure], dtype=torch.float64, device=self.device)

    def spectrum(self) -> Spectrum:
        """Eigenvalues and all measures of what this process, or all of them while synced, has seen."""
        held = self._held()
        if held is None:
            raise ValueError("no embeddings seen yet; call update first")
        kept = held.dim if held.dim <= LARGEST_DENSE else min(self.leading, held.dim)
        moments = LeadingDirections(self.leading, center=self.center).of_moments(held)
        return spectrum_of(moments, step=0, time=0.0, center=self.center, kept=kept, plateau=self.plateau)

    def _held(self) -> Moments | None:
        sums = self.sums if isinstance(self.sums, Tensor) else torch.cat(self.sums) if self.sums else None
        return None if sums is None or not len(sums) else unpack(sums)

"""Which pairs of two encoders' embeddings a measurement is over."""

import sys
from typing import Any

from torch import Tensor

from eigenstep.spectrum.moments._forms import Finish, Form, default_window, make_form
from eigenstep.spectrum.moments._leading import LeadingDirections
from eigenstep.spectrum.moments._pair_moments import PairMoments
from eigenstep.spectrum.moments._two_sides import TwoSides, pair_rows

# Singular values are of the whole cross-covariance: the leading directions of a covariance need not be its.
_WHOLE = LeadingDirections(1, largest_dense=sys.maxsize)


class TwoSidesForm(Form):
    """One of FORMS over both sides together, and over each alone: of the same pairs with the same weights.

    Parameters
    ----------
    dims : tuple[int, int]
        (d_a, d_b).
    form, window, half_life, gather
        As of `make_form`; the default window is that of d_a + d_b dimensions.

    Examples
    --------
    >>> import torch
    >>> form = TwoSidesForm("all", (3, 2), window=None, half_life=100.0, gather=False)
    >>> images, texts = torch.eye(3)[:2], 2 * torch.eye(2)
    >>> form.update(images, texts, step=0)
    >>> sides = form.snapshot(gather=False, copy=True)(LeadingDirections(1))
    >>> sides.dims, [side.covariance.diagonal().tolist() for side in sides.sides]
    ((3, 2), [[0.25, 0.25, 0.0], [1.0, 1.0]])
    """

    def __init__(
        self, form: str, dims: tuple[int, int], *, window: int | None, half_life: float, gather: bool
    ) -> None:
        window = window or default_window(sum(dims))
        self.forms = [
            make_form(form, dim, window=window, half_life=half_life, gather=gather)
            for dim in (sum(dims), *dims)
        ]

    def update(self, z_a: Tensor, z_b: Tensor | None, step: int) -> None:
        assert z_b is not None, "there are two sides"
        for form, rows in zip(self.forms, pair_rows(z_a, z_b), strict=True):
            form.update(rows, None, step)

    @property
    def is_empty(self) -> bool:
        return self.forms[0].is_empty

    def snapshot(self, *, gather: bool, copy: bool) -> Finish:
        finishes = [form.snapshot(gather=gather, copy=copy) for form in self.forms]

        def finish(leading: LeadingDirections) -> TwoSides:
            joint, first, second = (each(_WHOLE) for each in finishes)
            assert isinstance(joint, PairMoments)
            assert isinstance(first, PairMoments)
            assert isinstance(second, PairMoments)
            return TwoSides(joint, (first, second))

        return finish

    def reset(self) -> None:
        for form in self.forms:
            form.reset()

    def start_anew(self) -> None:
        for form in self.forms:
            form.start_anew()

    def state_dict(self) -> dict[str, Any]:
        return {"forms": [form.state_dict() for form in self.forms]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for form, held in zip(self.forms, state["forms"], strict=True):
            form.load_state_dict(held)

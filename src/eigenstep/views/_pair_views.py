"""The views of pairs of two kinds of data: each side is a view, augmented only where that is asked for."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from eigenstep.spelling import PYTHON, python_name
from eigenstep.views._config import ViewsConfig
from eigenstep.views._images import float_images
from eigenstep.views._own_views import OwnViews, described, takes_generator
from eigenstep.views._two_views import TwoViews

Augmentation = ViewsConfig | Callable[..., Tensor] | None


class PairViews(OwnViews):
    """Both sides of pairs as the two views, in float32, uint8 divided by 255.

    Parameters
    ----------
    unpack : Callable[[Tensor], tuple[Tensor, Tensor]]
        Gives both sides of a batch, as they are stored.
    first, second : ViewsConfig | Callable[..., Tensor] | None
        How a side is augmented: as a `ViewsConfig` says, for square images; by a callable
        `augment(batch, generator) -> view`, or of the batch alone, as `OwnViews` calls it; None: not at all.

    Raises
    ------
    TypeError
        For anything else.

    Examples
    --------
    >>> def noise(batch, generator):
    ...     return batch + torch.randn(batch.shape, generator=generator)
    >>> views = PairViews(lambda batch: batch.split([3, 2], dim=1), second=noise)
    >>> a, b = views(torch.zeros(4, 5), torch.Generator().manual_seed(0))
    >>> views.name, a.shape, bool(a.any()), b.shape, bool(b.any())
    ('python:(None, noise)', torch.Size([4, 3]), False, torch.Size([4, 2]), True)
    """

    def __init__(
        self,
        unpack: Callable[[Tensor], tuple[Tensor, Tensor]],
        first: Augmentation = None,
        second: Augmentation = None,
    ) -> None:
        self._unpack = unpack
        self._sides = [_OneSide(each) for each in (first, second)]
        self.name = f"{PYTHON}({', '.join(side.name for side in self._sides)})"
        self._views = self._drawn
        self._takes_generator = True

    def plain(self, batch: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """Both sides as they are measured, not augmented."""
        first, second = (
            side.plain(each) for side, each in zip(self._sides, self._unpack(batch), strict=True)
        )
        return first, second

    def _drawn(self, batch: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        first, second = (
            side.draw(each, generator) for side, each in zip(self._sides, self._unpack(batch), strict=True)
        )
        return first, second

    def _check(self, views: Any, batch: Tensor) -> None:
        """Each side is checked as it is drawn; they are of two shapes."""


class _OneSide:
    def __init__(self, how: Augmentation) -> None:
        if how is not None and not isinstance(how, ViewsConfig) and not callable(how):
            raise TypeError(
                "views: expected for each side None, a ViewsConfig or a callable (batch, generator) -> view,"
                f" got {described(how)}"
            )
        self.how = how
        self.name = "None" if how is None else python_name(how).removeprefix(PYTHON)
        self._takes_generator = callable(how) and takes_generator(how)

    def draw(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        if self.how is None:
            return float_images(batch)
        if isinstance(self.how, ViewsConfig):
            return self._augmented(self.how, batch, generator)
        view = self.how(batch, *([generator] if self._takes_generator else []))
        return self._checked(view, batch, self.name)

    def plain(self, batch: Tensor) -> Tensor:
        if isinstance(self.how, ViewsConfig):
            plain = ViewsConfig.none(self.how.normalize, self.how.mean, self.how.std)
            return self._augmented(plain, batch, torch.Generator())
        own = getattr(self.how, "plain", None)
        if not callable(own):
            return float_images(batch)
        with torch.no_grad():
            return self._checked(own(batch), batch, f"{self.name}.plain")

    def _augmented(self, config: ViewsConfig, batch: Tensor, generator: torch.Generator) -> Tensor:
        if batch.ndim != 4 or batch.shape[2] != batch.shape[3]:
            raise ValueError(
                f"views: a ViewsConfig is for square images (C, H, W), got items {tuple(batch.shape[1:])};"
                " give a callable for that side, or None"
            )
        views = TwoViews(config, batch.shape[3])
        return views.apply(batch, views.sample(batch, generator))

    def _checked(self, view: Any, batch: Tensor, name: str) -> Tensor:
        if not isinstance(view, Tensor) or view.ndim < 2 or len(view) != len(batch):
            raise ValueError(
                f"views: {name} must return a tensor ({len(batch)}, ...) for a batch of {len(batch)}, got"
                f" {described(view)}"
            )
        return view

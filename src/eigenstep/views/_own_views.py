"""Views of one's own: any callable of a batch, with random numbers that the step determines."""

import inspect
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from eigenstep.spelling import PYTHON, python_name
from eigenstep.views._images import float_images

Views = Callable[..., tuple[Tensor, Tensor]]


class OwnViews:
    """Draws two views of a batch by a callable, and checks what it gives.

    The callable is `views(batch, generator) -> (view_a, view_b)`, row i of both from row i of the batch. All
    that it draws should come from the `torch.Generator`, which is on the CPU. One that takes a single
    argument, `views(batch)`, draws from torch's own random state, which is set for every step and part.

    Parameters
    ----------
    views : Callable[..., tuple[Tensor, Tensor]]
        The callable. If it has a method `plain(batch)`, that gives the one view by which embeddings are
        measured; otherwise it is the batch itself in float32, uint8 divided by 255 and uint16 by 65535.

    Raises
    ------
    TypeError
        If it cannot be called with a batch and a generator, or with a batch alone.

    Examples
    --------
    >>> def jitter(batch, generator):
    ...     return batch + 1, batch + torch.randn(batch.shape, generator=generator)
    >>> views = OwnViews(jitter)
    >>> a, b = views(torch.zeros(4, 7), torch.Generator().manual_seed(0))
    >>> views.name, b.shape, views.plain(torch.zeros(4, 7)).shape
    ('python:jitter', torch.Size([4, 7]), torch.Size([4, 7]))
    """

    def __init__(self, views: Views) -> None:
        if not callable(views) or inspect.isclass(views):
            raise TypeError(
                f"views: expected a callable (batch, generator) -> (view_a, view_b), got {described(views)}"
            )
        self.name = python_name(views)
        self._views = views
        self._takes_generator = takes_generator(views)

    def __call__(
        self, batch: Tensor, generator: torch.Generator, part: int = 0, parts: int = 1
    ) -> tuple[Tensor, Tensor]:
        """Two views of the batch, which is this part of `parts`: each part draws for itself.

        Raises
        ------
        ValueError
            In one line if the callable does not give two tensors of one shape, a row for each of the batch.
        """
        seed = int(torch.randint(2**62, (parts,), generator=generator)[part])
        torch.manual_seed(seed)
        drawn = [torch.Generator().manual_seed(seed)] if self._takes_generator else []
        with torch.no_grad():
            views = self._views(batch, *drawn)
        self._check(views, batch)
        return cast(tuple[Tensor, Tensor], tuple(views))

    def plain(self, batch: Tensor) -> Tensor:
        """The view by which a batch is measured, in evaluation."""
        own = getattr(self._views, "plain", None)
        if not callable(own):
            return float_images(batch)
        with torch.no_grad():
            plain = own(batch)
        if not isinstance(plain, Tensor) or plain.ndim == 0 or len(plain) != len(batch):
            raise ValueError(
                f"views: {self._bare}.plain must return a tensor of {len(batch)} rows for a batch of"
                f" {len(batch)}, got {described(plain)}"
            )
        return plain

    def _check(self, views: Any, batch: Tensor) -> None:
        if not isinstance(views, tuple | list) or len(views) != 2:
            raise ValueError(
                f"views: {self._bare} must return two views (view_a, view_b), got {described(views)}"
            )
        a, b = views
        rows = len(batch)
        for view in (a, b):
            if not isinstance(view, Tensor) or view.ndim < 2 or len(view) != rows:
                raise ValueError(
                    f"views: {self._bare} must return tensors ({rows}, ...) for a batch of {rows}, got"
                    f" {described(view)}"
                )
        if a.shape != b.shape or a.dtype != b.dtype:
            raise ValueError(
                f"views: {self._bare} must return two views of one shape and type, which pass the encoder as"
                f" one batch, got {described(a)} and {described(b)}"
            )

    @property
    def _bare(self) -> str:
        return self.name.removeprefix(PYTHON)


def takes_generator(views: Callable[..., Any]) -> bool:
    """Whether the callable is to be given a generator: whether it takes two positional arguments."""
    try:
        signature = inspect.signature(views.forward if isinstance(views, nn.Module) else views)
    except (TypeError, ValueError):  # nothing is known of it
        return True
    for arguments, takes in ((2, True), (1, False)):
        try:
            signature.bind(*range(arguments))
            return takes
        except TypeError:
            continue
    raise TypeError(
        f"views: expected a callable (batch, generator) -> (view_a, view_b), got {python_name(views)}"
        f" with the arguments {signature}"
    )


def described(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return "nothing" if value is None else f"{type(value).__name__}"

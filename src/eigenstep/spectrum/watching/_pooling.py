"""Embeddings (n, d) made of what a layer gives."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from eigenstep.spectrum.watching._layout import find_layout
from eigenstep.spectrum.watching._model_call import ModelCall, find_mask


class Pooling:
    """Makes embeddings (n, d) of what a layer gives.

    Parameters
    ----------
    model, layer : nn.Module
        The model, and its layer.
    name : str
        The layer's, for errors.
    pool : Callable[..., Tensor] | None
        As of `watch`.
    layout : str | None
        As of `watch`.

    Attributes
    ----------
    layout : str | None
        As given, or as it was found.
    doubt : str
        What is to be told of an output, if anything.

    Raises
    ------
    ValueError
        For a layout that is none.
    """

    def __init__(
        self,
        model: nn.Module,
        layer: nn.Module,
        name: str,
        *,
        pool: Callable[..., Tensor] | None = None,
        layout: str | None = None,
    ) -> None:
        if layout is not None and (
            len(set(layout)) != len(layout) or not {"n", "c"} <= set(layout) or not layout.isalpha()
        ):
            raise ValueError(
                "expected a layout with a letter for each axis, n for the samples and c for the dimensions,"
                f" such as 'nchw', 'nhwc', 'ntc' or 'tnc', got {layout!r}"
            )
        self.layout = layout
        self._given = layout is not None
        self._model, self._layer, self.name, self._pool = model, layer, name, pool
        self.doubt = ""
        self._pool_takes_mask = pool is not None and "attention_mask" in _parameters(pool)

    def __call__(self, output: Any, call: ModelCall, keywords: Mapping[str, Any] | None = None) -> Tensor:
        """Embeddings (n, d), a copy; of a layer that was given `keywords`.

        Raises
        ------
        TypeError
            For what is no tensor.
        ValueError
            For a type or shape of which they cannot be made, or whose axes nothing tells.
        """
        mask = find_mask(keywords or {})
        mask = call.mask if mask is None else mask
        if self._pool is not None:
            output = self._pool(output, attention_mask=mask) if self._pool_takes_mask else self._pool(output)
        if not isinstance(output, Tensor):
            raise TypeError(
                f"layer {self.name!r} gave {type(output).__name__}, expected a tensor; watch a layer that"
                " gives one, or say how to get it: pool=lambda output: output[0]"
            )
        if output.ndim < 2 or not output.is_floating_point():
            raise ValueError(
                f"layer {self.name!r} gave {output.dtype} of shape {tuple(output.shape)}, expected floating"
                " point of two axes or more; say how to get embeddings: pool=lambda output: ..."
            )
        values = output.detach()
        if values.ndim == 2 and not self._given:
            if not call.fits(len(values)):
                self.doubt = (
                    f"layer {self.name!r} gave {len(values)} rows for {call.samples} samples of the model,"
                    " and each is taken for a sample; layout='nc' says that they are"
                )
            return values.clone()
        layout = self._layout_of(values, call)
        values = values.movedim((layout.index("n"), layout.index("c")), (0, -1))
        if values.ndim == 2:
            return values.clone()
        precision = torch.promote_types(values.dtype, torch.float32)
        if mask is not None and values.ndim == 3:
            weights = self._weights_of(mask, values)
            if weights is not None:
                total = weights.sum(1).clamp(min=1)
                return torch.einsum("nt,ntc->nc", weights, values.to(precision)) / total[:, None]
        return values.mean(tuple(range(1, values.ndim - 1)), dtype=precision)

    def _layout_of(self, values: Tensor, call: ModelCall) -> str:
        if self._given or (self.layout and len(self.layout) == values.ndim):
            layout = self.layout or ""
        else:
            layout = find_layout(self._model, self._layer, tuple(values.shape), call) or ""
            if not layout:
                raise ValueError(
                    f"layer {self.name!r} gave the shape {tuple(values.shape)}, and nothing tells which axes"
                    f" are samples and dimensions; say it: layout={_examples(values.ndim)}, or"
                    " pool=lambda output: ..."
                )
            self.layout = layout
        if len(layout) != values.ndim:
            raise ValueError(
                f"layer {self.name!r} gave the shape {tuple(values.shape)}, expected the {len(layout)} axes"
                f" of layout={layout!r}"
            )
        return layout

    def _weights_of(self, mask: Tensor, values: Tensor) -> Tensor | None:
        """1 for each token that is there, (n, t); None if all are."""
        if mask.shape == values.shape[:2]:
            return mask.to(values.device, torch.promote_types(values.dtype, torch.float32))
        if bool(mask.all()):
            return None
        raise ValueError(
            f"layer {self.name!r} gave {values.shape[0]} sequences of {values.shape[1]} tokens, and the"
            f" attention mask is of shape {tuple(mask.shape)}, so that padding cannot be left out; say how to"
            " get embeddings: pool=lambda output, attention_mask: ..."
        )


def _parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # it is not written in Python
        return ()


def _examples(axes: int) -> str:
    known = {3: "'ntc', 'tnc' or 'nct'", 4: "'nchw' or 'nhwc'", 5: "'ncdhw' or 'ndhwc'"}
    return known.get(axes, f"a letter for each of its {axes} axes, n for samples and c for dimensions")

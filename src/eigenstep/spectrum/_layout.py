"""Which axes of a layer's output are samples and dimensions, and embeddings (n, d) made of it."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from eigenstep.embeddings import wide_type

# Modules whose output is (n, channels, ...), by where torch defines them.
CHANNELS_FIRST = {
    f"torch.nn.modules.{name}"
    for name in (
        "conv",
        "batchnorm",
        "instancenorm",
        "pooling",
        "upsampling",
        "pixelshuffle",
        "channelshuffle",
    )
}
# Under these names modules say how many channels they give; `nf` is transformers' Conv1D.
SIZES = ("out_channels", "num_features", "num_channels", "out_features", "embedding_dim", "nf")
# So many times more parts of one type than of the other are nearly all: even ResNets end in a Linear.
MOSTLY = 4
# Whose models put the samples first.
SAMPLES_FIRST = ("timm", "torchvision", "transformers", "open_clip", "sentence_transformers")
# Names under which models are given which tokens are there (True), and which are padding (False).
MASKS = {
    "attention_mask": True,
    "src_key_padding_mask": False,
    "key_padding_mask": False,
    "padding_mask": False,
}


class ModelCall:
    """What is known of the model's forward pass that is under way.

    Attributes
    ----------
    samples : int | None
        How many there are in a tensor that the model was given, where that can be told.
    tensors : int
        How many it was given, which it may have joined.
    mask : Tensor | None
        Which tokens are no padding, (n, t) of bool, where the model was told.
    """

    def __init__(self, model: nn.Module) -> None:
        self.samples: int | None = None
        self.tensors = 0
        self.mask: Tensor | None = None
        self.names = list(inspect.signature(model.forward).parameters)

    def begin(self, model: nn.Module, inputs: tuple[Any, ...], keywords: Mapping[str, Any]) -> None:
        """Take what the model is given; a forward pre-hook."""
        given = dict(zip(self.names, inputs, strict=False)) | dict(keywords)
        for value in list(given.values()):
            if isinstance(value, Mapping):
                given |= value
            elif isinstance(value, list | tuple):
                given |= {str(number): each for number, each in enumerate(value)}
        tensors = {name: value for name, value in given.items() if isinstance(value, Tensor)}
        self.mask, self.tensors, self.samples = find_mask(given), len(tensors), None
        if self.mask is not None:
            self.samples = len(self.mask)
        elif tensors:
            name, first = next(iter(tensors.items()))
            # Images, rows and ids of that name have their samples first; sequences may not.
            if first.ndim >= 4 or (first.ndim == 2 and first.is_floating_point()) or name == "input_ids":
                self.samples = len(first)

    def end(self, *given: Any) -> None:
        """Forget it; a forward hook."""
        self.samples = self.mask = None

    def fits(self, rows: int) -> bool:
        """Whether so many rows can be the samples of one of the tensors or of several."""
        return not self.samples or (rows % self.samples == 0 and rows <= self.samples * self.tensors)


def find_mask(given: Mapping[str, Any]) -> Tensor | None:
    """Which tokens are no padding, (n, t) of bool, by the names that torch and transformers use."""
    for name, there in MASKS.items():
        mask = given.get(name)
        if isinstance(mask, Tensor) and mask.ndim == 2:
            if not there and mask.is_floating_point():  # -inf where there is padding
                return mask == 0
            return mask.bool() if there else ~mask.bool()
    return None


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
        precision = wide_type(values.dtype)
        if mask is not None and values.ndim == 3:
            weights = self._weights_of(mask, values)
            if weights is not None:
                total = weights.sum(1).clamp(min=1)
                return torch.einsum("nt,ntc->nc", weights, values.to(precision)) / total[:, None]
        values = values.to(precision) if values.dtype.itemsize == 1 else values  # torch sums no float8
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
            return mask.to(values.device, wide_type(values.dtype))
        if bool(mask.all()):
            return None
        raise ValueError(
            f"layer {self.name!r} gave {values.shape[0]} sequences of {values.shape[1]} tokens, and the"
            f" attention mask is of shape {tuple(mask.shape)}, so that padding cannot be left out; say how to"
            " get embeddings: pool=lambda output, attention_mask: ..."
        )


def find_layout(model: nn.Module, layer: nn.Module, shape: tuple[int, ...], call: ModelCall) -> str | None:
    """The axes of a layer's output as `watch` names them; None where nothing tells them.

    The dimensions are where the layer's type says. A layer whose type says nothing is judged by what its
    parts, or else those of the modules that it is in, say by their types and sizes.
    """
    channels = _channel_axis(layer, shape)
    if channels is None:
        channels = next(
            (found for whole in _around(model, layer) if (found := _voted(whole, shape)) is not None), None
        )
    rest = {3: "t", 4: "hw", 5: "dhw"}.get(len(shape), "defghijk"[: len(shape) - 2])
    if isinstance(layer, nn.modules.conv._ConvNd) and len(shape) != len(layer.kernel_size) + 2:
        return None  # it has no axis of samples
    if channels == "last" and len(shape) == 3:
        order = _sequence_order(model, layer, shape, call)
        return None if order is None else order + "c"
    if channels is None or not call.fits(shape[0]):
        return None
    return "nc" + rest if channels == "first" else "n" + rest + "c"


def _channel_axis(module: nn.Module, shape: tuple[int, ...]) -> str | None:
    """Whether a module's type says that its channels are the axis 1 ("first") or the last one."""
    if isinstance(module, nn.LayerNorm | nn.RMSNorm):
        if type(module) in (nn.LayerNorm, nn.RMSNorm):
            return "last" if len(module.normalized_shape) == 1 else None
        # Subclasses for feature maps permute, such as timm's LayerNorm2d, transformers' ConvNextLayerNorm.
        width = module.normalized_shape[-1]
        fits = [name for name, size in (("first", shape[1]), ("last", shape[-1])) if size == width]
        return fits[0] if len(fits) == 1 else "first" if "2d" in type(module).__name__ else None
    if isinstance(module, nn.Linear | nn.Bilinear | nn.Embedding | nn.RNNBase | nn.MultiheadAttention):
        return "last"
    if isinstance(module, nn.GroupNorm) or any(
        kind.__module__ in CHANNELS_FIRST for kind in type(module).__mro__
    ):
        return "first"
    return "last" if _of_torch_sequences(module) or type(module).__name__ == "Conv1D" else None


def _around(model: nn.Module, layer: nn.Module) -> list[nn.Module]:
    """The layer and the modules that it is in, from the innermost to the model."""
    return [module for module in model.modules() if any(part is layer for part in module.modules())][::-1]


def _voted(whole: nn.Module, shape: tuple[int, ...]) -> str | None:
    """Where the parts of a module say that the channels are; None where they do not, or not alike.

    Three may vote: the sizes, if of axis 1 and the last one only one is as long as what a part gives; the
    types, if nearly all parts that give outputs of so many axes are alike; and the sides of maps, if two are
    equal.
    """
    sizes: set[int] = set()
    types: list[str] = []
    for part in whole.modules():
        axis = _channel_axis(part, shape)
        if axis is not None:
            given = [getattr(part, name, None) for name in SIZES]
            sizes |= {size for size in given if isinstance(size, int)}
            sizes |= set(getattr(part, "normalized_shape", ())[-1:])
            if not isinstance(part, nn.modules.conv._ConvNd) or len(part.kernel_size) + 2 == len(shape):
                types.append(axis)
    if not sizes:
        return None
    first, last = types.count("first"), types.count("last")
    votes = [
        _only(shape[1] in sizes, shape[-1] in sizes),
        _only(first > MOSTLY * last, last > MOSTLY * first),
    ]
    if len(shape) == 4:
        votes.append(_only(shape[2] == shape[3], shape[1] == shape[2]))
    found = {name: votes.count(name) for name in ("first", "last")}
    winner = max(found, key=lambda name: found[name])
    against = sum(found.values()) - found[winner]
    if len(shape) == 4:
        return winner if found[winner] >= 2 else None
    return winner if found[winner] and not against and votes[0] else None


def _only(first: bool, last: bool) -> str | None:
    return None if first == last else "first" if first else "last"


def _sequence_order(
    model: nn.Module, layer: nn.Module, shape: tuple[int, ...], call: ModelCall
) -> str | None:
    """Whether sequences are "nt" or "tn".

    As torch's module says that gave them, by which axis has as many as the model was given samples, or as the
    library does whose model it is.
    """
    holders = _around(model, layer)
    torchs = [module for module in holders if _of_torch_sequences(module)]
    if torchs:
        return "nt" if _batch_first(torchs[0]) else "tn"
    if call.samples:
        first, second = call.fits(shape[0]), call.fits(shape[1])
        windows = not first and shape[0] % call.samples == 0  # each sample's parts, or tokens: who knows
        if windows or not (first or second):
            return None
        if first != second:
            return "nt" if first else "tn"
    orders = {
        module.batch_first
        for module in model.modules()
        if isinstance(getattr(module, "batch_first", None), bool)
    }
    families = {type(module).__module__.partition(".")[0] for module in (model, *holders)}
    if False not in orders and (orders or call.samples or families & set(SAMPLES_FIRST)):
        return "nt"
    return None


def _of_torch_sequences(module: nn.Module) -> bool:
    return isinstance(
        module,
        nn.RNNBase
        | nn.MultiheadAttention
        | nn.Transformer
        | nn.TransformerEncoder
        | nn.TransformerDecoder
        | nn.TransformerEncoderLayer
        | nn.TransformerDecoderLayer,
    )


def _batch_first(module: nn.Module) -> bool:
    parts = (getattr(part, "batch_first", None) for part in module.modules())
    return next((order for order in parts if isinstance(order, bool)), False)


def _parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # it is not written in Python
        return ()


def _examples(axes: int) -> str:
    known = {3: "'ntc', 'tnc' or 'nct'", 4: "'nchw' or 'nhwc'", 5: "'ncdhw' or 'ndhwc'"}
    return known.get(axes, f"a letter for each of its {axes} axes, n for samples and c for dimensions")

"""Which axes of a layer's output are samples and dimensions."""

from torch import nn

from eigenstep.spectrum.watching._model_call import ModelCall

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

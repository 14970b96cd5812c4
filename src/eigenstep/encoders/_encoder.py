"""The encoder: a backbone with a projector on top, and files of weights to start it from."""

from pathlib import Path

import torch
from torch import Tensor, nn

from eigenstep.encoders._backbones import build_backbone
from eigenstep.encoders._config import ProjectorConfig
from eigenstep.encoders._freezing import FrozenNorms
from eigenstep.encoders.weights import Start, find_weights, read_weights, start_from


class Encoder(FrozenNorms, nn.Module):
    """Maps images (B, C, H, W) to the backbone's features (B, p) and to embeddings (B, d).

    Attributes
    ----------
    start : Start | None
        What the backbone took from weights, None where it started from random ones.
    """

    start: Start | None = None

    def __init__(self, backbone: nn.Module, num_features: int, projector: ProjectorConfig) -> None:
        super().__init__()
        self.backbone = backbone
        self.num_features = num_features
        self.projector = build_projector(num_features, projector)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.backbone(images)
        if isinstance(features, tuple):  # of a module of one's own, with embeddings
            return features
        return features, self.projector(features)


def build_encoder(
    backbone: str,
    image_size: int,
    projector: ProjectorConfig,
    *,
    channels: int = 3,
    weights: str | Path | None = None,
    weights_prefix: str | None = None,
    pretrained: bool = False,
    local_size: int | None = None,
) -> Encoder:
    """`convnet` or a timm model without its classifier, and a projector.

    ResNets get a 3×3 stem of stride 1 without pooling for images of up to 64 pixels, as is usual for
    CIFAR (timm's own models with it are `resnet18_small` and the like); models that take `img_size` are
    told the size.

    Parameters
    ----------
    channels : int
        C of the images (B, C, H, W).
    weights : str | Path | None
        a file of the backbone's weights to start from, in the names of timm, torchvision, transformers,
        Lightning, MoCo, DINO and others, or a run folder; see `start_from`. What was taken from it is the
        encoder's `start`.
    weights_prefix : str | None
        What stands before the backbone's names in that file; default: the prefix by which most match.
    pretrained : bool
        Start from timm's pretrained weights of that name instead, see `pretrained_weights`.
    local_size : int | None
        Side of local views that the encoder is to take as well. Transformers of one size interpolate their
        positions for it (timm's `dynamic_img_size`), where they can.

    Raises
    ------
    ValueError
        For an unknown name, naming the nearest one, for images that are too small, for weights that do not
        fit, naming the first of them, and for pretrained ones that cannot be had.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> build_encoder("convnet", 32, ProjectorConfig(dim=4))(torch.zeros(2, 3, 32, 32))[1].shape
    torch.Size([2, 4])
    """
    if pretrained and weights is not None:
        raise ValueError(f"expected --pretrained or --backbone-weights, got both ({weights})")
    model, features = build_backbone(backbone, image_size, channels, local_size)
    encoder = Encoder(model, features, projector)
    if pretrained or weights is not None:
        from eigenstep.encoders.weights import pretrained_weights  # needs timm

        tensors = pretrained_weights(backbone) if weights is None else read_weights(weights)
        source = f"timm's {backbone}" if weights is None else str(find_weights(weights))
        encoder.start = start_from(model, tensors, source, backbone, image_size, prefix=weights_prefix)
    return encoder


def build_projector(inputs: int, config: ProjectorConfig) -> nn.Sequential:
    """Linear layers with ReLU between; the last one has no bias and is scaled by `init_scale`.

    With `batch_norm_output` the embedding is standardised over the batch after that.

    Examples
    --------
    >>> build_projector(32, ProjectorConfig(hidden=(64,), dim=8))
    Sequential(
      (0): Linear(in_features=32, out_features=64, bias=True)
      (1): ReLU(inplace=True)
      (2): Linear(in_features=64, out_features=8, bias=False)
    )
    """
    layers: list[nn.Module] = []
    for width in config.hidden:
        layers.append(nn.Linear(inputs, width, bias=not config.batch_norm))
        if config.batch_norm:
            layers.append(nn.BatchNorm1d(width))
        layers.append(nn.ReLU(inplace=True))
        inputs = width
    last = nn.Linear(inputs, config.dim, bias=False)
    with torch.no_grad():
        last.weight.mul_(config.init_scale)
    layers.append(last)
    if config.batch_norm_output:
        layers.append(nn.BatchNorm1d(config.dim, affine=False))
    return nn.Sequential(*layers)


def fit_weights(module: nn.Module, weights: dict[str, Tensor], complaint: str) -> None:
    """Load `weights` into the module; ValueError, which starts with `complaint`, unless all of them fit.

    Examples
    --------
    >>> layer = nn.Linear(2, 1, bias=False)
    >>> fit_weights(layer, {"weight": torch.ones(1, 2)}, "weights of the layer")
    >>> layer.weight.data
    tensor([[1., 1.]])
    """
    own = module.state_dict()
    # Files older than batch normalisation's counters do not hold them.
    missing = [name for name in own if name not in weights and not name.endswith("num_batches_tracked")]
    unknown = [name for name in weights if name not in own]
    misshapen = [name for name in own if name in weights and own[name].shape != weights[name].shape]
    wrong = [f"{name} is missing" for name in missing] + [f"{name} is unknown" for name in unknown]
    wrong += [f"{name} is {_shape(weights[name])}, expected {_shape(own[name])}" for name in misshapen]
    if wrong:
        more = f", and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise ValueError(f"{complaint}: {'; '.join(wrong[:3])}{more}")
    module.load_state_dict(weights, strict=False)


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a number"

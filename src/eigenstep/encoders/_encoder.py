"""The encoder: a backbone with a projector on top, and files of weights to start it from."""

from pathlib import Path

import torch
from timm.models import load_state_dict
from torch import Tensor, nn

from eigenstep.encoders._backbones import build_backbone
from eigenstep.encoders._config import ProjectorConfig


class Encoder(nn.Module):
    """Maps images (B, 3, H, W) to the backbone's features (B, p) and to embeddings (B, d)."""

    def __init__(self, backbone: nn.Module, num_features: int, projector: ProjectorConfig) -> None:
        super().__init__()
        self.backbone = backbone
        self.num_features = num_features
        self.projector = build_projector(num_features, projector)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.backbone(images)
        return features, self.projector(features)


def build_encoder(
    backbone: str, image_size: int, projector: ProjectorConfig, *, weights: str | Path | None = None
) -> Encoder:
    """`convnet` or a timm model without its classifier, and a projector.

    ResNets get a 3×3 stem of stride 1 without pooling for images of up to 64 pixels, as is usual for
    CIFAR (timm's own models with it are `resnet18_small` and the like); models that take `img_size` are
    told the size.

    Parameters
    ----------
    weights : str | Path | None
        a file of the backbone's weights to start from (see `read_weights`); a classifier's weights in it are
        left out.

    Raises
    ------
    ValueError
        For an unknown name, naming the nearest one, for images that are too small, and for weights that do
        not fit, naming the first of them.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> build_encoder("convnet", 32, ProjectorConfig(dim=4))(torch.zeros(2, 3, 32, 32))[1].shape
    torch.Size([2, 4])
    """
    model, features = build_backbone(backbone, image_size)
    encoder = Encoder(model, features, projector)
    if weights is not None:
        given = _without_classifier(read_weights(weights), model)
        fit_weights(model, given, f"{weights} does not fit {backbone} for images of {image_size} px")
    return encoder


def build_projector(inputs: int, config: ProjectorConfig) -> nn.Sequential:
    """Linear layers with ReLU between; the last one has no bias and is scaled by `init_scale`.

    With `batch_norm_output` the embedding is standardised over the batch after that.
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


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file, or of torch's format (.pth), in which no code is run.

    As timm does: weights may lie under `state_dict` or `model` in the file, averaged ones are preferred, and
    prefixes of torch's wrappers are left out.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it holds no weights.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file of weights {path}")
    try:
        weights = load_state_dict(str(path))
        if not all(isinstance(tensor, Tensor) for tensor in weights.values()):
            raise ValueError("it holds more than tensors")
    except Exception as error:  # torch, pickle and safetensors each have their own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"{path} cannot be read as weights: expected .safetensors, or tensors saved by torch ({reason})"
        ) from error
    return weights


def fit_weights(module: nn.Module, weights: dict[str, Tensor], complaint: str) -> None:
    """Load `weights` into the module; ValueError, which starts with `complaint`, unless all of them fit."""
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


def _without_classifier(weights: dict[str, Tensor], backbone: nn.Module) -> dict[str, Tensor]:
    """The weights but for those of a classifier, by timm's name for it, where the backbone has none."""
    names = getattr(backbone, "pretrained_cfg", {}).get("classifier") or ()
    prefixes = tuple(f"{name}." for name in ([names] if isinstance(names, str) else names))
    own = backbone.state_dict()
    return {name: tensor for name, tensor in weights.items() if name in own or not name.startswith(prefixes)}


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a number"

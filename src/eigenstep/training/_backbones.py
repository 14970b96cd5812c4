"""Backbones by name, and the encoder: a backbone with a projector on top."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models import load_state_dict, register_model, resnet
from timm.models.resnet import ResNet
from torch import Tensor, nn

from eigenstep.training.config import ProjectorConfig, nearest

SMALL_IMAGE = 64


class Encoder(nn.Module):
    """Maps images (B, 3, H, W) to the backbone's features (B, p) and to embeddings (B, d)."""

    def __init__(self, backbone: nn.Module, num_features: int, projector: ProjectorConfig) -> None:
        super().__init__()
        self.backbone = backbone
        self.num_features = num_features
        self.projector = build_projector(num_features, projector)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
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
    weights : a file of the backbone's weights to start from (see `read_weights`); a classifier's weights in
        it are left out

    Raises ValueError for an unknown name, naming the nearest one, for images that are too small, and for
    weights that do not fit, naming the first of them; FileNotFoundError if there is no such file.

    >>> build_encoder("convnet", 32, ProjectorConfig(dim=4))(torch.zeros(2, 3, 32, 32))[1].shape
    torch.Size([2, 4])
    """
    model, features = _build_backbone(backbone, image_size)
    encoder = Encoder(model, features, projector)
    if weights is not None:
        given = _without_classifier(read_weights(weights), model)
        fit_weights(model, given, f"{weights} does not fit {backbone} for images of {image_size} px")
    return encoder


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file, or of torch's format (.pth), in which no code is run.

    As timm does: weights may lie under `state_dict` or `model` in the file, averaged ones are preferred, and
    prefixes of torch's wrappers are left out.

    Raises FileNotFoundError if there is no such file, ValueError if it holds no weights.
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


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a number"


def _without_classifier(weights: dict[str, Tensor], backbone: nn.Module) -> dict[str, Tensor]:
    """The weights but for those of a classifier, by timm's name for it, where the backbone has none."""
    names = getattr(backbone, "pretrained_cfg", {}).get("classifier") or ()
    prefixes = tuple(f"{name}." for name in ([names] if isinstance(names, str) else names))
    own = backbone.state_dict()
    return {name: tensor for name, tensor in weights.items() if name in own or not name.startswith(prefixes)}


def _build_backbone(backbone: str, image_size: int) -> tuple[nn.Module, int]:
    if backbone == "convnet":
        return convnet(), 256
    if not timm.is_model(backbone):
        raise ValueError(
            f"unknown backbone {backbone!r}: expected convnet or a model name of timm."
            + nearest(backbone, ["convnet", *timm.list_models()])
        )
    try:
        model = timm.create_model(backbone, num_classes=0, img_size=image_size)
    except TypeError:  # convolutional models take any size and do not know the argument
        model = timm.create_model(backbone, num_classes=0)
    if image_size <= SMALL_IMAGE and isinstance(model, ResNet) and not _sees_small_images(model):
        _small_image_stem(model)
    return model, _output_dimension(backbone, model, image_size)


def convnet() -> nn.Sequential:
    """Three 3×3 convolutions of stride 2 (16, 32, 64 channels), pooled to 2×2: 256 features."""
    layers: list[nn.Module] = []
    for inputs, outputs in [(3, 16), (16, 32), (32, 64)]:
        layers += [
            nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten())


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


@register_model
def resnet18_small(pretrained: bool = False, **options: Any) -> ResNet:
    """timm's ResNet-18 but for a 3×3 stem of stride 1 without pooling, as is usual for CIFAR."""
    return _small_resnet(resnet.resnet18, pretrained, options)


@register_model
def resnet34_small(pretrained: bool = False, **options: Any) -> ResNet:
    """timm's ResNet-34 but for a 3×3 stem of stride 1 without pooling, as is usual for CIFAR."""
    return _small_resnet(resnet.resnet34, pretrained, options)


@register_model
def resnet50_small(pretrained: bool = False, **options: Any) -> ResNet:
    """timm's ResNet-50 but for a 3×3 stem of stride 1 without pooling, as is usual for CIFAR."""
    return _small_resnet(resnet.resnet50, pretrained, options)


def _small_resnet(build: Callable[..., ResNet], pretrained: bool, options: dict[str, Any]) -> ResNet:
    if pretrained:
        raise ValueError(f"there are no pretrained weights for {build.__name__} with a small stem")
    model = build(**options)
    _small_image_stem(model)
    return model


def _small_image_stem(model: Any) -> None:
    first = next(model.conv1.parameters())  # the stem may be several layers, which become one
    model.conv1 = nn.Conv2d(
        first.shape[1],
        model.bn1.num_features,
        3,
        padding=1,
        bias=False,
        device=first.device,
        dtype=first.dtype,
    )
    nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
    model.maxpool = nn.Identity()


def _sees_small_images(model: ResNet) -> bool:
    return isinstance(model.maxpool, nn.Identity)


def _output_dimension(backbone: str, model: nn.Module, image_size: int) -> int:
    model.eval()
    try:
        with torch.no_grad():
            features = model(torch.zeros(1, 3, image_size, image_size))
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"{backbone} does not take images of {image_size} px: {error}") from error
    model.train()
    if features.ndim != 2:
        raise ValueError(
            f"{backbone}: expected one feature vector an image, got features of shape {tuple(features.shape)}"
        )
    return features.shape[1]

"""Backbones by name, and the encoder: a backbone with a projector on top."""

import timm
import torch
from torch import nn

from eigenstep.training._config import ProjectorConfig, nearest

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


def build_encoder(backbone: str, image_size: int, projector: ProjectorConfig) -> Encoder:
    """`convnet` or a timm model without its classifier, and a projector.

    ResNets get a 3×3 stem of stride 1 without pooling for images of up to 64 pixels, as is usual for
    CIFAR; models that take `img_size` are told the size.

    Raises ValueError for an unknown name, naming the nearest one, and for images that are too small.

    >>> build_encoder("convnet", 32, ProjectorConfig(dim=4))(torch.zeros(2, 3, 32, 32))[1].shape
    torch.Size([2, 4])
    """
    if backbone == "convnet":
        return Encoder(convnet(), 256, projector)
    if not timm.is_model(backbone):
        raise ValueError(
            f"unknown backbone {backbone!r}: expected convnet or a model name of timm."
            + nearest(backbone, ["convnet", *timm.list_models()])
        )
    try:
        model = timm.create_model(backbone, num_classes=0, img_size=image_size)
    except TypeError:  # convolutional models take any size and do not know the argument
        model = timm.create_model(backbone, num_classes=0)
    if image_size <= SMALL_IMAGE and isinstance(model, timm.models.ResNet):
        _small_image_stem(model)
    return Encoder(model, _output_dimension(backbone, model, image_size), projector)


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
    """Linear layers with ReLU between; the last one has no bias and is scaled by `init_scale`."""
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
    return nn.Sequential(*layers, last)


def _small_image_stem(model: nn.Module) -> None:
    channels = model.bn1.num_features  # type: ignore[union-attr]  # the stem may be several layers
    model.conv1 = nn.Conv2d(3, channels, 3, padding=1, bias=False)  # type: ignore[arg-type]
    nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
    model.maxpool = nn.Identity()


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

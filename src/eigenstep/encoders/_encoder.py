"""The encoder: a backbone with a projector on top."""

from pathlib import Path

import torch
from torch import nn

from eigenstep.encoders._backbones import build_backbone
from eigenstep.encoders._config import ProjectorConfig
from eigenstep.encoders._weights import fit_weights, read_weights, without_classifier


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
    model, features = build_backbone(backbone, image_size)
    encoder = Encoder(model, features, projector)
    if weights is not None:
        given = without_classifier(read_weights(weights), model)
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

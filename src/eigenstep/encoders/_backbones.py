"""Backbones by name: the small convnet, or any model of timm without its classifier."""

import timm
import torch
from timm.models.resnet import ResNet
from torch import nn

from eigenstep.encoders._small_resnets import SMALL_IMAGE, sees_small_images, use_small_stem
from eigenstep.spelling import nearest


def build_backbone(backbone: str, image_size: int) -> tuple[nn.Module, int]:
    """The network that `backbone` names, and how many features it gives; see `build_encoder`."""
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
    if image_size <= SMALL_IMAGE and isinstance(model, ResNet) and not sees_small_images(model):
        use_small_stem(model)
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

"""Backbones by name: the small convnet, and any model of timm."""

import torch
from torch import nn

from eigenstep.spelling import is_python


def build_backbone(
    backbone: str, image_size: int, channels: int = 3, local_size: int | None = None
) -> tuple[nn.Module, int]:
    """The network that `backbone` names, and how many features it gives; see `build_encoder`."""
    if backbone == "convnet":
        return convnet(channels), 256
    if is_python(backbone):
        raise ValueError(
            f"the encoder {backbone} is a Python object of the program that began the run, which alone can"
            " build it: there, train takes it by encoder=, and so does load_encoder"
        )
    from eigenstep.encoders._timm_backbones import timm_backbone

    model = timm_backbone(backbone, image_size, channels, local_size)
    features = _output_dimension(backbone, model, image_size, channels)
    if local_size is not None:
        _output_dimension(backbone, model, local_size, channels, " as local views; set --views.local-size")
    return model, features


def convnet(channels: int = 3, width: int = 16) -> nn.Sequential:
    """Three 3×3 convolutions of stride 2 (16, 32, 64 channels), pooled to 2×2: 256 features.

    Of another `width` they have that many channels, twice and four times as many, and there are 16 times as
    many features.
    """
    layers: list[nn.Module] = []
    for inputs, outputs in [(channels, width), (width, 2 * width), (2 * width, 4 * width)]:
        layers += [
            nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten())


def _output_dimension(backbone: str, model: nn.Module, image_size: int, channels: int, role: str = "") -> int:
    model.eval()
    try:
        with torch.no_grad():
            features = model(torch.zeros(1, channels, image_size, image_size))
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"{backbone} does not take images of {image_size} px{role}: {reason}") from error
    model.train()
    if features.ndim != 2:
        raise ValueError(
            f"{backbone}: expected one feature vector an image, got features of shape {tuple(features.shape)}"
        )
    return int(features.shape[1])

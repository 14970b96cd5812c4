"""Backbones by name: the small convnet, any model of timm without its classifier, and small ResNets."""

import contextlib
from collections.abc import Callable
from typing import Any

import timm
import torch
from timm.models import register_model, resnet
from timm.models.resnet import ResNet
from torch import nn

from eigenstep.spelling import is_python, nearest

# Up to this many pixels ResNets get the stem for small images.
SMALL_IMAGE = 64


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
    if not timm.is_model(backbone):
        raise ValueError(
            f"unknown backbone {backbone!r}: expected convnet or a model name of timm."
            + nearest(backbone, ["convnet", *timm.list_models()])
        )
    _check_tag(backbone)
    # timm's default is left to it, for models that others register may not know the argument.
    options: dict[str, Any] = {} if channels == 3 else {"in_chans": channels}
    # Transformers of one size interpolate their positions for others where they are told that there are.
    sizes = [{"img_size": image_size}, {}]
    if local_size not in (None, image_size):
        sizes.insert(0, {"img_size": image_size, "dynamic_img_size": True})
    model = _first_that_is_made(backbone, [options | size for size in sizes])
    if image_size <= SMALL_IMAGE and isinstance(model, ResNet) and not _sees_small_images(model):
        _use_small_stem(model)
    features = _output_dimension(backbone, model, image_size, channels)
    if local_size is not None:
        _output_dimension(backbone, model, local_size, channels, " as local views; set --views.local-size")
    return model, features


def _first_that_is_made(backbone: str, choices: list[dict[str, Any]]) -> nn.Module:
    """timm's model by the first options that it knows; convolutional models take any size, and know none."""
    for options in choices[:-1]:
        with contextlib.suppress(TypeError):
            return timm.create_model(backbone, num_classes=0, **options)
    return timm.create_model(backbone, num_classes=0, **choices[-1])


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


@register_model
def resnet18_small(pretrained: bool = False, **options: Any) -> ResNet:
    """The ResNet-18 of timm but for a 3×3 stem of stride 1 without pooling, as is usual for CIFAR."""
    return _small_resnet(resnet.resnet18, pretrained, options)


@register_model
def resnet34_small(pretrained: bool = False, **options: Any) -> ResNet:
    """The ResNet-34 of timm but for a 3×3 stem of stride 1 without pooling, as is usual for CIFAR."""
    return _small_resnet(resnet.resnet34, pretrained, options)


@register_model
def resnet50_small(pretrained: bool = False, **options: Any) -> ResNet:
    """The ResNet-50 of timm but for a 3×3 stem of stride 1 without pooling, as is usual for CIFAR."""
    return _small_resnet(resnet.resnet50, pretrained, options)


def _check_tag(backbone: str) -> None:
    """Raise ValueError for a name of pretrained weights, NAME.TAG, that timm does not have."""
    name, _, tag = backbone.partition(".")
    known = [each.partition(".")[2] for each in timm.list_models(f"{name}.*", pretrained=True)] if tag else []
    if tag and tag not in known:
        raise ValueError(
            f"unknown backbone {backbone!r}: timm has {name} pretrained as {', '.join(known) or 'nothing'}."
            + nearest(tag, known)
        )


def _small_resnet(build: Callable[..., ResNet], pretrained: bool, options: dict[str, Any]) -> ResNet:
    if pretrained:
        raise ValueError(f"there are no pretrained weights for {build.__name__} with a small stem")
    model = build(**options)
    _use_small_stem(model)
    return model


def _use_small_stem(model: Any) -> None:
    """Replace a ResNet's stem, in place."""
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
    """Whether a ResNet has such a stem already."""
    return isinstance(model.maxpool, nn.Identity)


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

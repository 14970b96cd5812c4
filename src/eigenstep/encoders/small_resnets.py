"""ResNets with a stem for small images; importing this module makes them models of timm by name."""

from collections.abc import Callable
from typing import Any

from timm.models import register_model, resnet
from timm.models.resnet import ResNet
from torch import nn

__all__ = ["resnet18_small", "resnet34_small", "resnet50_small", "sees_small_images", "use_small_stem"]


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


def sees_small_images(model: ResNet) -> bool:
    """Whether a ResNet has such a stem already."""
    return isinstance(model.maxpool, nn.Identity)


def use_small_stem(model: Any) -> None:
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


def _small_resnet(build: Callable[..., ResNet], pretrained: bool, options: dict[str, Any]) -> ResNet:
    if pretrained:
        raise ValueError(f"there are no pretrained weights for {build.__name__} with a small stem")
    model = build(**options)
    use_small_stem(model)
    return model

"""Networks of several widths and depths by name, for benchmarks: importing this makes timm know them.

| name | what |
| --- | --- |
| `convnet_x0_5`, `convnet_x2`, `convnet_x4` | the small convnet, with so many times its channels |
| `convnet_deep` | the same with two more convolutions of stride 1 after each of stride 2 |
| `vit_4` | a transformer of patches of 4 px, width 128, depth 4, four heads |
"""

from typing import Any

from timm.models import register_model
from timm.models.vision_transformer import VisionTransformer
from torch import nn


def convnet(width: float = 1.0, repeats: int = 0) -> nn.Sequential:
    layers: list[nn.Module] = []
    inputs = 3
    for channels in (16, 32, 64):
        outputs = int(channels * width)
        for stride in (2, *(1 for _ in range(repeats))):
            layers += [
                nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
            ]
            inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten())


@register_model
def convnet_x0_5(pretrained: bool = False, **options: Any) -> nn.Sequential:
    return convnet(0.5)


@register_model
def convnet_x2(pretrained: bool = False, **options: Any) -> nn.Sequential:
    return convnet(2.0)


@register_model
def convnet_x4(pretrained: bool = False, **options: Any) -> nn.Sequential:
    return convnet(4.0)


@register_model
def convnet_deep(pretrained: bool = False, **options: Any) -> nn.Sequential:
    return convnet(1.0, repeats=2)


@register_model
def vit_4(pretrained: bool = False, img_size: int = 32, **options: Any) -> nn.Module:
    return VisionTransformer(
        img_size=img_size, patch_size=4, embed_dim=128, depth=4, num_heads=4, num_classes=0
    )

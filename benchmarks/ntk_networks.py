"""The networks of the tangent kernels' benchmarks."""

from torch import nn


def mlp() -> nn.Sequential:
    """3072-512-512-10."""
    hidden = [nn.Linear(3072, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU()]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(512, 10))


def convnet() -> nn.Sequential:
    """3 x 3 convolutions of 64, 128 and 256 channels, the last two of stride 2, global average pooling."""
    layers: list[nn.Module] = []
    for inputs, outputs, stride in [(3, 64, 1), (64, 128, 2), (128, 256, 2)]:
        layers += [nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 10))

"""What each layer of a backbone makes of images, pooled to one vector an image."""

from torch import Tensor, nn

# How layers between are pooled, in words.
POOLED = "mean over positions"


def layer_features(backbone: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """The outputs of a backbone's blocks or stages, each its mean over positions, and its features: (B, p_l).

    Of a timm model they are what its `forward_intermediates` gives, every block of a vision transformer
    (without its class token, and before the last norm) and every stage of a ResNet or ConvNeXt; of layers in
    a row what each ReLU gives. The last entry, `features`, is the backbone's own output, which
    `pooling_of` describes.

    Raises
    ------
    ValueError
        For a network that does not give its layers.

    Examples
    --------
    >>> import torch
    >>> from eigenstep.encoders import convnet
    >>> found = layer_features(convnet().eval(), torch.zeros(2, 3, 32, 32))
    >>> {name: tuple(values.shape) for name, values in found.items()}
    {'layer 1': (2, 16), 'layer 2': (2, 32), 'layer 3': (2, 64), 'features': (2, 256)}
    """
    intermediates = getattr(backbone, "forward_intermediates", None)
    if intermediates is not None:
        outputs = list(intermediates(images, intermediates_only=True))
        features = backbone(images)
    elif isinstance(backbone, nn.Sequential):
        outputs, features = [], images
        for layer in backbone:
            features = layer(features)
            if isinstance(layer, nn.ReLU):
                outputs.append(features.clone())  # a next layer may work in place
    else:
        raise ValueError(
            f"a {type(backbone).__name__} does not give its layers: expected a model of timm with"
            " forward_intermediates, or an nn.Sequential"
        )
    layers = {f"layer {place + 1}": _pooled(each) for place, each in enumerate(outputs)}
    return layers | {"features": features}


def pooling_of(backbone: nn.Module) -> str:
    """How a backbone pools what its last layer gives, in words.

    Examples
    --------
    >>> import timm
    >>> pooling_of(timm.create_model("test_vit")), pooling_of(timm.create_model("test_resnet"))
    ('class token', 'mean over positions')
    """
    pool = getattr(backbone, "global_pool", "")
    kind = pool if isinstance(pool, str) else getattr(pool, "pool_type", "")
    return {"token": "class token", "avg": POOLED, "fast": POOLED, "map": "attention pooling"}.get(
        kind, f"{kind} pooling" if kind else "pooled by the network"
    )


def _pooled(output: Tensor) -> Tensor:
    """Maps (B, C, H, W) or tokens (B, N, C) as their mean (B, C)."""
    if output.ndim == 4:
        return output.mean(dim=(2, 3))
    return output.mean(dim=1) if output.ndim == 3 else output

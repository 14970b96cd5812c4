"""Models of timm without their classifier, and with a stem for small images where they are ResNets."""

import contextlib
from typing import Any

import timm
from timm.models.resnet import ResNet
from torch import nn

from eigenstep.encoders.small_resnets import sees_small_images, use_small_stem
from eigenstep.spelling import nearest

# Up to this many pixels ResNets get the stem for small images.
SMALL_IMAGE = 64


def timm_backbone(backbone: str, image_size: int, channels: int, local_size: int | None) -> nn.Module:
    """The model that `backbone` names; see `build_encoder`."""
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
    if image_size <= SMALL_IMAGE and isinstance(model, ResNet) and not sees_small_images(model):
        use_small_stem(model)
    return model


def _first_that_is_made(backbone: str, choices: list[dict[str, Any]]) -> nn.Module:
    """timm's model by the first options that it knows; convolutional models take any size, and know none."""
    for options in choices[:-1]:
        with contextlib.suppress(TypeError):
            return timm.create_model(backbone, num_classes=0, **options)
    return timm.create_model(backbone, num_classes=0, **choices[-1])


def _check_tag(backbone: str) -> None:
    """Raise ValueError if timm does not have pretrained weights of this name, NAME.TAG."""
    name, _, tag = backbone.partition(".")
    known = [each.partition(".")[2] for each in timm.list_models(f"{name}.*", pretrained=True)] if tag else []
    if tag and tag not in known:
        raise ValueError(
            f"unknown backbone {backbone!r}: timm has {name} pretrained as {', '.join(known) or 'nothing'}."
            + nearest(tag, known)
        )

"""Pretrained encoders by timm's names as inputs: with their own size, scale and pooling."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.encoders import POOLED, BackboneFeatures, EncoderConfig, pooling_of, prepare_images
from eigenstep.images import ImagesConfig
from eigenstep.spelling import nearest
from eigenstep.views import ViewsConfig

PREFIX = "timm:"
# Images that are enlarged to an encoder's size at a time.
BATCH = 32


def parse_pretrained(text: str) -> tuple[str, Path | None]:
    """The model and the file that timm:MODEL or timm:MODEL@FILE names.

    Raises
    ------
    ValueError
        For a model that timm does not have.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> parse_pretrained("timm:vit_small_patch16_224")
    ('vit_small_patch16_224', None)
    """
    name, _, file = text.removeprefix(PREFIX).partition("@")
    if not timm.is_model(name):
        raise ValueError(
            f"{text}: expected a model name of timm, got {name!r}." + nearest(name, timm.list_models())
        )
    if file and not Path(file).exists():
        raise FileNotFoundError(f"{text}: there is no file of weights {file}")
    return name, Path(file) if file else None


def own_size(name: str) -> int:
    """Height and width in pixels of the images that a model of timm was trained on.

    Examples
    --------
    >>> own_size("test_vit"), own_size("vit_small_patch16_224")
    (160, 224)
    """
    return int(_trained_on(name).input_size[-1])


class PretrainedEncoder:
    """A model of timm with weights, which takes stored images.

    Parameters
    ----------
    name : str
        Of the model, with or without a tag, which says how images are normalised.
    weights : Path | None
        A file of its weights in the names of any library; None: timm's own of that name, from the hub.
    device : torch.device
        Where to compute.

    Attributes
    ----------
    notes : list[str]
        After `encode`: what was taken from the weights, and how images went in and features came out.
    """

    def __init__(self, name: str, weights: Path | None, device: torch.device) -> None:
        self.name = name
        self.notes: list[str] = []
        # Images go in as this class prepares them.
        self._features = BackboneFeatures(name, weights or "pretrained", normalize="none", device=device)
        trained_on = _trained_on(name)
        self._scale = tuple(trained_on.mean), tuple(trained_on.std)
        self._channels = int(trained_on.input_size[0])

    def encode(
        self, stored: Tensor, layers: bool, told: Callable[[int], None] = lambda done: None
    ) -> dict[str, NDArray[np.float32]]:
        """Features (n, p) of stored images (n, C, H, W), under the name `features`; before them its layers.

        Raises
        ------
        ValueError
            In one line: other channels than the model's, weights that do not fit or that cannot be had, a
            network that does not give its layers.
        """
        if stored.shape[1] != self._channels:
            raise ValueError(
                f"{PREFIX}{self.name} takes images of {self._channels} channels, and those that are compared"
                f" have {stored.shape[1]}; compare it on images of the same channels"
            )
        size = own_size(self.name)
        config = EncoderConfig(
            images=ImagesConfig(size=size, channels=self._channels),
            views=ViewsConfig.none("data", *self._scale),
        )
        found: dict[str, list[NDArray[np.float32]]] = {}
        for start in range(0, len(stored), BATCH):
            images = prepare_images(stored[start : start + BATCH], config)
            if not start:
                self._fit(images, stored.shape[-1])
            passed = self._features.transform_layers(images) if layers else None
            for name, values in (passed or {"features": self._features.transform(images)}).items():
                found.setdefault(name, []).append(values)
            told(min(start + BATCH, len(stored)))
        if layers:
            self.notes.append(f"{self.name}: layers are compared by their {POOLED}, features as above")
        return {name: np.concatenate(parts) for name, parts in found.items()}

    def _fit(self, images: Tensor, stored_size: int) -> None:
        try:
            self._features.fit(images)
        except ValueError as error:  # which names the options of train
            told, instead = str(error), f"name it as {PREFIX}{self.name}@FILE"
            for option in ("give it with --backbone-weights FILE", "give a file with --backbone-weights"):
                told = told.replace(option, instead)
            raise ValueError(told) from error
        size = images.shape[-1]
        start = self._features.start_
        self.notes = list(start.lines) if start else []
        mean, std = (", ".join(f"{value:g}" for value in each) for each in self._scale)
        resized = "" if size == stored_size else f" resized from {stored_size} px"
        self.notes.append(
            f"{self.name}: images of {size} px{resized}, normalised by the mean ({mean}) and the deviation"
            f" ({std}); features pooled by {pooling_of(self._features.backbone_)}"
        )


def _trained_on(name: str) -> timm.models.PretrainedCfg:
    """What timm says of the images that a model's weights were trained on."""
    try:
        found = timm.get_pretrained_cfg(name, allow_unregistered=False)
    except RuntimeError:  # a tag that there is not
        found = None
    if found is None:
        name = name.partition(".")[0]
        known = ", ".join(timm.list_pretrained(f"{name}*")[:3]) or "none of that name"
        raise ValueError(f"timm does not say which images {name} was trained on; it does of {known}")
    return found

"""Pretrained weights by timm's names, from the Hugging Face hub by timm's own loading."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import timm
import torch
from huggingface_hub import constants
from torch import Tensor

# Backbones that are timm's but for their stem, which has no weights.
SMALL = "_small"
# To find out whether there is a network; the hub's own library tries for a minute.
SECONDS = 3.0


def pretrained_weights(backbone: str) -> dict[str, Tensor]:
    """The tensors of timm's pretrained model NAME or NAME.TAG; no random state is touched.

    Raises
    ------
    ValueError
        In one line for a backbone without such weights, and where there is no network and they are not in the
        cache, saying which file to give instead.

    Examples
    --------
    >>> pretrained_weights("resnet18.no_such_tag")
    Traceback (most recent call last):
        ...
    ValueError: timm has no pretrained weights for 'resnet18.no_such_tag'; pretrained are ...
    """
    name = backbone.removesuffix(SMALL)
    if backbone == "convnet" or not timm.is_model(name):
        raise ValueError(
            f"--pretrained needs a model name of timm, got {backbone!r}; give a file with --backbone-weights"
        )
    try:
        cfg = timm.get_pretrained_cfg(name, allow_unregistered=False)
    except RuntimeError:  # a tag that there is not
        cfg = None
    if cfg is None or not cfg.has_weights:
        tagged = timm.list_pretrained(f"{name.partition('.')[0]}*")
        known = f"; pretrained are {', '.join(tagged[:3])}" if tagged else ""
        raise ValueError(f"timm has no pretrained weights for {backbone!r}{known}")
    with _at_once(), torch.random.fork_rng(devices=[]):
        try:
            model = timm.create_model(name, pretrained=True)
        except Exception as error:  # of the hub, of the network, of files in its cache
            where = cfg.hf_hub_id or cfg.url
            reason = "there is no network, and they are not in the cache"
            if isinstance(error, RuntimeError) or not constants.HF_HUB_OFFLINE:
                reason = _short(" ".join(str(error).split()) or type(error).__name__)
            raise ValueError(
                f"the pretrained weights of {backbone} cannot be had ({reason}); where there is a network,"
                f" download model.safetensors of {where} and give it with --backbone-weights FILE"
            ) from error
    return dict(model.state_dict())


def other_scale(backbone: str, mean: tuple[float, ...] | None, std: tuple[float, ...] | None) -> list[str]:
    """What is said where timm's weights of a name have seen images of another mean and spread than these.

    Examples
    --------
    >>> other_scale("test_vit", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    []
    >>> other_scale("test_vit", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))[0][:64]
    "test_vit's weights were trained on images normalised by the mean"
    """
    cfg = timm.get_pretrained_cfg(backbone.removesuffix(SMALL), allow_unregistered=False)
    if cfg is None or mean is None or std is None or (tuple(mean), tuple(std)) == (cfg.mean, cfg.std):
        return []
    wanted = [",".join(f"{value:g}" for value in values) for values in (cfg.mean, cfg.std)]
    return [
        f"{backbone}'s weights were trained on images normalised by the mean {wanted[0]} and the deviation"
        f" {wanted[1]}, and these views are by others; --views.normalize data --views.mean {wanted[0]}"
        f" --views.std {wanted[1]} does the same"
    ]


@contextmanager
def _at_once() -> Iterator[None]:
    """Without a network, look into the cache and nowhere else."""
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not _is_reachable()
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _is_reachable() -> bool:
    proxy = os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy")
    address = urlsplit(proxy or constants.ENDPOINT)
    port = address.port or (80 if address.scheme == "http" else 443)
    try:
        with socket.create_connection((address.hostname or "", port), timeout=SECONDS):
            return True
    except OSError:
        return False


def _short(reason: str, length: int = 160) -> str:
    return reason if len(reason) <= length else f"{reason[:length]}…"

"""A run's backbone as a file that timm loads."""

from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import save_file

from eigenstep.encoders import TrainedEncoder, load_encoder
from eigenstep.export._new_file import check_new_file, new_file


def export_timm(
    run: str | Path, out: str | Path, checkpoint: str | int = "last", *, overwrite: bool = False
) -> str | None:
    """Write the backbone's weights, without the projector, to a .safetensors file under timm's names.

    Returns
    -------
    str | None
        The call of timm that loads it, or None where timm has no such model: the small convnet, and ResNets
        for small images other than 18, 34 and 50. Any run starts from the file by `backbone_weights`.

    Raises
    ------
    ValueError
        For another suffix.
    FileExistsError
        If the file is there and `overwrite` is not given, and what `load_encoder` raises.
    """
    out = Path(out)
    if out.suffix != ".safetensors":
        raise ValueError(f"expected a name that ends in .safetensors, got {out}")
    check_new_file(out, overwrite)
    encoder = load_encoder(run, checkpoint)
    with new_file(out, overwrite) as aside:
        save_file(encoder.backbone.state_dict(), aside, metadata={"format": "pt"})
    options = _timm_options(encoder)
    return f"timm.create_model({options}, num_classes=0, checkpoint_path={str(out)!r})" if options else None


def _timm_options(encoder: TrainedEncoder) -> str | None:
    """What makes timm build a backbone of the same parameters."""
    name, size = encoder.config.backbone, encoder.config.images.size
    candidates: list[tuple[str, dict[str, Any]]] = [
        (name, {}),
        (name, {"img_size": size}),
        (f"{name}_small", {}),
    ]
    for model, options in candidates:
        if timm.is_model(model) and _is_built_by(encoder, model, options):
            return ", ".join([repr(model), *(f"{key}={value}" for key, value in options.items())])
    return None


def _is_built_by(encoder: TrainedEncoder, model: str, options: dict[str, Any]) -> bool:
    try:
        with torch.device("meta"):  # no weights are drawn
            built = timm.create_model(model, num_classes=0, **options)
    except TypeError:  # it does not know the option
        return False
    shapes = {name: tensor.shape for name, tensor in built.state_dict().items()}
    return shapes == {name: tensor.shape for name, tensor in encoder.backbone.state_dict().items()}

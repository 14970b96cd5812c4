"""A run's backbone as a file that timm loads."""

from pathlib import Path
from typing import Any, TypeAlias

import timm
import torch
from safetensors.torch import save_file

from eigenstep.encoders import EncoderConfig, TrainedEncoder, channels_of, copy_weights, load_encoder
from eigenstep.export._input_facts import input_facts
from eigenstep.export._new_file import check_new_file, new_file

# A model's name and the options that it is made with.
Arguments: TypeAlias = tuple[str, dict[str, Any]]


def export_timm(
    run: str | Path, out: str | Path, checkpoint: str | int = "last", *, overwrite: bool = False
) -> str | None:
    """Write the backbone's weights, without the projector, to a .safetensors file under timm's names.

    The file's metadata tell how images go in, see `input_facts`.

    Returns
    -------
    str | None
        Lines of Python that load it into timm's model, at the run's size of images, as was tried. None where
        timm has no such model: the small convnet, and ResNets for small images other than 18, 34 and 50. Any
        run starts from the file by `backbone_weights`.

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
        # Copies: layers of some models share weights, which the format has no word for.
        weights = copy_weights({"backbone": encoder.backbone})["backbone"]
        save_file(dict(weights), aside, metadata={"format": "pt", **input_facts(encoder)})
    for arguments in _candidates(encoder.config):
        if _loads(arguments, out, encoder):
            return _lines(arguments, out)
    return None


def _candidates(config: EncoderConfig) -> list[Arguments]:
    """Models that may be the run's, the shortest call first."""
    name, size, channels = config.backbone, config.images.size, channels_of(config)
    found: list[Arguments] = [(name, {}), (name, {"img_size": size}), (f"{name}_small", {})]
    given = {} if channels == 3 else {"in_chans": channels}
    return [(model, given | options) for model, options in found if timm.is_model(model)]


def _loads(arguments: Arguments, weights: Path, encoder: TrainedEncoder) -> bool:
    """Whether timm's model with these weights gives the run's features.

    That it takes the weights is not enough: many a model of the wrong size has the same, and refuses images.
    """
    model, options = arguments
    size = encoder.config.images.size
    channels = channels_of(encoder.config)
    images = torch.randn(2, channels, size, size, generator=torch.Generator().manual_seed(0))
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            built = timm.create_model(model, num_classes=0, checkpoint_path=str(weights), **options).eval()
            return torch.allclose(built(images), encoder.backbone(images), rtol=1e-3, atol=1e-5)
    except (TypeError, ValueError, RuntimeError, AssertionError):
        return False  # it has other options, weights or sizes


def _lines(arguments: Arguments, weights: Path) -> str:
    model, options = arguments
    own = timm.model_entrypoint(model).__module__.startswith("eigenstep.")
    imports = [
        "import timm",
        *(["import eigenstep.encoders.small_resnets  # registers the model"] if own else []),
    ]
    given = "".join(f", {name}={value}" for name, value in options.items())
    call = f"timm.create_model({model!r}{given}, num_classes=0, checkpoint_path={str(weights)!r})"
    return "\n".join([*imports, f"backbone = {call}"])

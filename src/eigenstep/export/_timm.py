"""A run's backbone as a file that timm loads."""

import shlex
from pathlib import Path
from typing import Any, TypeAlias

import timm
import torch
from safetensors.torch import save_file

from eigenstep.encoders import EncoderConfig, TrainedEncoder, channels_of, copy_weights, load_encoder
from eigenstep.export._input_facts import input_facts
from eigenstep.export._model_card import card_path, check_new_card, model_card
from eigenstep.export._new_file import check_new_file, new_file
from eigenstep.record import atomic_write

# A model's name and the options that it is made with.
Arguments: TypeAlias = tuple[str, dict[str, Any]]


def export_timm(
    run: str | Path,
    out: str | Path,
    checkpoint: str | int = "last",
    *,
    overwrite: bool = False,
    card: bool = True,
) -> str | None:
    """Write the backbone's weights, without the projector, to a .safetensors file under timm's names.

    The file's metadata tell how images go in, see `input_facts`. Unless `card` is False, a model card is
    written beside it, `out` with .md.

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
        If the file or its card is there and `overwrite` is not given, and what `load_encoder` raises.
    """
    out = Path(out)
    if out.suffix != ".safetensors":
        raise ValueError(f"expected a name that ends in .safetensors, got {out}")
    check_new_file(out, overwrite)
    if card:
        check_new_card(out, overwrite)
    encoder = load_encoder(run, checkpoint)
    with new_file(out, overwrite) as aside:
        # Copies: layers of some models share weights, which the format has no word for.
        weights = copy_weights({"backbone": encoder.backbone})["backbone"]
        save_file(dict(weights), aside, metadata={"format": "pt", **input_facts(encoder)})
    found = next((each for each in _candidates(encoder.config) if _loads(each, out, encoder)), None)
    if card:
        _write_card(encoder, Path(run), out, found)
    return _lines(found, out) if found else None


def _write_card(encoder: TrainedEncoder, run: Path, out: Path, found: Arguments | None) -> None:
    gives = f"features, float32 (batch, {encoder.num_features}), of the backbone; the projector is left out"
    library = "timm" if found else "eigenstep"
    if found:
        using = "features = backbone.eval()(torch.as_tensor(images))"
        lines = f"{_lines(found, Path(out.name))}\n{using}  # (1, {encoder.num_features})"
        lines = f"import torch\n{lines}"
    else:
        lines = (
            "# timm has no model of this name and size; another run starts from the file:\n"
            f"# eigenstep train --backbone {encoder.config.backbone}"
            f" --backbone-weights {shlex.quote(out.name)}"
        )
    atomic_write(card_path(out), model_card(encoder, run, library, lines, gives))


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

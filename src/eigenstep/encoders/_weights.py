"""Files of weights, and putting them into a module they may not fit."""

from pathlib import Path

from timm.models import load_state_dict
from torch import Tensor, nn


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file, or of torch's format (.pth), in which no code is run.

    As timm does: weights may lie under `state_dict` or `model` in the file, averaged ones are preferred, and
    prefixes of torch's wrappers are left out.

    Raises FileNotFoundError if there is no such file, ValueError if it holds no weights.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file of weights {path}")
    try:
        weights = load_state_dict(str(path))
        if not all(isinstance(tensor, Tensor) for tensor in weights.values()):
            raise ValueError("it holds more than tensors")
    except Exception as error:  # torch, pickle and safetensors each have their own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"{path} cannot be read as weights: expected .safetensors, or tensors saved by torch ({reason})"
        ) from error
    return weights


def fit_weights(module: nn.Module, weights: dict[str, Tensor], complaint: str) -> None:
    """Load `weights` into the module; ValueError, which starts with `complaint`, unless all of them fit."""
    own = module.state_dict()
    # Files older than batch normalisation's counters do not hold them.
    missing = [name for name in own if name not in weights and not name.endswith("num_batches_tracked")]
    unknown = [name for name in weights if name not in own]
    misshapen = [name for name in own if name in weights and own[name].shape != weights[name].shape]
    wrong = [f"{name} is missing" for name in missing] + [f"{name} is unknown" for name in unknown]
    wrong += [f"{name} is {_shape(weights[name])}, expected {_shape(own[name])}" for name in misshapen]
    if wrong:
        more = f", and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise ValueError(f"{complaint}: {'; '.join(wrong[:3])}{more}")
    module.load_state_dict(weights, strict=False)


def without_classifier(weights: dict[str, Tensor], backbone: nn.Module) -> dict[str, Tensor]:
    """The weights but for those of a classifier, by timm's name for it, where the backbone has none."""
    names = getattr(backbone, "pretrained_cfg", {}).get("classifier") or ()
    prefixes = tuple(f"{name}." for name in ([names] if isinstance(names, str) else names))
    own = backbone.state_dict()
    return {name: tensor for name, tensor in weights.items() if name in own or not name.startswith(prefixes)}


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a number"

"""The landmarks of losses by name, those of other libraries among them, for any training loop."""

import inspect
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from eigenstep.analysis import CHANCE, FLOOR, Landmark
from eigenstep.losses._labelled_loss import LabelledLoss
from eigenstep.losses._landmarks import BLIND, choice_landmarks
from eigenstep.losses._negative_cosine_similarity import NegativeCosineSimilarity
from eigenstep.losses._two_view_loss import TwoViewLoss, check_positive
from eigenstep.spelling import nearest

# Other names of losses, as `_plain` writes them.
_ALSO_CALLED = {"simclr": "ntxent", "simsiam": "negativecosinesimilarity"}
_NOT_ASKED = {"gather_distributed", "dim", "memory_bank_size", "weight_fn"}


def named_landmarks(name: str, **options: Any) -> Callable[..., list[Landmark]]:
    """The landmarks of a loss by its name, as a function of `pairs`, `dim` and `processes`.

    Parameters
    ----------
    name : str
        Of a loss of this package, such as "ntxent", "barlow_twins", "vicreg" or "clip", or "simclr",
        "simsiam", "byol", "moco", "dino", "swav" or "cross_entropy"; case, "_", "-" and "loss" don't count.
    options
        Those of the loss, with its defaults; `temperature` and `queue` of MoCo (0.07, 65,536), `prototypes`
        of DINO (65,536) and SwAV (3,000), `classes` of losses that take labels.

    Raises
    ------
    ValueError
        For a name or an option that is not known, an option that is missing, and values that it refuses.

    Examples
    --------
    >>> [(mark.name, round(mark.value, 3)) for mark in named_landmarks("moco", temperature=0.2)(256, 128)]
    [('chance', 11.09), ('floor', 6.093)]
    """
    known = _known()
    key = _plain(name)
    key = _ALSO_CALLED.get(key, key)
    if key not in known:
        raise ValueError(
            f"loss {name!r} is not known: expected one of {', '.join(sorted({*known, *_ALSO_CALLED}))}, or a"
            f" loss of eigenstep.losses itself.{nearest(_plain(name), [*known, *_ALSO_CALLED])}"
        )
    kind = known[key]
    asked = _options_of(kind)
    for option in options:
        if option not in asked:
            raise ValueError(f"the loss {name} has no option {option}: expected {', '.join(asked) or 'none'}")
    for option, parameter in asked.items():
        if parameter.default is parameter.empty and option not in options:
            raise ValueError(f"the loss {name} needs {option} to be told")

    def find(pairs: int, dim: int, *, processes: int = 1) -> list[Landmark]:
        if isinstance(kind, type):
            return _of_loss(kind, pairs, dim, processes, options)
        found: list[Landmark] = kind(**options)
        return found

    try:
        find(64, 2)  # refuses what the loss refuses
    except TypeError as error:
        raise ValueError(f"the loss {name} does not take {_written(options)}: {error}") from error
    return find


def _of_loss(
    kind: type[TwoViewLoss], pairs: int, dim: int, processes: int, options: Mapping[str, Any]
) -> list[Landmark]:
    own = {name: value for name, value in options.items() if name != "classes"}
    asked = inspect.signature(kind).parameters
    if "dim" in asked and asked["dim"].default is inspect.Parameter.empty:
        own["dim"] = dim
    loss = kind(gather_distributed=processes > 1, **own)
    return loss.landmarks(pairs, dim, processes=processes, classes=options.get("classes"))


def _byol() -> list[Landmark]:
    """Of the squared distance of unit vectors, 2 + 2 L with L the negative cosine similarity."""
    cosine = NegativeCosineSimilarity().landmarks(pairs=2, dim=2)
    return [replace(mark, value=2 + 2 * mark.value) for mark in cosine]


def _moco(temperature: float = 0.07, queue: int = 65536) -> list[Landmark]:
    check_positive("temperature", temperature)
    _check_count("queue", queue)
    apart = math.log1p(queue * math.exp(-1 / temperature))
    return [
        Landmark(CHANCE, math.log(queue + 1), BLIND),
        Landmark(FLOOR, apart, "partners are one, the queue is at right angles to them"),
    ]


def _dino(prototypes: int = 65536) -> list[Landmark]:
    return _assignment(prototypes)


def _swav(prototypes: int = 3000) -> list[Landmark]:
    return _assignment(prototypes)


def _assignment(prototypes: int) -> list[Landmark]:
    _check_count("prototypes", prototypes)
    return choice_landmarks(prototypes, "every prototype is as likely, whatever the image")


def _cross_entropy(classes: int) -> list[Landmark]:
    _check_count("classes", classes)
    return choice_landmarks(classes, "every class is as likely, whatever the image")


_FOREIGN: dict[str, Callable[..., list[Landmark]]] = {
    "byol": _byol,
    "moco": _moco,
    "dino": _dino,
    "swav": _swav,
    "crossentropy": _cross_entropy,
}


def _known() -> dict[str, Any]:
    """All losses of this package by their names, and the others."""
    from eigenstep import losses

    kinds = [getattr(losses, name) for name in losses.__all__]
    own = {
        _plain(kind.__name__): kind
        for kind in kinds
        if isinstance(kind, type) and issubclass(kind, TwoViewLoss) and not inspect.isabstract(kind)
    }
    return own | _FOREIGN


def _options_of(kind: Any) -> dict[str, inspect.Parameter]:
    asked = {
        name: each for name, each in inspect.signature(kind).parameters.items() if name not in _NOT_ASKED
    }
    if isinstance(kind, type) and issubclass(kind, LabelledLoss):
        asked["classes"] = inspect.Parameter("classes", inspect.Parameter.KEYWORD_ONLY, default=None)
    return asked


def _written(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{option}={value!r}" for option, value in options.items())


def _plain(name: str) -> str:
    """A name without what is written in several ways.

    Examples
    --------
    >>> _plain("NTXentLoss"), _plain("nt-xent"), _plain("barlow_twins")
    ('ntxent', 'ntxent', 'barlowtwins')
    """
    return re.sub(r"[\W_]|loss$", "", name.lower())


def _check_count(option: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{option} expects at least 1, got {value!r}")

"""Recipes by name: LOSS/DATA-BACKBONE, or LOSS/DATA-BACKBONE-stepwise."""

from pathlib import Path

from eigenstep.spelling import nearest
from eigenstep.training.config import TrainConfig, load_config

_FOLDER = Path(__file__).parent


def recipe_names() -> list[str]:
    """The names of all recipes, sorted.

    Examples
    --------
    >>> "barlow_twins/cifar10-resnet18" in recipe_names()
    True
    """
    return sorted(path.relative_to(_FOLDER).with_suffix("").as_posix() for path in _FOLDER.glob("*/*.yaml"))


def load_recipe(name: str) -> TrainConfig:
    """A recipe's configuration; what its file leaves out has its default.

    Raises
    ------
    ValueError
        For an unknown name, naming the nearest one.

    Examples
    --------
    >>> load_recipe("simclr/cifar10-resnet18").optimizer.name
    'lars'
    """
    return load_config(_path(name))


def recipe_text(name: str) -> str:
    """A recipe's file, comments included: YAML that `load_config` reads.

    Raises
    ------
    ValueError
        For an unknown name, naming the nearest one.

    Examples
    --------
    >>> recipe_text("simclr/cifar10-resnet18").splitlines()[0]
    '# SimCLR on CIFAR-10 with ResNet-18, the standard form.'
    """
    return _path(name).read_text(encoding="utf-8")


def _path(name: str) -> Path:
    names = recipe_names()
    if name not in names:
        raise ValueError(
            f"unknown recipe {name!r}: expected a name that `eigenstep recipes` lists." + nearest(name, names)
        )
    return _FOLDER / f"{name}.yaml"

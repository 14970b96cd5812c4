"""A run's configuration as YAML."""

from pathlib import Path

from eigenstep.record import as_dataclass, as_yaml, read_tree
from eigenstep.training.config._train import TrainConfig


def load_config(path: str | Path) -> TrainConfig:
    """Read a run's `config.yaml`; names that are left out take their defaults.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        For a name or a value that does not fit.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(f"{folder}/mine.yaml").write_text("{loss: simclr, steps: 50}")
    ...     config = load_config(f"{folder}/mine.yaml")
    >>> config.loss, config.steps
    ('simclr', 50)
    """
    tree = read_tree(path)
    try:
        return as_dataclass(TrainConfig, tree)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def dump_config(config: TrainConfig) -> str:
    """The configuration as YAML text, which `load_config` reads back to an equal tree.

    Examples
    --------
    >>> print(dump_config(TrainConfig(loss="simclr")).splitlines()[1])
    loss: simclr
    """
    return as_yaml(config)

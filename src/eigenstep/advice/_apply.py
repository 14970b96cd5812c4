"""The configuration of a run with the advised changes, as a file."""

import copy
from pathlib import Path
from typing import Any

from eigenstep.advice._advise import Advice
from eigenstep.record import RunRecord, as_dataclass, as_yaml, atomic_write, config_leaves
from eigenstep.spelling import is_python
from eigenstep.training import TrainConfig


def apply_changes(record: RunRecord, advice: Advice, out: Path) -> list[str]:
    """Write a run's configuration with the advised changes, and say each of them.

    Returns
    -------
    list[str]
        A line for each option that is changed, with its value before and after.

    Raises
    ------
    ValueError
        In one line where no option does what is advised, or the run is not one of `eigenstep train`.
    FileExistsError
        If there is such a file.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from eigenstep.advice import advise
    >>> from eigenstep.record import RecordWriter, read_record
    >>> from eigenstep.training import OptimizerConfig
    >>> folder = Path(tempfile.mkdtemp())
    >>> text = as_yaml(TrainConfig(loss="vicreg", optimizer=OptimizerConfig(lr=50.0)))
    >>> writer = RecordWriter(folder / "run", 2, config=text)
    >>> both = {"cross_correlation": np.ones(2), "covariance": np.ones(2)}
    >>> for step, loss in enumerate([1.0, 9.0, np.inf]):
    ...     writer.append(step, float(step), both, loss=loss)
    >>> writer.finish("diverged", step=2)
    >>> record = read_record(folder / "run")
    >>> apply_changes(record, advise(record), folder / "better.yaml")[0]
    'optimizer.lr: 50.0 -> 0.005'
    """
    if not record.config.get("loss") or record.is_prediction:
        raise ValueError(f"{record.path} has no configuration of `eigenstep train`; make the change by hand")
    if not advice.changes:
        why = "nothing is wrong" if not advice.ill else "no option does what is advised"
        raise ValueError(f"{record.path}: {why}, so there is nothing to write to {out}")
    if out.exists():
        raise FileExistsError(f"{out} exists; name a new file for the changed configuration")
    tree = copy.deepcopy(record.config)
    before = config_leaves(tree)
    for name, value in advice.changes.items():
        _set(tree, name, value)
    config = as_dataclass(TrainConfig, tree)
    atomic_write(out, as_yaml(config))
    lines = [
        f"{name}: {_in_words(before.get(name))} -> {_in_words(value)}"
        for name, value in advice.changes.items()
        if before.get(name) != _plain(value)
    ]
    objects = [name for name in ("data", "loss", "backbone", "views.own") if is_python(str(before.get(name)))]
    if objects:
        lines.append(f"{', '.join(objects)}: an object of Python, to be given again")
    return [*lines, f"written: {out}"]


def _set(tree: dict[str, Any], name: str, value: Any) -> None:
    *nodes, leaf = name.split(".")
    for node in nodes:
        tree = tree.setdefault(node, {})
    tree[leaf] = _plain(value)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _in_words(value: Any) -> str:
    if value is None:
        return "the default"
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else f"{value}"

"""What a run's configuration and summary say, in words."""

import itertools
from collections.abc import Iterator
from typing import Any

from eigenstep.methods import title_of
from eigenstep.record import RunRecord
from eigenstep.report._numbers import written
from eigenstep.spelling import PYTHON

BACKBONES = {"linear": "linear model", "convnet": "small convolutional network"}
KINDS = {"knn": "k-NN"}
UNKNOWN = "–"
# Of a summary, which anyone may have written: entries, and characters of each.
MOST_COUNTS, LONGEST = 200, 1000


def data_name(record: RunRecord) -> str:
    """The data set as the configuration names it; of a path, its last part."""
    name = str(record.config.get("data") or UNKNOWN).removeprefix(PYTHON)
    return name.rstrip("/").rsplit("/", 1)[-1] if name.startswith(("/", ".", "~")) else name


def loss_name(record: RunRecord) -> str:
    """The loss's name as its authors write it; of one that is not known here what the run calls it."""
    name = str(record.config.get("loss") or UNKNOWN)
    return title_of(name)


def backbone_name(record: RunRecord) -> str:
    """The backbone in words; a run with a prediction and no backbone is a linear model.

    Of a folder that is a prediction, the kernel that it was made by.
    """
    if record.is_prediction and record.config.get("estimator"):
        return f"{record.config.get('kernel')} kernel"
    if record.is_prediction and record.config.get("kernel") != "ntk":
        kernel = str(record.config.get("kernel"))
        if kernel == "features":
            name = str(record.config.get("backbone"))
            return f"linear kernel of the features of a {BACKBONES.get(name, name.removeprefix(PYTHON))}"
        of = {"random_conv": "random convolutions", "patches": "likeness to random patches"}
        if kernel in of:
            return f"linear kernel of {of[kernel]}"
        return f"{kernel} kernel of the pixels"
    name = record.config.get("backbone") or ("linear" if record.prediction else UNKNOWN)
    words = BACKBONES.get(str(name), str(name).removeprefix(PYTHON))
    return f"tangent kernel of a {words}" if record.is_prediction else words


def sentence(record: RunRecord, dimension: int | None) -> str:
    """What the run is and how long it was, in one sentence; of a prediction, what it foresees and by what."""
    if record.is_prediction:
        return f"{description(record, dimension)}."
    steps, time = int(record.metrics["step"][-1]), float(record.metrics["time"][-1])
    text = f"{description(record, dimension)}, {steps:,} steps to t = {written(time)}."
    return text + " Its course is predicted in closed form." if record.prediction else text


def description(record: RunRecord, dimension: int | None) -> str:
    """What the run or the prediction is, without a full stop."""
    if record.is_prediction:
        return _predicted(record, dimension)
    backbone, data, loss = backbone_name(record), data_name(record), loss_name(record)
    text = f"A {backbone}" if backbone != UNKNOWN else "An encoder"
    text += f" trained with {loss}" if loss != UNKNOWN else " in training"
    text += f" on {data}" if data != UNKNOWN else ""
    return text + (f", {dimension} embedding dimensions" if dimension else "")


def _predicted(record: RunRecord, dimension: int | None) -> str:
    text = f"A prediction, nothing measured: what {loss_name(record)} learns from"
    if record.config.get("estimator"):
        text += f" {record.config.get('training_views', UNKNOWN)} views, by {record.config['estimator']}"
        text += f" with the {backbone_name(record)}"
        return text + (f", {dimension} embedding dimensions" if dimension else "")
    text += f" {record.config.get('pairs', UNKNOWN)} pairs of views of {data_name(record)},"
    text += f" by the {backbone_name(record)}"
    return text + (f", {dimension} embedding dimensions" if dimension else "")


def counts(record: RunRecord) -> list[tuple[str, str]]:
    """What the run counted: its own summary, or a word that it still goes on."""
    if record.summary is None:
        return [("state", "no summary yet: the run still goes on, or was stopped"), *_accuracies(record)]
    told = itertools.islice(_leaves(record.summary), MOST_COUNTS)
    return [*((name[:LONGEST], value[:LONGEST]) for name, value in told), *_accuracies(record)]


def configuration(record: RunRecord) -> str:
    """The configuration as YAML, empty if the run wrote none."""
    if not record.config:
        return ""
    import yaml

    how: dict[str, Any] = {"sort_keys": False, "allow_unicode": True, "width": 88}
    try:
        text: str = yaml.dump(record.config, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), **how)
    except UnicodeEncodeError:  # half a character, which the faster one does not write
        text = yaml.safe_dump(record.config, **how)
    return text


def _accuracies(record: RunRecord) -> Iterator[tuple[str, str]]:
    """What the last probes made while training found."""
    for name, values in record.probes.items():
        if name not in ("step", "time"):
            probe, _, what = name.partition("_")
            yield f"{what}, {KINDS.get(probe, probe)} probe", f"{values[-1]:.1%} of test images right"


def _leaves(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Names and values, a branch's name before its leaves'; lists of records, such as rises, are left out."""
    for name, value in tree.items():
        words = f"{prefix}{name}".replace("_", " ")
        if isinstance(value, dict):
            yield from _leaves(value, f"{words} ")
        elif not (isinstance(value, list) and any(isinstance(item, dict | list) for item in value)):
            yield words, _in_words(value)


def _in_words(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: UNKNOWN}[value]
    if isinstance(value, int | float):
        return f"{value:,}" if isinstance(value, int) else written(value, 4)
    if isinstance(value, list):
        return ", ".join(_in_words(item) for item in value) or "none"
    return str(value)

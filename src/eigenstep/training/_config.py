"""A run's configuration: one tree of dataclasses, the same names in Python, in YAML and as options."""

import dataclasses
import difflib
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from eigenstep.views import ViewsConfig


@dataclass(frozen=True)
class ImagesConfig:
    """How images are read."""

    size: int = 32
    """Height and width, in pixels, of the views that the encoder sees."""
    stored_size: int | None = None
    """Images are kept as squares of this many pixels, resized and centre cropped; default: size."""
    split: str = "train"
    """Which split of a data set to use."""
    column: str | None = None
    """The column that holds the images; default: the only one that does."""
    limit: int | None = None
    """Use at most this many images."""
    patches: int = 2048
    """How many patches are cut from the photographs of `--data photos`."""
    on_broken: Literal["skip", "refuse"] = "skip"
    """What to do about an image that cannot be decoded: skip and count it, or refuse the data set."""


@dataclass(frozen=True)
class ProjectorConfig:
    """The layers between the backbone's features and the embedding."""

    hidden: tuple[int, ...] = (128,)
    """Widths of the hidden layers, each followed by ReLU."""
    dim: int = 16
    """Dimension d of the embedding."""
    batch_norm: bool = False
    """Batch normalisation after each hidden layer."""
    init_scale: float = 1e-2
    """The last layer's initial weights are multiplied by this; small values make learning stepwise."""


@dataclass(frozen=True)
class BarlowTwinsConfig:
    """Barlow Twins (used with --loss barlow_twins)."""

    normalize: Literal["batch", "none"] = "none"
    """Standardise each embedding dimension over the batch, as the published method does, or not."""
    center: bool = True
    """Subtract the batch mean, of both views together."""
    symmetrize: bool = True
    """Use the cross-correlation of both orders of the views (the published method: of one)."""
    lambda_param: float = 1.0
    """Weight of the off-diagonal terms (the published method with normalize=batch: 0.005)."""
    scale: float = 1.0
    """Multiplies the loss."""


@dataclass(frozen=True)
class SimCLRConfig:
    """SimCLR's NT-Xent (used with --loss simclr)."""

    normalize: Literal["cosine", "none"] = "none"
    """Compare embeddings by cosine, as the published method does, or by inner product."""
    temperature: float = 1.0
    """Similarities are divided by this (the published method with normalize=cosine: 0.5)."""


@dataclass(frozen=True)
class VICRegConfig:
    """VICReg (used with --loss vicreg)."""

    lambda_param: float = 25.0
    """Weight of the invariance term."""
    mu_param: float = 25.0
    """Weight of the variance term."""
    nu_param: float = 1.0
    """Weight of the covariance term."""
    eps: float = 1e-4
    """Added to the variance inside the root."""


@dataclass(frozen=True)
class OptimizerConfig:
    """The optimiser and its schedule."""

    name: Literal["sgd", "adamw", "lars"] = "sgd"
    """Which optimiser."""
    lr: float | None = None
    """Learning rate; default: 0.001 for adamw, 1 for lars, and for sgd 0.005 with barlow_twins, 0.05 with
    simclr, 0.002 with vicreg."""
    momentum: float = 0.9
    """Momentum of sgd and lars."""
    weight_decay: float = 0.0
    """Weight decay, not applied to norms and biases."""
    schedule: Literal["constant", "cosine"] = "constant"
    """The learning rate after warm-up."""
    warmup_steps: int = 0
    """Steps of linear warm-up."""


@dataclass(frozen=True)
class RecordConfig:
    """What is measured while training."""

    every: int = 10
    """Steps between two measurements."""
    probe: int | None = None
    """Images in the probe batch, whose embeddings are followed through training; default: 128, or the batch
    size if that is smaller."""
    directions: int = 8
    """Principal directions of the probe batch that are kept."""


@dataclass(frozen=True)
class CheckpointConfig:
    """What a killed run resumes from."""

    every: int = 200
    """Steps between two checkpoints; one more is written at the end."""
    keep: int = 2
    """How many of the latest checkpoints are kept."""


@dataclass(frozen=True)
class TrainConfig:
    """Train an encoder on unlabelled images and record the spectrum of its embeddings."""

    data: str = "photos"
    """photos (patches of two photographs that come with scikit-learn), cifar10, a folder of images or of
    Parquet files, or OWNER/NAME on the Hugging Face hub."""
    loss: str = "barlow_twins"
    """barlow_twins, simclr or vicreg."""
    backbone: str = "convnet"
    """convnet (three small convolutions) or any model name of timm, such as resnet18."""
    steps: int = 300
    """Optimiser steps."""
    batch_size: int = 256
    """Images a step; each gives two views."""
    seed: int = 0
    """Determines initial weights, batches and views."""
    threads: int | None = None
    """CPU threads; default: all cores."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    precision: Literal["32-true", "bf16-mixed", "16-mixed", "64-true"] = "32-true"
    """Numerical precision, in Lightning Fabric's words."""
    images: ImagesConfig = field(default_factory=ImagesConfig)
    views: ViewsConfig = field(default_factory=ViewsConfig)
    projector: ProjectorConfig = field(default_factory=ProjectorConfig)
    barlow_twins: BarlowTwinsConfig = field(default_factory=BarlowTwinsConfig)
    simclr: SimCLRConfig = field(default_factory=SimCLRConfig)
    vicreg: VICRegConfig = field(default_factory=VICRegConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    record: RecordConfig = field(default_factory=RecordConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)


def load_config(path: str | Path) -> TrainConfig:
    """Read a run's `config.yaml`; names that are left out take their defaults.

    Raises FileNotFoundError if there is no such file, ValueError for a name or a value that does not fit.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no configuration file {path}")
    try:
        tree = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise ValueError(f"{path}: expected a tree of names and values, got {type(tree).__name__}")
    return _from_tree(TrainConfig, tree, "")


def dump_config(config: TrainConfig) -> str:
    """The configuration as YAML text, which `load_config` reads back to an equal tree.

    >>> print(dump_config(TrainConfig(loss="simclr")).splitlines()[1])
    loss: simclr
    """
    return yaml.safe_dump(_plain(dataclasses.asdict(config)), sort_keys=False)


def differences(config: TrainConfig, other: TrainConfig) -> list[str]:
    """Where two configurations differ, as `name: value, not other value`."""
    left, right = _leaves(dataclasses.asdict(config)), _leaves(dataclasses.asdict(other))
    return [f"{name}: {left[name]}, not {right[name]}" for name in left if left[name] != right[name]]


def nearest(name: str, known: typing.Iterable[str]) -> str:
    """` Did you mean NAME?`, or nothing if no known name is near."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    return f" Did you mean {close[0]}?" if close else ""


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _leaves(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    leaves: dict[str, Any] = {}
    for name, value in tree.items():
        leaves |= _leaves(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return leaves


def _from_tree(node: type, tree: dict[str, Any], prefix: str) -> Any:
    kinds = typing.get_type_hints(node)
    for name in tree:
        if name not in kinds:
            raise ValueError(f"unknown name {prefix}{name} in the configuration.{nearest(str(name), kinds)}")
    values = {}
    for name, value in tree.items():
        kind = kinds[name]
        if dataclasses.is_dataclass(kind):
            if not isinstance(value, dict):
                raise ValueError(f"{prefix}{name}: expected a tree of names and values, got {value!r}")
            values[name] = _from_tree(typing.cast(type, kind), value, f"{prefix}{name}.")
        else:
            values[name] = _convert(kind, value, prefix + name)
    try:
        return node(**values)
    except ValueError as error:
        raise ValueError(f"{prefix}{error}") from error


def _convert(kind: Any, value: Any, name: str) -> Any:
    """The value as the field's type; YAML reads `1e-3` as text and tuples as lists."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        if value in arguments:
            return value
        raise ValueError(f"{name}: expected one of {', '.join(map(str, arguments))}, got {value!r}")
    if origin is types.UnionType or origin is typing.Union:
        if value is None and type(None) in arguments:
            return None
        return _convert(next(a for a in arguments if a is not type(None)), value, name)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ValueError(f"{name}: expected a list, got {value!r}")
        if Ellipsis not in arguments and len(arguments) != len(value):
            raise ValueError(f"{name}: expected {len(arguments)} values, got {value!r}")
        kinds = [arguments[0]] * len(value) if Ellipsis in arguments else arguments
        return tuple(_convert(item_kind, item, name) for item_kind, item in zip(kinds, value, strict=True))
    if kind is float and not isinstance(value, bool):
        try:
            return float(value)
        except (TypeError, ValueError):
            pass
    elif isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise ValueError(f"{name}: expected {kind.__name__}, got {value!r}")

"""Each input's embeddings of the common images, at every moment that it has."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.analysis import learned_rises
from eigenstep.comparison._common_images import CommonImages
from eigenstep.comparison._inputs import Input, What, config_of
from eigenstep.comparison._pretrained import PretrainedEncoder
from eigenstep.embeddings import Rows
from eigenstep.encoders import (
    POOLED,
    Encoder,
    as_stored,
    channels_of,
    encode,
    encode_layers,
    find_checkpoint,
    find_checkpoints,
    initial_encoder,
    load_encoder,
)
from eigenstep.machine import find_device
from eigenstep.methods import is_centered
from eigenstep.prediction import read_predicted
from eigenstep.record import read_record
from eigenstep.training import TrainConfig

# What of two inputs is compared each with each.
Over = Literal["layers", "checkpoints"]


@dataclass(frozen=True, eq=False)
class EmbeddingAt:
    """Embeddings at one moment.

    Attributes
    ----------
    when : str
        In words.
    learned : int | None
        How many modes had been learned then; None where nothing tells.
    values : NDArray[np.float32]
        (n, d).
    step : int | None
        Of a run's checkpoint.
    """

    when: str
    learned: int | None
    values: NDArray[np.float32]
    step: int | None = None

    def variances(self, center: bool) -> NDArray[np.float64]:
        """Along its principal directions, (min(n, d),), descending, up to a factor."""
        rows = self.values.astype(np.float64)
        singular = np.linalg.svd(rows - rows.mean(axis=0) if center else rows, compute_uv=False)
        variances: NDArray[np.float64] = np.square(singular, dtype=np.float64)
        return variances


@dataclass(frozen=True, eq=False)
class InputEmbeddings:
    """An input with its embeddings of the common images.

    Attributes
    ----------
    snapshots : list[EmbeddingAt]
        In the order of training; the last one is what the input is as a whole.
    centred : bool | None
        Whether what it was trained by subtracts the mean embedding; None where nothing tells.
    layers : list[EmbeddingAt]
        What its layers make of the images at the end, where that was asked for and it has layers.
    notes : list[str]
        What is to be told of how images went in.
    """

    given: Input
    snapshots: list[EmbeddingAt]
    centred: bool | None
    layers: list[EmbeddingAt] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def each(self, over: Over) -> list[EmbeddingAt]:
        """Its layers, or its snapshots; itself as a whole where it has none."""
        return (self.layers if over == "layers" else self.snapshots) or [self.whole]

    @property
    def whole(self) -> EmbeddingAt:
        return self.snapshots[-1]


def embed_input(
    given: Input,
    images: CommonImages,
    files: Mapping[str, Rows],
    what: What = "embedding",
    device: str = "auto",
    tell: Callable[[str], None] = lambda text: None,
    layers: bool = False,
) -> InputEmbeddings:
    """The input's embeddings, or its features, of the common images; and what its layers make of them.

    Raises
    ------
    ValueError, FileNotFoundError
        In one line where it has none, or values that are not finite.
    """
    if given.kind == "file":
        rows = files[given.name]
        embedded = InputEmbeddings(
            given, [EmbeddingAt("file", None, _rows_of(_values(rows), rows.image_hash, images))], None
        )
    elif given.kind == "prediction":
        embedded = _predicted(given, images, what)
    else:
        tell(f"embedding {images.count} images by {given.name}")
        of_kind = _of_run if given.kind == "run" else _of_encoder
        embedded = of_kind(given, images, what, device, layers)
    for snapshot in embedded.snapshots + embedded.layers:
        if not np.isfinite(snapshot.values).all():
            raise ValueError(f"{given.name}: its embeddings hold NaN or infinity ({snapshot.when})")
    return embedded


def _values(rows: Rows) -> NDArray[Any]:
    values = rows.whole()
    found: NDArray[Any] = (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    return found


def _predicted(given: Input, images: CommonImages, what: What) -> InputEmbeddings:
    if what == "features":
        raise ValueError(f"{given.name} is a prediction, which has embeddings and no features")
    found = read_predicted(given.path)
    snapshots = [
        EmbeddingAt(f"t = {time:.3g}", int(learned), _rows_of(values, found.image_hash, images))
        for learned, time, values in zip(
            found.between_learned, found.between_time, found.between, strict=True
        )
    ]
    end = _rows_of(found.end, found.image_hash, images)
    prediction = read_record(given.path).prediction or {}
    lacks = {"half_times", "centred"} - set(prediction)
    if lacks:
        raise ValueError(f"{given.path}/prediction.json lacks {', '.join(sorted(lacks))}; predict it anew")
    learned = sum(time is not None for time in prediction["half_times"])
    return InputEmbeddings(given, [*snapshots, EmbeddingAt("end", learned, end)], prediction["centred"])


def _of_encoder(given: Input, images: CommonImages, what: What, device: str, layers: bool) -> InputEmbeddings:
    """By a pretrained encoder, whose embedding are its features."""
    assert images.pixels is not None, "encoders embed images, so their pixels were found"
    assert given.at is not None, "encoders have a name"
    file = given.path if "@" in given.name else None
    encoder = PretrainedEncoder(given.at, file, find_device(device))
    passed = encoder.encode(images.pixels.stored, layers)
    found = [EmbeddingAt(name, None, values) for name, values in passed.items()]
    return InputEmbeddings(given, found[-1:], None, found if layers else [], encoder.notes)


def _of_run(given: Input, images: CommonImages, what: What, device: str, layers: bool) -> InputEmbeddings:
    assert images.pixels is not None, "runs embed images, so their pixels were found"
    config = config_of(given)
    place = find_device(device)
    pixels = images.pixels.of(config)
    channels, found = channels_of(config), pixels.shape[1]
    if found != channels:
        raise ValueError(
            f"{given.name} takes images of {channels} channels, and those that are compared have {found};"
            " compare runs on images of the same channels"
        )
    stored = as_stored(pixels, config).to(place)
    if given.at == "init":
        encoders = {0: initial_encoder(config).eval()}
    else:
        folder = find_checkpoint(given.path, given.at or "last")
        chosen = [folder] if given.at else find_checkpoints(given.path / "checkpoints")
        encoders = {_step(path.name): load_encoder(given.path, _step(path.name)) for path in chosen}
    snapshots = []
    for step, encoder in encoders.items():
        features, embeddings = encode(encoder.to(place), stored, config)
        values = (features if what == "features" else embeddings).cpu().numpy()
        snapshots.append(EmbeddingAt(f"step {step}", _learned_at(given, step), values, step))
    outputs = _layers_of(encoder, stored, config, snapshots[-1], what) if layers else []
    pooled = [f"{given.name}: layers are compared by their {POOLED}, features as they are"] if layers else []
    return InputEmbeddings(given, snapshots, is_centered(config), outputs, pooled)


def _layers_of(
    encoder: Encoder, stored: Tensor, config: TrainConfig, whole: EmbeddingAt, what: What
) -> list[EmbeddingAt]:
    """What the layers make of the images, and the embedding after them where that is compared."""
    passed = encode_layers(encoder, stored, config)
    layers = [EmbeddingAt(name, None, values.cpu().numpy()) for name, values in passed.items()]
    return layers + ([EmbeddingAt("embedding", None, whole.values)] if what == "embedding" else [])


def _learned_at(given: Input, step: int) -> int:
    """How many modes the run's record says it had learned by then."""
    record = read_record(given.path)
    if record.eigenvalues is None or not len(record.eigenvalues):
        return 0
    times = record.eigenvalues["time"]
    now = float(np.interp(step, record.eigenvalues["step"], times))
    return sum(rise.half_time < now for rise in learned_rises(record))


def _rows_of(values: NDArray[Any], names: NDArray[np.str_] | None, images: CommonImages) -> NDArray[Any]:
    """The rows of the common images, in their order."""
    if names is None or images.hashes is None:
        return values
    place = {name: row for row, name in enumerate(names.tolist())}
    return values[[place[name] for name in images.hashes.tolist()]]


def _step(name: str) -> int:
    return int(name.rpartition("_")[2])

"""Each input's embeddings of the common images, at every moment that it has."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from eigenstep.analysis import learned_rises
from eigenstep.comparison._common_images import CommonImages
from eigenstep.comparison._inputs import Input, What, config_of
from eigenstep.embeddings import Rows
from eigenstep.encoders import (
    as_stored,
    channels_of,
    encode,
    find_checkpoint,
    find_checkpoints,
    initial_encoder,
    load_encoder,
)
from eigenstep.machine import find_device
from eigenstep.methods import is_centered
from eigenstep.prediction import read_predicted
from eigenstep.record import read_record


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
    """

    when: str
    learned: int | None
    values: NDArray[np.float32]

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
    """

    given: Input
    snapshots: list[EmbeddingAt]
    centred: bool | None

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
) -> InputEmbeddings:
    """The input's embeddings, or its features, of the common images.

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
        embedded = _of_run(given, images, what, device)
    for snapshot in embedded.snapshots:
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


def _of_run(given: Input, images: CommonImages, what: What, device: str) -> InputEmbeddings:
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
        snapshots.append(EmbeddingAt(f"step {step}", _learned_at(given, step), values))
    return InputEmbeddings(given, snapshots, is_centered(config))


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

"""Several inputs compared pair by pair, on one set of images."""

from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eigenstep.analysis import TimeComparison, compare_times
from eigenstep.comparison._agreement import compare_embeddings, overlap_of_modes
from eigenstep.comparison._embedded import EmbeddingAt, InputEmbeddings, embed_input
from eigenstep.comparison._inputs import Input, What, common_images, open_file, parse_input
from eigenstep.comparison._result import ModeOverlap, Pair, SideBySide, Times
from eigenstep.embeddings import Rows
from eigenstep.prediction import measured_mode_times, measured_times, read_predicted
from eigenstep.record import read_record

# Modes k and k + 1 are told apart where their variances differ by this factor.
CONTRAST = 2.0


def compare(
    names: Sequence[str | Path],
    *,
    data: str | None = None,
    split: str | None = None,
    images: int | None = None,
    what: What = "embedding",
    neighbours: int = 10,
    resamples: int = 200,
    device: str = "auto",
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> SideBySide:
    """Compare runs, predictions and files of embeddings on one set of images.

    As a whole, every input at its last moment; and mode by mode where both have a moment at which just the
    first k modes had been learned: at the end, where all eigenvalues are equal, the first k are arbitrary.

    Parameters
    ----------
    names : Sequence[str | Path]
        At least two: runs as RUN or RUN@CHECKPOINT (init, last, best or a step), predictions, files of
        embeddings as FILE or FILE@COLUMN (see `eigenstep.embeddings.open_rows`); the same may be given twice.
    data : str | None
        Where the images that runs embed are read, named as for `train`; default: where predictions and files
        have theirs from, or the first run's own.
    split : str | None
        Of them; default: that of the files, or of the first run.
    images : int | None
        How many, where neither prediction nor file says; default: 512.
    what : What
        a run's or a file's embedding, or its backbone's features.
    resamples : int
        Of the images, for the intervals.

    Raises
    ------
    ValueError, FileNotFoundError
        In one line: embeddings of different images, fewer images than modes, runs without checkpoints,
        embeddings that are not finite.
    """
    if len(names) < 2:
        raise ValueError(f"expected at least two inputs to compare, got {len(names)}")
    tell = progress or (lambda text: None)
    inputs = [parse_input(name) for name in names]
    files = {each.name: open_file(each, what) for each in inputs if each.kind == "file"}
    common = common_images(inputs, files, data, split, images)
    once = {each: embed_input(each, common, files, what, device, tell) for each in dict.fromkeys(inputs)}
    embedded = [once[each] for each in inputs]
    told = [each.centred for each in embedded if each.centred is not None]
    centred = any(told) or not told
    pairs = []
    for first, second in combinations(range(len(inputs)), 2):
        tell(f"comparing {inputs[first].name} and {inputs[second].name}")
        pairs.append(
            _pair(
                first, second, embedded, neighbours=neighbours, center=centred, resamples=resamples, seed=seed
            )
        )
    return SideBySide(
        inputs,
        [each.whole.when for each in embedded],
        [each.whole.values.shape[1] for each in embedded],
        [each.whole.learned for each in embedded],
        common.count,
        centred,
        pairs,
        common.notes + _notes(embedded, files, centred),
    )


def _pair(
    first: int,
    second: int,
    embedded: list[InputEmbeddings],
    *,
    neighbours: int,
    center: bool,
    resamples: int,
    seed: int,
) -> Pair:
    left, right = embedded[first], embedded[second]
    try:
        whole = compare_embeddings(
            left.whole.values,
            right.whole.values,
            neighbours=neighbours,
            center=center,
            resamples=resamples,
            seed=seed,
        )
    except ValueError as error:
        raise ValueError(f"{left.given.name} and {right.given.name}: {error}") from error
    by_modes = []
    for modes in range(1, min(left.whole.values.shape[1], right.whole.values.shape[1])):
        moments = [_moment_of(each, modes, center) for each in (left, right)]
        if moments[0] is not None and moments[1] is not None:
            overlap = overlap_of_modes(
                moments[0].values, moments[1].values, modes, center=center, resamples=resamples, seed=seed
            )
            by_modes.append(ModeOverlap(modes, (moments[0].when, moments[1].when), overlap))
    return Pair(first, second, whole, by_modes, _times(left.given, right.given))


def _moment_of(embedded: InputEmbeddings, modes: int, center: bool) -> EmbeddingAt | None:
    """The last moment at which just so many modes had been learned and stand out, if there is one."""
    for snapshot in reversed(embedded.snapshots):
        if snapshot.learned == modes and _stand_out(snapshot.values, modes, center):
            return snapshot
    return None


def _stand_out(values: NDArray[np.float32], modes: int, center: bool) -> bool:
    rows = values.astype(np.float64)
    singular = np.linalg.svd(rows - rows.mean(axis=0) if center else rows, compute_uv=False)
    return modes < len(singular) and singular[modes - 1] ** 2 >= CONTRAST * singular[modes] ** 2


def _times(first: Input, second: Input) -> Times | None:
    kinds = {each.kind: each for each in (first, second)}
    if set(kinds) != {"prediction", "run"}:
        return None
    predicted, record = read_record(kinds["prediction"].path), read_record(kinds["run"].path)
    if predicted.config.get("loss") != record.config.get("loss"):
        return None  # each loss has a time scale of its own
    entries = predicted.prediction or {}
    half_times = np.array(entries["half_times"], dtype=np.float64)
    plateaus = np.array(entries["plateaus"], dtype=np.float64)
    order = np.argsort(half_times, kind="stable")
    half_times, plateaus = half_times[order], plateaus[order]
    by_rank = _compared(half_times, measured_times(record, plateaus))
    found = measured_mode_times(record, read_predicted(kinds["prediction"].path))
    by_mode = None
    if found is not None:
        by_mode = _compared(np.array(entries["mode_half_times"], dtype=np.float64), found)
    return Times(by_rank, by_mode)


def _compared(predicted: NDArray[np.float64], measured: NDArray[np.float64]) -> TimeComparison | None:
    # A mode that is foretold beyond its half at the start has no time to compare.
    both = np.isfinite(predicted) & np.isfinite(measured) & (predicted > 0) & (measured > 0)
    return compare_times(predicted, measured) if both.any() else None


def _notes(embedded: list[InputEmbeddings], files: dict[str, Rows], centred: bool) -> list[str]:
    notes = [
        f"{name} names no images: its rows are taken to be the same images in the same order"
        for name, rows in files.items()
        if rows.image_hash is None
    ]
    notes += [f"{name}: {rows.taken}" for name, rows in files.items() if rows.taken]
    if not centred:
        notes.append("no mean was subtracted before spaces were compared, as in the inputs' own training")
    return notes

"""Several inputs compared pair by pair, on one set of images."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path

from eigenstep.analysis import differing_settings, stand_out, update_rule
from eigenstep.comparison._agreement import Agreement, compare_embeddings, overlap_of_modes
from eigenstep.comparison._calibrated_pair import Asked, calibrate_pair
from eigenstep.comparison._common_images import common_images
from eigenstep.comparison._embedded import EmbeddingAt, InputEmbeddings, Over, embed_input
from eigenstep.comparison._inputs import Input, What, open_file, parse_input
from eigenstep.comparison._modes_beside import modes_beside
from eigenstep.comparison._null import PERMUTATIONS
from eigenstep.comparison._result import ModeOverlap, Pair, SideBySide
from eigenstep.comparison._speedup import ComparedRun, Overlap, Speedup, differ_by_seed_alone, speedup
from eigenstep.comparison._times import predicted_times
from eigenstep.embeddings import Rows
from eigenstep.record import read_record
from eigenstep.spectrum.agreement import TooFewImages


def compare(
    names: Sequence[str | Path],
    *,
    beside: str | Path | None = None,
    data: str | None = None,
    split: str | None = None,
    images: int | None = None,
    what: What = "embedding",
    neighbours: int = 10,
    resamples: int = 200,
    agreement: bool = False,
    each: Over | None = None,
    permutations: int = PERMUTATIONS,
    device: str = "auto",
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> SideBySide:
    """Compare runs, predictions, files of embeddings and pretrained encoders on one set of images.

    As a whole, every input at its last moment; and mode by mode where both have a moment at which just the
    first k modes had been learned: at the end, where all eigenvalues are equal, the first k are arbitrary. Of
    two runs as a whole, how many times sooner the second learned 1, 2, 4, 8, ... modes, and whether they are
    the same: the overlap of what these span, at the moments that `eigenstep.analysis.moment_of` says.

    Parameters
    ----------
    names : Sequence[str | Path]
        At least two: runs as RUN or RUN@CHECKPOINT (init, last, best or a step), predictions, files of
        embeddings as FILE or FILE@COLUMN (see `eigenstep.embeddings.open_rows`), pretrained encoders as
        timm:MODEL or timm:MODEL@WEIGHTS; the same may be given twice.
    beside : str | Path | None
        a run that differs from one of the others in its seed alone: their overlap is what the same training
        agrees by with itself. By default one is looked for among the inputs.
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
        Resamples of the images, for the intervals.
    agreement : bool
        Also compare by all of `AGREEMENTS`, each with z and p, see `calibrated_agreement`.
    each : Over | None
        Also compare every layer, or every checkpoint, of one with every one of the other, see
        `agreement_map`; of the checkpoints of two runs also mode by mode, see `same_modes`.
    permutations : int
        Shuffled orders of the images, for z and p.

    Raises
    ------
    ValueError, FileNotFoundError
        In one line: embeddings of different images, runs without checkpoints, embeddings that are not
        finite; a run beside that differs in more than its seed; weights that do not fit or cannot be had.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> folder, generator = Path(tempfile.mkdtemp()), np.random.default_rng(0)
    >>> z = generator.normal(size=(60, 3))
    >>> np.save(folder / "mine.npy", z)
    >>> np.save(folder / "turned.npy", z @ np.linalg.qr(generator.normal(size=(3, 3)))[0])
    >>> [pair] = compare([folder / "mine.npy", folder / "turned.npy"], resamples=5).pairs
    >>> round(pair.whole["cka"].value, 3), round(pair.whole["overlap"].value, 3)
    (1.0, 1.0)
    """
    if len(names) < 2:
        raise ValueError(f"expected at least two inputs to compare, got {len(names)}")
    tell = progress or (lambda text: None)
    inputs = [parse_input(name) for name in names]
    yardstick = None if beside is None else _yardstick(beside, inputs)
    files = {each.name: open_file(each, what) for each in inputs if each.kind == "file"}
    common = common_images(inputs, files, data, split, images)
    asked = inputs if yardstick is None else [*inputs, yardstick]
    layers = each == "layers"
    once = {
        given: embed_input(given, common, files, what, device, tell, layers) for given in dict.fromkeys(asked)
    }
    embedded = [once[given] for given in inputs]
    calibrated = Asked(agreement, each, neighbours, permutations, seed)
    told = [each.centred for each in embedded if each.centred is not None]
    centred = any(told) or not told
    runs = {
        given: ComparedRun(once[given], centred) for given in once if given.kind == "run" and given.at is None
    }
    pairs = []
    for first, second in combinations(range(len(inputs)), 2):
        tell(f"comparing {inputs[first].name} and {inputs[second].name}")
        pairs.append(
            _pair(
                first,
                second,
                embedded,
                runs,
                calibrated,
                center=centred,
                resamples=resamples,
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
        common.notes + _notes(embedded, files, centred, pairs),
        [_rule(each) for each in inputs],
    )


def _rule(given: Input) -> str | None:
    rule = update_rule(read_record(given.path)) if given.kind == "run" else None
    return None if rule is None else rule.sentence


def _pair(
    first: int,
    second: int,
    embedded: list[InputEmbeddings],
    runs: dict[Input, ComparedRun],
    asked: Asked,
    *,
    center: bool,
    resamples: int,
) -> Pair:
    left, right = embedded[first], embedded[second]
    seed = asked.seed
    compared = partial(
        compare_embeddings,
        left.whole.values,
        right.whole.values,
        neighbours=asked.neighbours,
        center=center,
        resamples=resamples,
        seed=seed,
    )
    notes = []
    try:
        try:
            whole = compared()
        except TooFewImages as error:
            whole = compared(spaces=False)
            notes.append(f"their spaces are not compared: {error}")
        calibrated, maps, told = calibrate_pair(left, right, asked)
    except ValueError as error:
        raise ValueError(f"{left.given.name} and {right.given.name}: {error}") from error

    def overlap(one: EmbeddingAt, other: EmbeddingAt, modes: int | tuple[int, int]) -> Agreement:
        return overlap_of_modes(
            one.values, other.values, modes, center=center, resamples=resamples, seed=seed
        )

    by_modes = []
    for modes in range(1, min(left.whole.values.shape[1], right.whole.values.shape[1])):
        one, other = (_last_with_just(each, modes, center) for each in (left, right))
        if one is not None and other is not None:
            by_modes.append(ModeOverlap(modes, (one.when, other.when), overlap(one, other, modes)))
    times = predicted_times(left.given, right.given)
    by_place = {first: left.given, second: right.given}
    return Pair(
        first,
        second,
        whole,
        by_modes,
        times,
        _speedup(by_place, runs, overlap),
        calibrated,
        maps,
        [f"{left.given.name} and {right.given.name}: {each}" for each in notes + told],
        modes_beside(left, right, center) if asked.each == "checkpoints" else None,
    )


def _speedup(pair: dict[int, Input], runs: dict[Input, ComparedRun], overlap: Overlap) -> Speedup | None:
    """Of two runs as a whole; of one and the same there is nothing to tell."""
    paths = {given.path for given in pair.values()}
    if len(paths) == 1 or any(given not in runs for given in pair.values()):
        return None
    others = [run for given, run in runs.items() if given.path not in paths]
    found = speedup({place: runs[given] for place, given in pair.items()}, others, overlap)
    return found if found.rows else None


def _yardstick(beside: str | Path, inputs: Sequence[Input]) -> Input:
    """The run to be beside the others."""
    given = parse_input(beside)
    if given.kind != "run" or given.at is not None:
        raise ValueError(f"--beside: expected a run as a whole, got {given.name}")
    runs = [each for each in inputs if each.kind == "run" and each.at is None]
    record = read_record(given.path)
    if any(differ_by_seed_alone(record, read_record(each.path)) for each in runs):
        return given
    where = [
        f"{', '.join(sorted(differing_settings(record.config, read_record(each.path).config))) or 'nothing'}"
        f" from {each.name}"
        for each in runs
    ]
    raise ValueError(
        f"--beside: expected a run that differs from one of those compared in its seed alone; {given.name}"
        f" differs in {'; in '.join(where) or 'kind: none of them is a run as a whole'}"
    )


def _last_with_just(embedded: InputEmbeddings, modes: int, center: bool) -> EmbeddingAt | None:
    """The last moment at which just so many modes had been learned and stand out, if there is one."""
    for snapshot in reversed(embedded.snapshots):
        if snapshot.learned == modes and stand_out(snapshot.variances(center), modes):
            return snapshot
    return None


def _notes(
    embedded: list[InputEmbeddings], files: dict[str, Rows], centred: bool, pairs: list[Pair]
) -> list[str]:
    notes = [
        f"{name} names no images: its rows are taken to be the same images in the same order"
        for name, rows in files.items()
        if rows.image_hash is None
    ]
    notes += [f"{name}: {rows.taken}" for name, rows in files.items() if rows.taken]
    of_inputs = [note for each in embedded for note in each.notes]
    notes += dict.fromkeys(of_inputs + [note for pair in pairs for note in pair.notes])
    if not centred:
        notes.append("no mean was subtracted before spaces were compared, as in the inputs' own training")
    return notes

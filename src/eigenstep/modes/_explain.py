"""From a data set, a run, a file or arrays to what their modes mean and are worth."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.embeddings import embeddings_suffix, open_rows
from eigenstep.export import ModeDirections
from eigenstep.images import ImagesConfig
from eigenstep.modes._chosen_images import ChosenImages, choose_images
from eigenstep.modes._closed_form import ClosedForm, closed_form_modes
from eigenstep.modes._embedded import Embedded, Snapshot, What, embed_file, embed_run
from eigenstep.modes._explanation import Explanation
from eigenstep.modes._judge import Task, judge
from eigenstep.modes._principal import MOST, principal_modes
from eigenstep.modes._reading import check_reading_of_run, reading_of_file, reading_of_run
from eigenstep.prediction import is_prediction
from eigenstep.record import is_run
from eigenstep.training import load_config

# Images by default: of a data set, and of runs and files, whose networks have to see each.
COUNT, EMBEDDED = 3000, 1500
OTHER_IMAGES, OTHER_NETWORK = "other images", "another random network"


def explain_modes(
    source: Any,
    *,
    images: Any = None,
    labels: Any = None,
    table: str | Path | None = None,
    beside: str | Path | None = None,
    column: str | None = None,
    what: What = "embedding",
    count: int | None = None,
    read: ImagesConfig | None = None,
    closed_form: ClosedForm | None = None,
    device: str = "auto",
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Explanation:
    """Say what modes mean, by statistics of images, and what they are worth, by labels.

    Three disjoint thirds of the images: modes are learned from the first, learned once more from the second
    (with another random network), and both are judged on the last, half of which chooses names and fits
    regressions that are scored on the other half.

    Parameters
    ----------
    source : Any
        A run folder; a file of embeddings, with `images` beside it; otherwise a data set, named as
        `eigenstep.training.TrainConfig.data`, whose modes are found in closed form; or embeddings (n, d) as
        an array or tensor, with `images` (n, C, H, W).
    images : Any
        Of a file the data set that its rows are of; of a run other images than its own; of arrays the images.
    labels : Any
        True needs the data set's labels, False leaves them alone, None takes them where every image has one;
        for arrays (n,) integers.
    table : str | Path | None
        a file, .csv or .parquet, with a row for each image of the data set: its columns of numbers are
        statistics too.
    beside : str | Path | None
        A run like the one explained but for its seed: another random network.
    column : str | None
        Of a file its embeddings.
    what : What
        a run's embedding, or its backbone's features.
    count : int | None
        Images at most; default: 3,000 for a data set, 1,500 for runs and files.
    read : ImagesConfig | None
        How images are read; default: see `usual_reading`.
    closed_form : ClosedForm | None
        How the modes of a data set are found; of nothing else.
    device : str
        Auto, cpu or cuda, for a run's network.
    progress : Callable[[str], None] | None
        Called with what is done next.

    Raises
    ------
    ValueError, FileNotFoundError
        In one line: too few images, images and rows that do not match, images that are all the same, labels
        of one class or for some images only, embeddings that are not finite, no mode that is learned.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> images = rng.integers(0, 60, size=(300, 1, 8, 8)) + rng.integers(0, 190, size=(300, 1, 1, 1))
    >>> embeddings = images.mean(axis=(1, 2, 3))[:, None] + rng.normal(size=(300, 2))
    >>> found = explain_modes(embeddings, images=images.astype(np.uint8))
    >>> found.modes[0].name
    'brightness'
    """
    tell = progress or (lambda text: None)
    kind = _kind_of(source, images)
    task = Task("arrays" if kind == "arrays" else str(source), kind, table, labels, seed, tell)
    _refuse_others(task, images, beside, column, what, closed_form)
    if count is None:
        count = COUNT if kind == "data" else EMBEDDED
    if kind == "arrays":
        return _of_embedded(_given(source, images, labels), task, None, ())
    if kind == "run":
        config = load_config(Path(source) / "config.yaml")
        read = check_reading_of_run(read or reading_of_run(config, images), config, source)
        chosen = choose_images(images or config.data, read, count, labels=labels, seed=seed, tell=tell)
        task.parts(chosen)  # raises before any image is embedded
        other = None if beside is None else Path(beside)
        embedded = embed_run(Path(source), chosen, other, what, device, tell)
        return _of_embedded(embedded, task, beside, read.show)
    if kind == "file":
        read = read or usual_reading(source, images)
        embedded = embed_file(Path(source), column, images, read, count, labels, seed, tell)
        return _of_embedded(embedded, task, None, read.show)
    form, read = closed_form or ClosedForm(), read or ImagesConfig()
    chosen = choose_images(str(source), read, count, labels=labels, seed=seed, tell=tell)
    if chosen.total == 1 and embeddings_suffix(Path(source)):
        raise ValueError(
            f"{source} holds a single image; if it is a file of embeddings, name the images that its rows are"
            " of with --data DATA"
        )
    parts = task.parts(chosen)
    found = closed_form_modes(chosen.images, parts, form, seed, tell)
    by = f"{OTHER_IMAGES} and {OTHER_NETWORK}" if form.is_random else OTHER_IMAGES
    told = f"--kernel {form.kernel} has no random network: only other images were tried"
    notes = [] if form.is_random else [told]
    return judge([found], chosen, parts, task, again_by=by, notes=notes, show=read.show)


def usual_reading(source: str | Path, images: str | None = None) -> ImagesConfig:
    """How `explain_modes` reads images: those of a run, and of a file of its embeddings, as the run does.

    Parameters
    ----------
    source : str | Path
        As for `explain_modes`.
    images : str | None
        Other images for a run to embed, or the data set that a file's rows are of.

    Examples
    --------
    >>> usual_reading("photos").size
    32
    """
    kind = _kind_of(source, images)
    if kind == "run":
        return reading_of_run(load_config(Path(source) / "config.yaml"), images)
    if kind == "file":
        return reading_of_file(open_rows(source).description, images)
    return ImagesConfig()


def _kind_of(source: Any, images: Any) -> str:
    """Arrays, a run, a file of embeddings or a data set; raises for a prediction, and for a missing file."""
    if not isinstance(source, str | Path):
        return "arrays"
    path = Path(source).expanduser()
    if is_prediction(path):
        raise ValueError(f"{source} is a prediction; expected a data set, a run or a file of embeddings")
    if is_run(path) and (path / "config.yaml").exists():
        return "run"
    if images is not None and embeddings_suffix(path) and not path.exists():
        raise FileNotFoundError(f"there is no file of embeddings {source}")
    is_file = path.is_file() and embeddings_suffix(path) is not None
    return "file" if is_file and (images is not None or _says_its_data(path)) else "data"


def _says_its_data(path: Path) -> bool:
    try:
        return bool(open_rows(path).description)
    except ValueError:  # no embeddings: a table of images
        return False


def _refuse_others(
    task: Task, images: Any, beside: Any, column: str | None, what: What, closed_form: ClosedForm | None
) -> None:
    """Raise ValueError if an option does not apply to such a source."""
    if beside is not None and task.kind != "run":
        raise ValueError(f"--beside is an option for a run, and {task.name} is none")
    if images is not None and task.kind == "data":
        raise ValueError(
            f"--data names the images of a run or of a file of embeddings, and {task.name} is neither"
        )
    if column is not None and task.kind != "file":
        raise ValueError(
            f"--column is an option for a file of embeddings, and {task.name} is none; the column of a data"
            " set's images is named with --images.column"
        )
    if what != "embedding" and task.kind != "run":
        raise ValueError(f"--what is an option for a run, and {task.name} is none")
    if closed_form is not None and task.kind != "data":
        raise ValueError(
            "--kernel, --backbone, --order, --components, --n-views and --views are options for a data set,"
            f" and {task.name} is none"
        )


def _given(source: Any, images: Any, labels: Any) -> Embedded:
    """Arrays, checked."""
    values, pixels = _array(source), _array(images)
    if pixels.ndim != 4 or values.ndim != 2 or len(values) != len(pixels):
        raise ValueError(
            "expected embeddings (n, d) and images (n, C, H, W) of the same n, got shapes"
            f" {values.shape} and {pixels.shape}"
        )
    numbers = None
    if labels is not None and labels is not False:
        numbers = _array(labels)
        if numbers.shape != (len(values),) or numbers.dtype.kind not in "iu":
            raise ValueError(
                f"labels: expected an integer for each of the {len(values)} images, got {numbers.dtype}"
                f" {numbers.shape}"
            )
        if len(np.unique(numbers)) < 2:
            raise ValueError("labels: expected two classes or more, all images have the same label")
    return Embedded(ChosenImages(pixels, np.arange(len(pixels)), len(pixels), numbers), [Snapshot(0, values)])


def _array(given: Any) -> NDArray[Any]:
    return given.detach().cpu().numpy() if isinstance(given, Tensor) else np.asarray(given)


def _of_embedded(embedded: Embedded, task: Task, beside: Any, show: tuple[int, ...]) -> Explanation:
    chosen, last = embedded.chosen, embedded.snapshots[-1]
    parts, moments = task.parts(chosen), []
    for each in embedded.snapshots:
        when, step = (f"at step {each.step:,}", each.step) if task.kind == "run" else ("", None)
        other = embedded.beside if each is last else None
        if each.learned == 0 and each is not last:
            continue
        try:
            moments.append(principal_modes(each.values, parts, other, when, step, each.learned or MOST))
        except ValueError:
            if each is last:
                raise
            # Before anything is learned an embedding may not vary.
    notes, again_by = [], OTHER_IMAGES
    if last.learned:
        notes.append(f"of a small start only modes that have risen count: {last.learned} in the end")
    elif last.learned == 0:
        notes.append("no mode of this small start has risen yet: what is shown is that of its start")
    if beside is None:
        more = "; --beside RUN names a run of another seed" if task.kind == "run" else ""
        notes.append(f"only other images were tried to find modes again, no other network{more}")
    else:
        again_by = f"{OTHER_IMAGES} and {OTHER_NETWORK}, {beside}"
    found = judge(moments, chosen, parts, task, again_by=again_by, notes=notes, show=show)
    directions = moments[-1].directions
    if embedded.network is None or directions is None:
        return found
    by_mode = [one for one in found.modes for _ in range(one.first, one.last + 1)]
    turned = directions[1] * np.array([[one.sign] for one in by_mode])
    source = f"{task.name} {moments[-1].when}"
    names = [one.name for one in by_mode]
    scored = ModeDirections(directions[0], turned, names, embedded.what, embedded.network, source)
    return dataclasses.replace(found, directions=scored)

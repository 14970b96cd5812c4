"""The demonstration: a linear model against its closed form, networks, and what there is to say of them."""

from pathlib import Path
from time import monotonic

from eigenstep.images import photo_patches
from eigenstep.machine import set_threads
from eigenstep.record import RunRecord, atomic_remove, foreign_entries, found_entries, locked_folder
from eigenstep.report import write_report
from eigenstep.reproduce._demo_page import write_demo_page
from eigenstep.reproduce._demo_wings import fast_beside_plain, meanings, which_augmentations
from eigenstep.reproduce._e2_three_losses import GENTLE_VIEWS
from eigenstep.reproduce._linear_model import LinearModelExperiment
from eigenstep.terminal import follow, print_prediction, print_runs, progress_line
from eigenstep.training import CheckpointConfig, OptimizerConfig, RecordConfig, TrainConfig, train

# Each until its modes have come: what a run learns, and its steps.
PLAIN, FAST = "barlow_twins", "barlow_twins-muon"
STEPS = {PLAIN: 300, FAST: 90, "simclr": 220, "vicreg": 100}
# Half of a training's usual batch, which shows the same modes in half the time.
BATCH = 128
PAGES = ("index.html", "report.html", "modes.html", "modes.json", "comparison.html", "augmentations.html")


def demonstrate(out: Path, overwrite: bool = False, threads: int = 2) -> Path:
    """Run everything on patches of two photographs that come with scikit-learn, and on its digits.

    Returns
    -------
    Path
        The page to open, index.html; the report and the wings' pages are linked from it.

    Raises
    ------
    FileExistsError
        If `out` holds something and `overwrite` is not given, if it holds what is not a demonstration, or if
        another process writes there.

    Examples
    --------
    A minute of two cores:

    >>> demonstrate(Path("runs/demo")).name  # doctest: +SKIP
    'index.html'

    What is not a demonstration is left alone:

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     (Path(folder) / "thesis.tex").touch()
    ...     try:
    ...         demonstrate(Path(folder), overwrite=True)
    ...     except FileExistsError as error:
    ...         print(str(error).removeprefix(folder))
     holds what is not a demonstration (thesis.tex); use another --out
    """
    began = monotonic()
    with locked_folder(out):
        _make_room(out, overwrite)
        set_threads(threads)
        with progress_line("linear model") as line:
            linear = LinearModelExperiment(subtract_crop_mean=True, dtype="float32").run(
                photo_patches(500, 24),
                out / "linear",
                lambda step, steps, loss: line.update(step, steps, f"loss {loss:.2f}"),
            )
        runs = [linear, *(_network(name, out, threads) for name in STEPS)]
        report = write_report(out)
        wings = [
            meanings(out),
            fast_beside_plain(out / PLAIN, out / FAST),
            which_augmentations(out),
        ]
        page = write_demo_page(out, report, runs, wings, monotonic() - began)
        print_prediction(linear)
        print_runs(runs)
        for wing in wings:
            wing.say()
        return page


def _network(name: str, out: Path, threads: int) -> RunRecord:
    """A small network's run; checkpoints are close enough to look at each mode soon after it came."""
    config = TrainConfig(
        loss=PLAIN if name == FAST else name,
        steps=STEPS[name],
        batch_size=BATCH,
        views=GENTLE_VIEWS,
        threads=threads,
        optimizer=OptimizerConfig(name="muon" if name == FAST else "sgd"),
        record=RecordConfig(every=5),
        checkpoint=CheckpointConfig(every=10, keep=100),
    )
    with follow(name) as progress:
        return train(config, out / name, progress=progress)


def _make_room(out: Path, overwrite: bool) -> None:
    found = [out / name for name in found_entries(out)]
    if not found:
        return
    if not overwrite:
        raise FileExistsError(f"{out} exists; use --overwrite to replace it, or another --out")
    ours = {*STEPS, *PAGES, "linear"}
    others = [
        entry.name for entry in found if entry.name not in ours or (entry.is_dir() and foreign_entries(entry))
    ]
    if others:
        raise FileExistsError(
            f"{out} holds what is not a demonstration ({', '.join(others[:3])}); use another --out"
        )
    for entry in found:
        atomic_remove(entry)

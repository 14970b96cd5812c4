"""The demonstration: a linear model against its closed form, three networks, one report."""

from pathlib import Path

from eigenstep.images import photo_patches
from eigenstep.machine import set_threads
from eigenstep.record import atomic_remove, foreign_entries, found_entries, locked_folder
from eigenstep.report import write_report
from eigenstep.reproduce._e2_three_losses import GENTLE_VIEWS
from eigenstep.reproduce._linear_model import LinearModelExperiment
from eigenstep.terminal import follow, print_prediction, print_runs, progress_line
from eigenstep.training import RecordConfig, TrainConfig, train

LOSSES = ("barlow_twins", "simclr", "vicreg")


def demonstrate(out: Path, overwrite: bool = False, threads: int = 2) -> Path:
    """Run everything on patches of two photographs that come with scikit-learn; returns the report's path.

    Raises
    ------
    FileExistsError
        If `out` holds something and `overwrite` is not given, if it holds what is not a demonstration, or if
        another process writes there.
    """
    with locked_folder(out):
        _make_room(out, overwrite)
        set_threads(threads)
        with progress_line("linear model") as line:
            linear = LinearModelExperiment(subtract_crop_mean=True).run(
                photo_patches(500, 24),
                out / "linear",
                lambda step, steps, loss: line.update(step, steps, f"loss {loss:.2f}"),
            )
        networks = []
        for loss in LOSSES:
            config = TrainConfig(loss=loss, views=GENTLE_VIEWS, threads=threads, record=RecordConfig(every=5))
            with follow(loss) as progress:
                networks.append(train(config, out / loss, progress=progress))
        report = write_report(out)
        print_prediction(linear)
        print_runs([linear, *networks])
        return report


def _make_room(out: Path, overwrite: bool) -> None:
    found = [out / name for name in found_entries(out)]
    if not found:
        return
    if not overwrite:
        raise FileExistsError(f"{out} exists; use --overwrite to replace it, or another --out")
    ours = {*LOSSES, "linear", "report.html"}
    others = [
        entry.name for entry in found if entry.name not in ours or (entry.is_dir() and foreign_entries(entry))
    ]
    if others:
        raise FileExistsError(
            f"{out} holds what is not a demonstration ({', '.join(others[:3])}); use another --out"
        )
    for entry in found:
        atomic_remove(entry)

"""Figure of E1: loss and eigenvalues of the linear model, the closed form laid over them."""

from pathlib import Path

import numpy as np

from eigenstep.record import RunRecord
from eigenstep.reproduce.figures._style import INK, figure, mark_half_times, mode_colours
from eigenstep.theory import loss_curve, mode_eigenvalues


def staircase_figure(record: RunRecord, path: Path) -> None:
    """Write `path`.png and `path`.pdf of a run that has a prediction."""
    assert record.prediction is not None
    assert record.eigenvalues is not None
    gamma, scales, half_times = (
        np.array(record.prediction[name]) for name in ("gamma", "start_scales", "half_times")
    )
    times, measured = record.eigenvalues["time"], record.eigenvalues["cross_correlation"]
    first = times[times >= half_times.min() / 6][0]
    grid = np.geomspace(first, times[-1], 1500)
    curves = mode_eigenvalues(gamma, scales, grid, record.prediction["learning_rate"])
    shown = times >= first
    with figure(path, 4.0) as drawn:
        above, below = drawn.subplots(2, 1, sharex=True)
        mark_half_times((above, below), half_times.tolist())
        above.plot(times[shown], record.metrics["loss"][shown], color=INK, linewidth=2.2, alpha=0.35)
        above.plot(grid, loss_curve(curves), color=INK, linewidth=0.9, linestyle=(0, (4, 2)))
        for mode, colour in enumerate(mode_colours(len(gamma))):
            below.plot(times[shown], measured[shown, mode], color=colour, linewidth=2.2, alpha=0.35)
            below.plot(grid, curves[:, mode], color=colour, linewidth=0.9, linestyle=(0, (4, 2)))
        above.set(xscale="log", ylabel="loss", title="Barlow Twins loss of a linear model")
        above.set_yticks(range(0, len(gamma) + 1, 2))
        above.legend(above.get_lines()[-2:], ["trained", "closed form"], loc="upper right")
        below.set(xlabel="t = learning rate × step", ylabel="eigenvalues of C", xlim=(first, times[-1]))
        below.set_title("one eigenvalue at a time")

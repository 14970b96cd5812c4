"""Figure of E2: loss and eigenvalues of one run a column."""

from pathlib import Path

from eigenstep.record import RunRecord
from eigenstep.report._facts import loss_name
from eigenstep.reproduce.figures._style import INK, draw_eigenvalues, figure, mark_half_times


def losses_figure(records: list[RunRecord], path: Path) -> None:
    """Write `path`.png and `path`.pdf of runs side by side, each named by its loss."""
    with figure(path, 3.4) as drawn:
        panels = drawn.subplots(2, len(records), sharex="col", squeeze=False)
        for record, (above, below) in zip(records, panels.T, strict=True):
            assert record.eigenvalues is not None
            rises = (record.summary or {}).get("rises", [])
            mark_half_times((above, below), [rise["half_time"] for rise in rises])
            above.plot(record.metrics["time"], record.metrics["loss"], color=INK)
            above.set_title(loss_name(record))
            draw_eigenvalues(
                below,
                record.eigenvalues["time"],
                record.eigenvalues["cross_correlation"],
                [rise["mode"] for rise in rises],
            )
            below.set(xlabel="t = learning rate × step", xlim=(0, record.metrics["time"][-1]))
            below.set_ylim(bottom=min(0.0, below.get_ylim()[0]))
        panels[0, 0].set_ylabel("loss")
        panels[1, 0].set_ylabel("eigenvalues of C")

"""What runs and predictions have learned, as tables."""

from collections.abc import Iterable, Sequence

import numpy as np
from rich.table import Table

from eigenstep.analysis import analyse
from eigenstep.record import RunRecord
from eigenstep.terminal._progress import console


def print_table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table whose first column is text and whose others are numbers.

    Examples
    --------
    >>> print_table("Runs", ["run", "modes"], [["mine", "4"]])
    Runs
    ┏━━━━━━┳━━━━━━━┓
    ┃ run  ┃ modes ┃
    ┡━━━━━━╇━━━━━━━┩
    │ mine │     4 │
    └──────┴───────┘
    """
    console.print(title, style="bold", soft_wrap=True)
    table = Table(header_style="")
    for index, name in enumerate(header):
        table.add_column(name, justify="right" if index else "left")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def print_prediction(record: RunRecord) -> None:
    """Print each mode's predicted and measured half-time, and the worst relative error.

    Examples
    --------
    >>> import tempfile
    >>> from eigenstep.record import RecordWriter, read_record
    >>> writer = RecordWriter(tempfile.mkdtemp(), 2)
    >>> prediction = {"gamma": [2.0, 1.0], "half_times": [0.8, 1.7], "start_scales": [0.001, 0.001]}
    >>> writer.write_prediction(prediction)
    >>> writer.append(0, 0.0, {"cross_correlation": np.ones(2), "covariance": np.ones(2)}, loss=1.0)
    >>> rises = [{"mode": 0, "half_time": 0.81}, {"mode": 1, "half_time": 1.7}]
    >>> writer.finish("finished", step=0, rises=rises)
    >>> print_prediction(read_record(writer.path))
    Linear model: when each mode is learned (t = learning rate × step)
    ┏━━━━━━┳━━━━━━━┳━━━━━━━━━━━┳━━━━━━━━━━┳━━━━━━━━┓
    ┃ mode ┃ gamma ┃ predicted ┃ measured ┃  error ┃
    ┡━━━━━━╇━━━━━━━╇━━━━━━━━━━━╇━━━━━━━━━━╇━━━━━━━━┩
    │ 1    │     2 │       0.8 │     0.81 │ +1.25% │
    │ 2    │     1 │       1.7 │      1.7 │ +0.00% │
    └──────┴───────┴───────────┴──────────┴────────┘
    worst error 1.25%
    """
    assert record.prediction is not None
    assert record.summary is not None
    gamma, predicted = np.array(record.prediction["gamma"]), np.array(record.prediction["half_times"])
    measured = {rise["mode"]: rise["half_time"] for rise in record.summary["rises"]}
    errors = np.array([measured.get(mode, np.inf) / time - 1 for mode, time in enumerate(predicted)])
    print_table(
        "Linear model: when each mode is learned (t = learning rate × step)",
        ["mode", "gamma", "predicted", "measured", "error"],
        [
            [
                str(mode + 1),
                f"{gamma[mode]:.4g}",
                f"{predicted[mode]:.4g}",
                f"{measured.get(mode, np.inf):.4g}",
                f"{errors[mode]:+.2%}",
            ]
            for mode in range(len(gamma))
        ],
    )
    console.print(f"worst error {np.abs(errors).max():.2%}\n")


def print_runs(records: list[RunRecord]) -> None:
    """Print what each run learned.

    At which step each of its modes reached half of its plateau, where its loss stands, and how many more
    steps the next mode would take.

    Examples
    --------
    >>> import tempfile
    >>> from eigenstep.record import RecordWriter, read_record
    >>> writer, times = RecordWriter(tempfile.mkdtemp() + "/mine", 2), np.linspace(0, 6, 121)
    >>> for step, curve in enumerate(1 / (1 + np.exp(-8 * (times[:, None] - [1.0, 2.5])))):
    ...     both = {"cross_correlation": curve, "covariance": curve}
    ...     writer.append(step, times[step], both, loss=((1 - curve) ** 2).sum())
    >>> print_runs([read_record(writer.path)])
    What was learned
    ┏━━━━━━┳━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━━━┓
    ┃ run  ┃        loss ┃ learned modes ┃ steps at which they rose ┃
    ┡━━━━━━╇━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━━━┩
    │ mine │ 2.00 → 0.00 │             2 │                    20 50 │
    └──────┴─────────────┴───────────────┴──────────────────────────┘
    """
    rows, said = [], []
    for record in records:
        found, loss = analyse(record), record.metrics["loss"]
        steps = np.interp(
            [rise.half_time for rise in found.rises], record.metrics["time"], record.metrics["step"]
        )
        rows.append(
            [
                record.name,
                f"{loss[0]:.2f} → {loss[-1]:.2f}",
                str(found.learned),
                " ".join(f"{step:.0f}" for step in steps),
            ]
        )
        if found.loss_standing is not None:
            said.append(f"{record.name}: loss {found.loss_standing.sentence}")
        if found.forecast.steps_more is not None:
            said.append(f"{record.name}: {found.forecast.sentence}")
    print_table("What was learned", ["run", "loss", "learned modes", "steps at which they rose"], rows)
    for sentence in said:
        console.print(sentence, soft_wrap=True)

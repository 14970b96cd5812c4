"""The subcommand `predict`."""

import dataclasses
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import tyro

from eigenstep.cli._parse import Flag
from eigenstep.cli._train import option_value
from eigenstep.spelling import printable

SHOWN = 16


def predict_command(arguments: list[str]) -> Callable[..., Any]:
    """The subcommand `predict`, with the defaults of the run that is named."""
    if arguments[:1] != ["predict"]:
        return _predict_in_short  # the list of subcommands is shown without loading what predicting needs
    from eigenstep.prediction import PredictConfig, config_of_run

    named = option_value(arguments, "--run")
    defaults = config_of_run(named) if named else PredictConfig()

    def command(
        settings: Annotated[PredictConfig, tyro.conf.arg(name="")] = defaults,
        run: Path | None = None,
        at: str | None = None,
        fit: Path | None = None,
        out: Path | None = None,
        overwrite: Flag = False,
    ) -> None:
        """Predict which modes a loss learns from images, in which order and when, without training.

        Parameters
        ----------
        settings : Annotated[PredictConfig, tyro.conf.arg(name='')]
            The configuration.
        run : Path | None
            Predict this run: its data, views, loss, optimiser and initial network are the defaults.
        at : str | None
            Take the run's tangent kernel at init, final or a step's number; the same as --ntk.at.
        fit : Path | None
            A run whose measured times set one constant, shown beside the unfitted prediction.
        out : Path | None
            Folder of the prediction; default: runs/DATA-LOSS-KERNEL-predicted, with a number if that exists.
        overwrite : Flag
            Replace the prediction in the folder.
        """
        from eigenstep.prediction import predict
        from eigenstep.terminal import console, print_table

        if at is not None:
            settings = dataclasses.replace(settings, ntk=dataclasses.replace(settings.ntk, at=at))
        if out is None and overwrite:
            raise ValueError("--overwrite needs --out FOLDER, the prediction to replace")
        name = "-".join([Path(settings.data).name, settings.loss, settings.kernel, "predicted"])
        record = predict(
            settings,
            out or Path("runs") / name,
            run=run,
            fit=fit,
            overwrite=overwrite,
            numbered=out is None,
            progress=lambda text: console.print(text),
        )
        folder = record.path
        prediction = record.prediction or {}
        rows = _rows(prediction)
        header = ["mode", "gamma", "half-learned at t", "step"] + ["fitted t"] * (fit is not None)
        print_table("Predicted learning (t = learning rate × step)", header, rows[:SHOWN])
        if len(rows) > SHOWN:
            console.print(f"{len(rows) - SHOWN} more modes are in {folder / 'prediction.json'}")
        if fitted := prediction["fit"]:
            console.print(
                f"fitted: times are {fitted['time_factor']:.3g} times the predicted ones, one constant set by"
                f" {len(fitted['modes'])} measured modes of {fitted['run']}",
                soft_wrap=True,
            )
        for note in prediction["notes"]:
            console.print(f"note: {note}", soft_wrap=True)
        print(printable(f"prediction: {folder}\nreport: eigenstep report {shlex.quote(str(folder))}"))

    command.__name__ = "predict"
    return command


def _predict_in_short() -> None:
    """Predict which modes a loss learns from images, in which order and when, without training."""


def _rows(prediction: dict[str, Any]) -> list[list[str]]:
    rows = []
    fitted = (prediction["fit"] or {}).get("half_times")
    for mode, (time, step) in enumerate(zip(prediction["half_times"], prediction["half_steps"], strict=True)):
        gamma = prediction["gamma"][mode] if mode < len(prediction["gamma"]) else None
        row = [str(mode + 1), *(_number(value) for value in (gamma, time)), _number(step, ".0f")]
        rows.append(row + ([_number(fitted[mode])] if fitted else []))
    return rows


def _number(value: float | None, form: str = ".4g") -> str:
    return "–" if value is None else format(value, form)

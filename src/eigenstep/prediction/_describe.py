"""What a prediction says of itself in its files."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eigenstep.methods import is_centered
from eigenstep.prediction._clock import CourseClock
from eigenstep.prediction._config import PredictConfig
from eigenstep.prediction._course import Course
from eigenstep.prediction._measured import fit_time
from eigenstep.prediction._modes import KernelModes
from eigenstep.prediction._moments import Predicted
from eigenstep.record import RunRecord
from eigenstep.training import TrainConfig


def written_config(config: PredictConfig, run: str | Path | None) -> dict[str, Any]:
    """The content of `config.yaml`: the configuration, of what is not used nothing."""
    tree: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    if config.kernel != "ntk":
        has_network = run is not None or config.kernel == "features"
        unused = ["ntk"] if has_network else ["ntk", "backbone", "backbone_weights"]
        tree = {name: value for name, value in tree.items() if name not in unused}
    return {"kind": "prediction", "run": None if run is None else str(run)} | tree


def described(
    config: PredictConfig,
    training: TrainConfig,
    modes: KernelModes,
    course: Course,
    clock: CourseClock,
    found: Predicted,
) -> dict[str, Any]:
    """The content of `prediction.json`, without a fit.

    Of a closed form half times and plateaus are those of the modes, of a course in steps those of the
    eigenvalues by rank.
    """
    descent = clock.descent
    half_times = found.half_times if config.in_steps else course.half_times
    return {
        "course": "steps" if config.in_steps else "closed",
        "rule": _rule(training),
        "preconditioner": dataclasses.asdict(course.modes[0].preconditioner) if course.modes else None,
        "gamma": course.gamma.tolist(),
        "next_gamma": modes.next_gamma,
        "start_scales": course.start_scales.tolist(),
        "growth_rates": course.growth_rates.tolist(),
        "half_times": _finite(half_times),
        "mode_half_times": _finite(found.mode_times),
        "half_steps": _finite(_steps(half_times, found)),
        "plateaus": _finite(found.plateaus if config.in_steps else course.plateaus),
        "learning_rate": descent and descent.learning_rate,
        "momentum": descent and descent.momentum,
        "nesterov": descent and descent.nesterov,
        "centred": is_centered(training),
        "fit": None,
    }


def fitted(
    run: str | Path, record: RunRecord, found: Predicted, half_times: list[float | None]
) -> dict[str, Any]:
    """The constant that makes predicted half times a run's measured ones, and what it was fitted to.

    It is fitted by rank: `modes` are places in the order of learning, from 0, of which both have a time, and
    `measured` are the run's times of these. `half_times` are the factor times those given, which stand in
    `prediction.json`, in the order that they have there.

    Raises
    ------
    ValueError
        If the run has learned no mode.
    """
    times = fit_time(record, found.half_times, found.plateaus)
    return {
        "run": str(run),
        "time_factor": times.time_factor,
        "modes": times.modes.tolist(),
        "measured": times.measured.tolist(),
        "half_times": [None if time is None else times.time_factor * time for time in half_times],
    }


def notes(
    config: PredictConfig, training: TrainConfig, modes: KernelModes, clock: CourseClock, batch_norm: bool
) -> list[str]:
    """What a reader of the figures should know of how they came about."""
    dim, found, said = config.projector.dim, len(modes.gamma), []
    if found < dim:
        said.append(f"{found} of {dim} dimensions have a mode that is learned; the others stay at zero")
    if training.optimizer.name == "muon":
        said.append(
            "the optimiser is muon, whose times no kernel foretells: what is foretold is which modes come,"
            " and that those of larger gamma come first. Times are those of the kernel's gradient flow, steps"
            " are nominal; a linear model's half-times spread as 1/gamma in these, under muon as"
            " 1/sqrt(gamma)"
        )
    elif clock.descent is None:
        said.append("time is that of the kernel's gradient flow, which is no network's; steps are nominal")
    if _rule(training) == "preconditioned" and not config.in_steps:
        said.append(
            "the preconditioner takes each mode's own variance over all pairs at the moment: the lag of a"
            " running covariance, and momentum's, bring modes sooner, with .9 of both 1.2 to 1.9 times at"
            " power 1/2 and up to 2.3 times at power 1; --course steps has them"
        )
    if clock.descent is None:
        return said
    if training.optimizer.name != "sgd":
        said.append(
            f"the optimiser is {training.optimizer.name}, whose steps no kernel foretells: times are those of"
            " SGD without momentum at its learning rate"
        )
    if training.optimizer.weight_decay:
        said.append("weight decay is left out")
    if config.loss == "barlow_twins" and training.barlow_twins.lambda_param != 1 and not config.in_steps:
        said.append("the weight of off-diagonal terms is taken as 1")
    if config.kernel == "ntk" and batch_norm:
        said.append(
            "batch normalisation is taken in evaluation mode, with "
            + ("these pairs'" if config.ntk.at == "init" else "the run's")
            + " statistics: what gradients do to the statistics is left out"
        )
    return said


def _rule(training: TrainConfig) -> str:
    """As `theory` names it, of what the training does with its gradient."""
    if training.optimizer.name == "muon":
        return "orthogonalised"
    return "gradient" if training.embedding_preconditioner.power is None else "preconditioned"


def _steps(times: NDArray[np.float64], found: Predicted) -> NDArray[np.float64]:
    """The steps at these times; beyond the course its last learning rate stays."""
    steps, clock = (np.array([getattr(row, name) for row in found.rows]) for name in ("step", "time"))
    beyond = np.maximum(times - clock[-1], 0) / found.rows[-1].learning_rate
    found_steps: NDArray[np.float64] = np.interp(times, clock, steps) + beyond
    return found_steps


def _finite(values: NDArray[np.float64]) -> list[float | None]:
    """JSON has no infinity."""
    return [float(value) if np.isfinite(value) else None for value in values]

"""Whether a run can go on to more steps than it was made for, and by which configuration."""

import dataclasses
import json
from pathlib import Path

from eigenstep.encoders import find_checkpoints
from eigenstep.record import CHECKPOINTS, CONFIG, SUMMARY, read_bounded
from eigenstep.training.config import OptimizerConfig, TrainConfig, load_config


def with_more_steps(config: TrainConfig, out: Path, has_target: bool = False) -> TrainConfig:
    """The configuration of a run in `out` that is resumed with another number of steps or epochs.

    At a constant rate it is `config`: nothing else of the run depends on how many steps there are, so that it
    becomes, bit by bit, the run that had been given them from the beginning. A cosine that has ended goes on
    where `config` asks for a constant schedule instead: the rate is then `optimizer.final_rate`, or the one
    that the cosine began at, and the configuration says at which step by `optimizer.cosine_steps`.

    Parameters
    ----------
    config : TrainConfig
        What is asked for, resolved.
    has_target : bool
        Whether a target network follows the encoder, by a schedule over all steps.

    Raises
    ------
    ValueError
        In one line if the run has made more steps than that, or if its schedule has ended, or runs to an end.
    """
    try:
        before = load_config(out / CONFIG)
    except (OSError, ValueError):
        return config  # what is wrong with the folder is told elsewhere
    done = _steps_done(out)
    optimizer = before.optimizer
    if (config.steps, config.epochs) == (before.steps, before.epochs) or not done:
        return config
    if config.steps is not None and config.steps < done:
        raise ValueError(fewer_steps(out, done, config.steps))
    asked = f"{config.steps} steps" if config.steps is not None else f"{config.epochs} epochs"
    if has_target:
        raise ValueError(
            f"{out} cannot go on to {asked}: its target network follows by a momentum that reaches 1 at the"
            f" last step; start another run from its weights with --backbone-weights {out}"
        )
    if optimizer.schedule == "constant":
        return config
    if optimizer.cosine_steps is not None and done >= optimizer.cosine_steps:
        return _same_schedule(config, before, optimizer.cosine_steps)
    ended = _has_finished(out)
    if config.optimizer.schedule == "cosine" and config.optimizer.cosine_steps is None:
        was = "has ended" if ended else "runs to the number of steps that it was begun with"
        rate = optimizer.lr if config.optimizer.final_rate is None else config.optimizer.final_rate
        raise ValueError(
            f"{out} cannot go on to {asked}: its cosine schedule {was}; --optimizer.schedule constant goes on"
            f" {'' if ended else 'once it has ended '}at the constant rate {rate:g}"
            " (--optimizer.final-rate sets another)"
        )
    if not ended:
        raise ValueError(
            f"{out} cannot go on to {asked} yet: its cosine schedule has not ended; let it end with"
            " --resume alone"
        )
    return _same_schedule(config, before, done)


def check_schedule(optimizer: OptimizerConfig) -> None:
    """Refuse, in one line, what is about a cosine where there is none, in a run's own configuration."""
    if optimizer.schedule == "cosine":
        return
    if optimizer.cosine_steps is not None:
        raise ValueError("--optimizer.cosine-steps is where a cosine ends; give --optimizer.schedule cosine")
    if optimizer.final_rate is not None:
        raise ValueError(
            "--optimizer.final-rate is the rate after a cosine; give --optimizer.schedule cosine"
        )


def as_before(config: TrainConfig, before: TrainConfig) -> TrainConfig:
    """What a run was made with, except for what may differ when it continues: its steps and final rate."""
    optimizer, after = before.optimizer, config.optimizer
    if (config.steps, config.epochs) != (before.steps, before.epochs) and optimizer.schedule == "cosine":
        optimizer = dataclasses.replace(
            optimizer, cosine_steps=after.cosine_steps, final_rate=after.final_rate
        )
    return dataclasses.replace(before, steps=config.steps, epochs=config.epochs, optimizer=optimizer)


def constant_from(config: TrainConfig) -> list[str]:
    """What is said of a run that goes on after its cosine, nothing of others."""
    optimizer = config.optimizer
    if optimizer.cosine_steps is None:
        return []
    rate = optimizer.lr if optimizer.final_rate is None else optimizer.final_rate
    return [f"from step {optimizer.cosine_steps:,} on the learning rate is constant: {rate:g}"]


def fewer_steps(out: Path, done: int, asked: int) -> str:
    """What is said where a run is past its end."""
    return f"{out} has made {done} steps, expected at least as many, got --steps {asked}"


def _same_schedule(config: TrainConfig, before: TrainConfig, ended: int) -> TrainConfig:
    """The cosine as it was, and the constant rate from its end on."""
    rate = config.optimizer.final_rate
    optimizer = dataclasses.replace(
        config.optimizer,
        schedule="cosine",
        cosine_steps=ended,
        final_rate=before.optimizer.final_rate if rate is None else rate,
    )
    return dataclasses.replace(config, optimizer=optimizer)


def _steps_done(out: Path) -> int:
    kept = find_checkpoints(out / CHECKPOINTS)
    return int(kept[-1].name.rpartition("_")[2]) if kept else 0


def _has_finished(out: Path) -> bool:
    try:
        return bool(json.loads(read_bounded(out / SUMMARY, folder=out)).get("state") == "finished")
    except (OSError, ValueError, AttributeError):
        return False

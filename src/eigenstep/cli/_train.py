"""The subcommand `train`."""

import dataclasses
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from eigenstep.cli._parse import Flag
from eigenstep.spelling import printable

if TYPE_CHECKING:
    from eigenstep.optim import OptimizerConfig
    from eigenstep.record import RunRecord
    from eigenstep.training import TrainConfig

# A file of augmentations, which stands beside the options that change it.
SetOption = Annotated[Path | None, tyro.conf.arg(name="views.set")]


def train_command(arguments: list[str]) -> Callable[..., Any]:
    """The subcommand `train`, with the defaults of the recipe, configuration file or run that is named."""
    if arguments[:1] != ["train"]:
        return _train_in_short  # the list of subcommands is shown without loading what training needs
    from eigenstep.training import TrainConfig

    defaults, former = named_defaults(arguments)

    def run(
        settings: Annotated[TrainConfig, tyro.conf.arg(name="")] = defaults,
        recipe: str | None = None,
        config: Path | None = None,
        views_set: SetOption = None,
        out: Path | None = None,
        resume: Flag = False,
        overwrite: Flag = False,
        take_over: Flag = False,
        quiet: Flag = False,
    ) -> None:
        """Train an encoder on unlabelled images and record the spectrum of its embeddings.

        Parameters
        ----------
        settings : Annotated[TrainConfig, tyro.conf.arg(name='')]
            The configuration.
        recipe : str | None
            Take the defaults of all options from this recipe; `eigenstep recipes` lists them.
        config : Path | None
            Take the defaults of all options from this config.yaml, as a run writes it.
        views_set : Path | None
            Take the augmentations from this YAML file, as `eigenstep augmentations` writes it; of several
            sets FILE@NAME. Other --views options beside it change them.
        out : Path | None
            Run folder; default: runs/DATA-LOSS-BACKBONE, with a number if that exists.
        resume : Flag
            Continue from the last checkpoint in the run folder.
        overwrite : Flag
            Replace the run in the run folder.
        take_over : Flag
            Write in the run folder even if a process on another machine has not released it.
        quiet : Flag
            Print only the result and errors, not the progress.
        """
        from eigenstep.analysis import update_rule
        from eigenstep.record import claim_folder, read_record, remove_if_empty
        from eigenstep.terminal import console, follow, print_runs
        from eigenstep.training import train

        if out is None and (resume or overwrite):
            raise ValueError("--resume and --overwrite need --out RUN, the folder that they apply to")
        name = "-".join([Path(settings.data).name, settings.loss, settings.backbone])
        speaks = os.environ.get("RANK", "0") == "0"  # one of the processes under torchrun
        runs, began = Path("runs"), Path("runs").exists()
        folder = out or (claim_folder(runs, name) if speaks else runs / name)
        if speaks and not quiet and defaults.optimizer != former:
            console.print(
                f"rate, momentum and the like of {former.name} are not taken over to"
                f" {settings.optimizer.name}",
                soft_wrap=True,
            )
        try:
            with follow(settings.loss, quiet=quiet or not speaks) as progress:
                record = train(
                    settings,
                    folder,
                    resume=resume,
                    overwrite=overwrite,
                    take_over=take_over,
                    progress=progress,
                )
        except FloatingPointError:
            if speaks:
                _say_advice(read_record(folder))
            raise
        except BaseException:
            if out is None and speaks:
                for claimed in [folder] if began else [folder, runs]:
                    remove_if_empty(claimed)
            raise
        if not speaks:
            return
        images = (record.summary or {})["images"]
        if images["broken"]:
            several = "images were" if images["broken"] > 1 else "image was"
            console.print(
                f"{images['broken']} broken {several} skipped: {', '.join(images['broken_names'])}",
                soft_wrap=True,
            )
        if images["damaged"]:
            console.print(
                f"{images['damaged']} damaged places were passed over: {', '.join(images['damaged_names'])}"
            )
        if images["enlarged"]:
            console.print(f"{images['enlarged']} images were smaller than the views and were enlarged")
        print_runs([record])
        rule = update_rule(record)
        if rule is not None:
            console.print(f"update rule: {rule.name} ({rule.sentence})", soft_wrap=True)
        drift = (record.summary or {}).get("drift")
        if drift:
            console.print(f"drift: {drift['sentence']}", soft_wrap=True)
        if record.probes:
            found = {
                name: values[-1] for name, values in record.probes.items() if name not in ("step", "time")
            }
            console.print(f"probes: {', '.join(f'{name} {value:.1%}' for name, value in found.items())}")
        _say_advice(record)
        seconds, recording, waiting, speed = (
            record.timings[name][-1]
            for name in ("seconds", "record_seconds", "data_seconds", "images_per_second")
        )
        shares = (
            f"; recording took {recording / seconds:.1%}, waiting for data {waiting / seconds:.1%}"
            if seconds > 0  # of a clock that stands still there is no share
            else ""
        )
        print(f"{max(seconds, 0):.0f} s, {speed:.0f} images/s{shares}")
        print(printable(f"run: {folder}\nreport: eigenstep report {shlex.quote(str(folder))}"))

    run.__name__ = "train"
    return run


def _train_in_short() -> None:
    """Train an encoder on unlabelled images and record the spectrum of its embeddings."""


def named_defaults(arguments: list[str]) -> tuple["TrainConfig", "OptimizerConfig"]:
    """The defaults of all options, of the recipe, configuration file or run that a line names.

    Returns
    -------
    defaults : TrainConfig
        The configuration.
    former : OptimizerConfig
        The optimiser that was named there; the defaults have another where the line says so.
    """
    from eigenstep.optim import for_another_optimizer
    from eigenstep.training import TrainConfig, load_config
    from eigenstep.training.recipes import load_recipe

    chosen, named, resumed = (
        option_value(arguments, "--recipe"),
        option_value(arguments, "--config"),
        option_value(arguments, "--out") if "--resume" in arguments else None,
    )
    if chosen and named:
        raise ValueError("--recipe and --config both set the defaults of all options; give one of them")
    if resumed and not (chosen or named) and (Path(resumed) / "config.yaml").is_file():
        named = str(Path(resumed) / "config.yaml")
    defaults = load_recipe(chosen) if chosen else load_config(named) if named else TrainConfig()
    if option_value(
        arguments, "--steps"
    ):  # a number of steps takes the place of the recipe's or file's epochs
        defaults = dataclasses.replace(defaults, epochs=None)
    elif option_value(arguments, "--epochs"):
        defaults = dataclasses.replace(defaults, steps=None)
    chosen_set = option_value(arguments, "--views.set")
    if chosen_set:
        from eigenstep.modes.augmentations import read_set

        defaults = dataclasses.replace(defaults, views=read_set(chosen_set).views)
    former, optimizer = defaults.optimizer, option_value(arguments, "--optimizer.name")
    if optimizer and optimizer != former.name:  # whose rate and momentum are not the recipe's or file's
        defaults = dataclasses.replace(defaults, optimizer=for_another_optimizer(former))
    return defaults, former


def _say_advice(record: "RunRecord") -> None:
    """What is wrong with the run, and what to do about it; nothing of a sound one."""
    from eigenstep.advice import advise
    from eigenstep.terminal import console

    found = advise(record)
    if found.ill:
        console.print(f"{found.sentence} (eigenstep advise {record.path})", soft_wrap=True, markup=False)


def option_value(arguments: list[str], option: str) -> str | None:
    """The value given to an option, before the whole line is parsed."""
    for argument, following in zip(arguments, [*arguments[1:], None], strict=True):
        if argument == option:
            return following
        if argument.startswith(f"{option}="):
            return argument.removeprefix(f"{option}=")
    return None

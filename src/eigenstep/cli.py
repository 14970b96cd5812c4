"""The command `eigenstep`: one subcommand a job; its options are the configuration dataclasses."""

import contextlib
import functools
import io
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from eigenstep.threads import share_cores

try:
    import tyro
except ModuleNotFoundError:  # the base install serves as a library
    sys.exit(
        "eigenstep: the command line needs more packages; install them by pip install 'eigenstep[train]'"
    )

Flag = tyro.conf.FlagCreatePairsOff[bool]


def main(arguments: list[str] | None = None) -> int:
    """Run a subcommand; returns its exit code: 0, 2 for input that cannot be used, 130 when interrupted.

    EIGENSTEP_DEBUG=1 in the environment shows the traceback behind an error's line.
    """
    share_cores()
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        job = _parse(
            {"demo": demo, "train": _train_command(arguments), "report": report, "version": version},
            arguments,
        )
        job()
    except (ValueError, OSError, FloatingPointError) as error:
        if os.environ.get("EIGENSTEP_DEBUG"):
            raise
        print(f"eigenstep: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "eigenstep: interrupted; a training goes on by --resume from its last checkpoint", file=sys.stderr
        )
        return 130
    return 0


def demo(out: Path = Path("runs/demo"), overwrite: Flag = False, threads: int = 2) -> None:
    """Train a linear model and three small networks on real photographs, and write a report (about 90 s).

    Args:
        out: Folder for the four runs and the report.
        overwrite: Replace an earlier demonstration there.
        threads: CPU threads.
    """
    from eigenstep.demo import demonstrate

    print(f"report: {demonstrate(out, overwrite, threads).resolve()}")


def report(run: tyro.conf.Positional[Path], out: Path | None = None) -> None:
    """Write one self-contained page, report.html, on a run or on a folder of runs.

    Args:
        run: A run folder, or a folder of run folders.
        out: Where to write the page; default: report.html in that folder.
    """
    from eigenstep.report import write_report

    print(f"report: {write_report(run, out).resolve()}")


def version() -> None:
    """Print the version."""
    from eigenstep import __version__

    print(__version__)


def _train_command(arguments: list[str]) -> Callable[..., Any]:
    """The subcommand `train`, whose defaults are those of the configuration file or run that is named."""
    if arguments[:1] != ["train"]:
        return _train_in_short  # the list of subcommands is shown without loading what training needs
    from eigenstep.terminal import console, follow, print_runs
    from eigenstep.training import TrainConfig, free_folder, load_config, train

    named, resumed = (
        _value(arguments, "--config"),
        _value(arguments, "--out") if "--resume" in arguments else None,
    )
    if resumed and not named and (Path(resumed) / "config.yaml").is_file():
        named = str(Path(resumed) / "config.yaml")
    defaults = load_config(named) if named else TrainConfig()

    def run(
        settings: Annotated[TrainConfig, tyro.conf.arg(name="")] = defaults,
        config: Path | None = None,
        out: Path | None = None,
        resume: Flag = False,
        overwrite: Flag = False,
    ) -> None:
        """Train an encoder on unlabelled images and record the spectrum of its embeddings.

        Args:
            settings: The configuration.
            config: Take the defaults of all options from this config.yaml, as a run writes it.
            out: Run folder; default: runs/DATA-LOSS-BACKBONE, with a number if that exists.
            resume: Go on from the last checkpoint in the run folder.
            overwrite: Replace the run in the run folder.
        """
        if out is None and (resume or overwrite):
            raise ValueError("--resume and --overwrite need --out RUN, the folder they are about")
        name = "-".join([Path(settings.data).name, settings.loss, settings.backbone])
        folder = out or free_folder(Path("runs"), name)
        with follow(settings.loss) as progress:
            record = train(settings, folder, resume=resume, overwrite=overwrite, progress=progress)
        images = (record.summary or {})["images"]
        if images["broken"]:
            console.print(
                f"{images['broken']} broken images were skipped: {', '.join(images['broken_names'])}"
            )
        if images["enlarged"]:
            console.print(f"{images['enlarged']} images were smaller than the views and were enlarged")
        print_runs([record])
        seconds, recording, speed = (
            record.timings[name][-1] for name in ("seconds", "record_seconds", "images_per_second")
        )
        print(f"{seconds:.0f} s, {speed:.0f} images/s; recording took {recording / seconds:.1%}")
        print(f"run: {folder}\nreport: eigenstep report {folder}")

    run.__name__ = "train"
    return run


def _train_in_short() -> None:
    """Train an encoder on unlabelled images and record the spectrum of its embeddings."""


def _parse(commands: dict[str, Callable[..., Any]], arguments: list[str]) -> Callable[[], Any]:
    """The subcommand with its arguments, not yet called; ValueError for arguments that do not fit."""
    messages = io.StringIO()
    try:
        with contextlib.redirect_stderr(messages):
            return tyro.extras.subcommand_cli_from_dict(
                {name: _postponed(command) for name, command in commands.items()},
                prog="eigenstep",
                description="Watch and predict how self-supervised networks learn one eigenmode at a time.",
                args=arguments,
            )
    except SystemExit as exit:
        if not exit.code:  # help was asked for and shown
            raise
        asked = next((name for name in arguments if name in commands), "")
        raise ValueError(
            f"{_in_one_line(messages.getvalue())} (see {' '.join(['eigenstep', asked]).strip()} --help)"
        ) from exit


def _postponed(command: Callable[..., Any]) -> Callable[..., Callable[[], Any]]:
    @functools.wraps(command)
    def bind(*values: Any, **named: Any) -> Callable[[], Any]:
        return functools.partial(command, *values, **named)

    return bind


def _in_one_line(box: str) -> str:
    """What tyro's framed message says first, and the option that it thinks was meant."""
    plain = re.sub(r"[╭╮╰╯│]", " ", re.sub(r"\x1b\[[\d;]*m", "", box))
    title, *paragraphs = [" ".join(text.split()) for text in re.split("[─-]{3,}", plain) if text.strip()]
    message, *hints = paragraphs or [title]
    message = re.sub(r"Error parsing \S*settings\.(\w+):", r"Error parsing --\1:", message.removesuffix("."))
    meant = re.search(r"--[\w.-]+", hints[0]) if hints and hints[0].startswith("Perhaps") else None
    return message + (f"; did you mean {meant[0]}?" if meant else "")


def _value(arguments: list[str], option: str) -> str | None:
    """The value given to an option, before the whole line is parsed."""
    for argument, following in zip(arguments, [*arguments[1:], None], strict=True):
        if argument == option:
            return following
        if argument.startswith(f"{option}="):
            return argument.removeprefix(f"{option}=")
    return None

"""The command `eigenstep`: one subcommand a job; its options are the configuration dataclasses."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eigenstep import __version__
from eigenstep.machine import Stopped, Terminated, lend_font_cache, on_sigterm, share_cores
from eigenstep.spelling import printable

try:
    import tyro
except ModuleNotFoundError:  # the base install serves as a library
    if sys.argv[1:] in (["version"], ["--version"]):
        print(__version__)
        sys.exit(0)
    sys.exit(
        "eigenstep: the command line needs more packages; install them by pip install 'eigenstep[train]'"
    )

from eigenstep.cli._advise import advise
from eigenstep.cli._augmentations import augmentations_command
from eigenstep.cli._check import check_command
from eigenstep.cli._compare import compare
from eigenstep.cli._doctor import doctor
from eigenstep.cli._embed import embed
from eigenstep.cli._export import export
from eigenstep.cli._greeting import greeting
from eigenstep.cli._images import images_command
from eigenstep.cli._modes import modes_command
from eigenstep.cli._parse import Flag, parse
from eigenstep.cli._predict import predict_command
from eigenstep.cli._probe import probe
from eigenstep.cli._recipes import recipes
from eigenstep.cli._reproduce import reproduce_command
from eigenstep.cli._spectrum import spectrum
from eigenstep.cli._train import train_command
from eigenstep.cli._view import view

# sysexits.h: the same command succeeds later.
TEMPORARY_FAILURE = 75
# What a shell says of a process that SIGPIPE ended.
BROKEN_PIPE = 141


def main(arguments: list[str] | None = None) -> int:
    """Run a subcommand; returns its exit code.

    0: done; 1: `check` has found something wrong; 2: input that cannot be used; 75: stopped by SIGTERM, as of
    a preempted job, by a full disk, or since a process that decodes images was lost: the same can be done
    later, and a training that has a checkpoint goes on; 130: interrupted; 141: nobody reads what it
    prints any more.

    EIGENSTEP_DEBUG=1 in the environment shows the traceback behind an error's line.
    """
    share_cores()
    lend_font_cache()
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments == ["--version"]:
        arguments = ["version"]
    try:
        with on_sigterm(), _warnings_in_one_line():
            if not arguments:
                print(greeting(), flush=True)
                return 0
            job = parse(
                {
                    "demo": demo,
                    "images": images_command(arguments),
                    "check": check_command(arguments),
                    "train": train_command(arguments),
                    "advise": advise,
                    "recipes": recipes,
                    "predict": predict_command(arguments),
                    "augmentations": augmentations_command(arguments),
                    "compare": compare,
                    "modes": modes_command(arguments),
                    "probe": probe,
                    "embed": embed,
                    "export": export,
                    "spectrum": spectrum,
                    "report": report,
                    "view": view,
                    "reproduce": reproduce_command,
                    "doctor": doctor,
                    "version": version,
                },
                arguments,
            )
            return int(job() or 0)
    except BrokenPipeError:  # whoever read has gone, as of `eigenstep recipes | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is written at the end
        return BROKEN_PIPE
    except (ValueError, OSError, MemoryError, FloatingPointError, Stopped) as error:
        if os.environ.get("EIGENSTEP_DEBUG"):
            raise
        if os.environ.get("RANK", "0") == "0":  # of several processes one speaks
            line = " ".join(str(error).split()) or "not enough memory"  # which MemoryError leaves unsaid
            print(f"eigenstep: {printable(line)}", file=sys.stderr)
        return TEMPORARY_FAILURE if isinstance(error, Stopped) else 2
    except Terminated:
        print("eigenstep: stopped by SIGTERM; start it again", file=sys.stderr)
        return TEMPORARY_FAILURE
    except KeyboardInterrupt:
        print(
            "eigenstep: interrupted; --resume continues a training from its last checkpoint",
            file=sys.stderr,
        )
        return 130


@contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    """The product's own warnings look as its errors do; those of other libraries as ever."""
    before, own = warnings.showwarning, str(Path(__file__).parent.parent)

    def show(message: Any, category: type[Warning], filename: str, *more: Any, **options: Any) -> None:
        if filename.startswith(own):
            print(f"eigenstep: warning: {printable(' '.join(str(message).split()))}", file=sys.stderr)
        else:
            before(message, category, filename, *more, **options)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = before


def demo(out: Path = Path("runs/demo"), overwrite: Flag = False, threads: int = 2) -> None:
    """Train small models on real images, and show what they learned, what it means and how to have it sooner.

    About a minute on two cores, without a network. The page to open is index.html.

    Parameters
    ----------
    out : Path
        Folder for the five runs and the pages.
    overwrite : Flag
        Replace an earlier demonstration there.
    threads : int
        CPU threads.
    """
    from eigenstep.reproduce import demonstrate

    print(f"page: {printable(demonstrate(out, overwrite, threads).resolve())}")


def report(run: tyro.conf.Positional[Path], out: Path | None = None) -> None:
    """Write one self-contained page, report.html, on a run or on a folder of runs.

    Parameters
    ----------
    run : tyro.conf.Positional[Path]
        A run folder, or a folder of run folders.
    out : Path | None
        Where to write the page; default: report.html in that folder.
    """
    from eigenstep.report import write_report

    print(f"report: {printable(write_report(run, out).resolve())}")


def version() -> None:
    """Print the version."""
    print(__version__)

"""The subcommand `check`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from eigenstep.cli._parse import Flag
from eigenstep.cli._train import SetOption, named_defaults
from eigenstep.spelling import printable

if TYPE_CHECKING:
    from eigenstep.advice.checks import Checked

# Something is wrong; 2 is input that cannot be used.
WRONG = 1
_STYLES = {"passed": "green", "doubtful": "yellow", "wrong": "bold red", "not checked": "dim"}


def check_command(arguments: list[str]) -> Callable[..., Any]:
    """The subcommand `check`, with the defaults of the recipe, configuration file or run that is named."""
    if arguments[:1] != ["check"]:
        return _check_in_short  # the list of subcommands is shown without loading what training needs
    from eigenstep.training import TrainConfig

    defaults, _ = named_defaults(arguments)

    def run(
        settings: Annotated[TrainConfig, tyro.conf.arg(name="")] = defaults,
        recipe: str | None = None,
        config: Path | None = None,
        views_set: SetOption = None,
        json: Flag = False,
    ) -> int:
        """Check a training before its first step: views, network, numbers, loss and batch, within 30 s.

        Takes the options of train. Three steps are made in memory on the first three batches, no file is
        written. The exit code is 1 if something is wrong, 0 otherwise, also where something is doubtful.

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
        json : Flag
            Print everything as JSON and nothing else.
        """
        from eigenstep.advice.checks.configured import check_config
        from eigenstep.machine import is_leader, set_threads

        if settings.threads:
            set_threads(settings.threads)
        checked = check_config(settings)
        if is_leader():
            _print_json(checked) if json else _print(checked)
        return 0 if checked.ok else WRONG

    run.__name__ = "check"
    return run


def _check_in_short() -> None:
    """Check a training before its first step: views, network, numbers, loss and batch, within 30 s."""


def _print(checked: "Checked") -> None:
    from rich.table import Table
    from rich.text import Text

    from eigenstep.terminal import console

    table = Table(header_style="")
    for name in ("", "check", "", "found"):
        table.add_column(name, overflow="fold")
    group = ""
    for check, finding in checked.findings:
        said = finding.sentence + (f"\n-> {finding.action}" if finding.action else "")
        shown = check.group if check.group != group else ""
        state = Text(finding.state, style=_STYLES[finding.state])
        table.add_row(shown, check.name, state, printable(said))
        group = check.group
    console.print(table)
    console.print(checked.summary)


def _print_json(checked: "Checked") -> None:
    import dataclasses
    import json

    rows = [
        {"group": check.group, "check": check.name} | dataclasses.asdict(finding)
        for check, finding in checked.findings
    ]
    print(json.dumps({"ok": checked.ok, "seconds": checked.seconds, "checks": rows}))

"""Arguments become a subcommand to call; what does not fit becomes one line."""

import contextlib
import functools
import io
import re
from collections.abc import Callable
from typing import Any

import tyro

Flag = tyro.conf.FlagCreatePairsOff[bool]


def parse(commands: dict[str, Callable[..., Any]], arguments: list[str]) -> Callable[[], Any]:
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
    # Of an option that may be left out tyro tells every kind that it has tried.
    tried = r"no type matching \{None\}\|(\S+) could be instantiated from \['(.*?)'\]\..*"
    message = re.sub(tried, r"expected \1, got '\2'", message)
    meant = re.search(r"--[\w.-]+", hints[0]) if hints and hints[0].startswith("Perhaps") else None
    return message + (f"; did you mean {meant[0]}?" if meant else "")

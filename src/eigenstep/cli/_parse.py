"""Arguments become a subcommand to call; what does not fit becomes one line."""

import contextlib
import dataclasses
import functools
import io
import re
from collections.abc import Callable
from typing import Any, Literal

import tyro

Flag = tyro.conf.FlagCreatePairsOff[bool]
# Whether to use what may not be there: where it is, in any case, or not at all.
Asked = Literal["auto", "yes", "no"]

# Options of several numbers, which may be written with commas between them as well as with spaces.
LISTS = ("images.take", "images.show", "images.range", "projector.hidden", "views.mean", "views.std")
_COMMAS = re.compile(rf"(--(?:{'|'.join(map(re.escape, LISTS))}))[= ](?=\S*,)(\S+)")


def parse(commands: dict[str, Callable[..., Any]], arguments: list[str]) -> Callable[[], Any]:
    """The subcommand with its arguments, not yet called; ValueError for arguments that do not fit."""
    messages = io.StringIO()
    asked = next((name for name in arguments if name in commands), "")
    try:
        with contextlib.redirect_stderr(messages):
            return tyro.extras.subcommand_cli_from_dict(
                {name: _postponed(command, told=name == asked) for name, command in commands.items()},
                prog="eigenstep",
                description="Watch and predict how self-supervised networks learn one eigenmode at a time.",
                args=_apart(arguments),
            )
    except SystemExit as exit:
        if not exit.code:  # help was asked for and shown
            raise
        raise ValueError(
            f"{_in_one_line(messages.getvalue())} (see {' '.join(['eigenstep', asked]).strip()} --help)"
        ) from exit


def options_of(config: Any, prefix: str) -> list[str]:
    """The arguments that say of a configuration what differs from its defaults.

    Examples
    --------
    >>> from eigenstep.images import ImagesConfig
    >>> options_of(ImagesConfig(size=64, range=(0.0, 4095.0)), "images")
    ['--images.size', '64', '--images.range', '0', '4095']
    """
    said: list[str] = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if value != field.default:
            several = value if isinstance(value, tuple) else (value,)
            words = [f"{each:g}" if isinstance(each, float) else str(each) for each in several]
            said += [f"--{prefix}.{field.name.replace('_', '-')}", *words]
    return said


def _apart(arguments: list[str]) -> list[str]:
    """The arguments with numbers that commas join, of options that take several, each by itself.

    Examples
    --------
    >>> _apart(["train", "--images.take", "4,3,2", "--images.show=1,2", "--data", "a,b"])
    ['train', '--images.take', '4', '3', '2', '--images.show', '1', '2', '--data', 'a,b']
    """
    apart: list[str] = []
    before = ""
    for argument in arguments:
        given = _COMMAS.fullmatch(f"{before} {argument}") or _COMMAS.fullmatch(argument)
        if given is None:
            apart.append(argument)
        else:
            own = [] if argument == given[2] else [given[1]]
            apart += own + [each for each in given[2].split(",") if each]
        before = argument
    return apart


def asked_for(what: Asked) -> bool | None:
    """True where something is needed, False where it is left alone, None where it is taken if it is there."""
    return {"auto": None, "yes": True, "no": False}[what]


def fields_given(arguments: list[str], node: str) -> list[str]:
    """The fields of a node that a line sets, whatever it sets them to.

    Examples
    --------
    >>> fields_given(["modes", "photos", "--images.stored-size", "8", "--images.take=1,2"], "images")
    ['stored_size', 'take']
    """
    named = [each.partition("=")[0] for each in arguments if each.startswith(f"--{node}.")]
    return [each.removeprefix(f"--{node}.").replace("-", "_") for each in named]


def _postponed(command: Callable[..., Any], *, told: bool) -> Callable[..., Callable[[], Any]]:
    """The command, to be called later; unless it is `told` of in full, it has its first line in the list."""

    @functools.wraps(command)
    def bind(*values: Any, **named: Any) -> Callable[[], Any]:
        return functools.partial(command, *values, **named)

    if not told:
        bind.__doc__ = (command.__doc__ or "").partition("\n")[0]
    return bind


def _in_one_line(box: str) -> str:
    """What tyro's framed message says first, and the option that it thinks was meant."""
    plain = re.sub(r"[╭╮╰╯│]", " ", re.sub(r"\x1b\[[\d;]*m", "", box))
    title, *paragraphs = [" ".join(text.split()) for text in re.split("[─-]{3,}", plain) if text.strip()]
    message, *hints = paragraphs or [title]
    own = r"Error parsing \S*(?:settings|__tyro-dummy-inner__)\.(\w+):"  # what tyro calls a command's nodes
    message = re.sub(own, r"Error parsing --\1:", message.removesuffix("."))
    # Of an option of several kinds tyro tells each that it has tried.
    tried = r"no type matching (.+?) could be instantiated from \[(.*?)\]\..*"
    message = re.sub(tried, lambda found: f"expected {_kinds(found[1])}, got {found[2]}", message)
    meant = re.search(r"--[\w.-]+", hints[0]) if hints and hints[0].startswith("Perhaps") else None
    return message + (f"; did you mean {meant[0]}?" if meant else "")


def _kinds(told: str) -> str:
    """`INT|{none,norms}` in words; that an option may be None need not be said."""
    kinds = [kind for kind in re.split(r"[|,]", re.sub("[{}]", "", told)) if kind != "None"]
    return " or ".join([", ".join(kinds[:-1]), kinds[-1]] if len(kinds) > 1 else kinds)

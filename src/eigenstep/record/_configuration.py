"""A configuration: a tree of frozen dataclasses in Python, the same names and values in YAML."""

import contextlib
import dataclasses
import os
import types
import typing
from pathlib import Path
from typing import Any, Literal, TypeVar

from eigenstep.record._bounded import read_bounded
from eigenstep.record._trees import parse_yaml
from eigenstep.spelling import nearest

Node = TypeVar("Node")


def read_tree(path: str | Path) -> dict[str, Any]:
    """The names and values of a YAML file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it holds anything else.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(f"{folder}/config.yaml").write_text("loss: simclr")
    ...     read_tree(f"{folder}/config.yaml")
    {'loss': 'simclr'}
    """
    path = Path(path)
    if not os.path.lexists(path) or path.is_dir():
        raise FileNotFoundError(f"there is no configuration file {path}")
    content = read_bounded(path)
    try:
        tree = parse_yaml(content.decode())
    except ValueError as error:
        raise ValueError(f"{path} is not YAML: {error}") from error
    if not isinstance(tree, dict):
        raise ValueError(f"{path}: expected a tree of names and values, got {type(tree).__name__}")
    return tree


def as_dataclass(node: type[Node], tree: dict[str, Any]) -> Node:
    """A dataclass from a tree of names and values; names that are left out take their defaults.

    Raises
    ------
    ValueError
        For a name or a value that does not fit.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Options:
    ...     steps: int = 300
    ...     rate: float = 0.1
    ...
    >>> as_dataclass(Options, {"steps": 50})
    Options(steps=50, rate=0.1)
    """
    built: Node = _node(node, tree, "")
    return built


def as_yaml(config: Any) -> str:
    """A dataclass as YAML text, which `read_tree` and `as_dataclass` read back to an equal one.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Options:
    ...     steps: int = 300
    ...     rate: float = 0.1
    ...
    >>> print(as_yaml(Options()))
    steps: 300
    rate: 0.1
    """
    import yaml

    return yaml.safe_dump(_plain(dataclasses.asdict(config)), sort_keys=False)


def differences(config: Any, other: Any) -> list[str]:
    """Where two dataclasses of one type differ, as `name: value, not other value`.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Options:
    ...     steps: int = 300
    ...     rate: float = 0.1
    ...
    >>> differences(Options(), Options(steps=50))
    ['steps: 300, not 50']
    """
    left, right = config_leaves(dataclasses.asdict(config)), config_leaves(dataclasses.asdict(other))
    return [f"{name}: {left[name]}, not {right[name]}" for name in left if left[name] != right[name]]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def config_leaves(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values of a tree of names, each by its full name.

    Examples
    --------
    >>> config_leaves({"seed": 0, "optimizer": {"name": "sgd"}})
    {'seed': 0, 'optimizer.name': 'sgd'}
    """
    leaves: dict[str, Any] = {}
    for name, value in tree.items():
        leaves |= (
            config_leaves(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
        )
    return leaves


def _node(node: type, tree: dict[str, Any], prefix: str) -> Any:
    kinds = typing.get_type_hints(node)
    if hasattr(node, "of_older"):
        tree = node.of_older(tree)
    for name in tree:
        if name not in kinds:
            raise ValueError(f"unknown name {prefix}{name} in the configuration.{nearest(str(name), kinds)}")
    values = {}
    for name, value in tree.items():
        kind = kinds[name]
        if dataclasses.is_dataclass(kind):
            if not isinstance(value, dict):
                raise ValueError(f"{prefix}{name}: expected a tree of names and values, got {value!r}")
            values[name] = _node(typing.cast(type, kind), value, f"{prefix}{name}.")
        else:
            values[name] = _convert(kind, value, prefix + name)
    try:
        return node(**values)
    except ValueError as error:
        raise ValueError(f"{prefix}{error}") from error


def _convert(kind: Any, value: Any, name: str) -> Any:
    """The value as the field's type; YAML reads `1e-3` as text and tuples as lists."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        if value in arguments:
            return value
        raise ValueError(f"{name}: expected one of {', '.join(map(str, arguments))}, got {value!r}")
    if origin is types.UnionType or origin is typing.Union:
        if value is None and type(None) in arguments:
            return None
        alternatives = [argument for argument in arguments if argument is not type(None)]
        for alternative in alternatives:
            with contextlib.suppress(ValueError):
                return _convert(alternative, value, name)
        return _convert(alternatives[-1], value, name)  # tells what the last of them expects
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ValueError(f"{name}: expected a list, got {value!r}")
        if Ellipsis not in arguments and len(arguments) != len(value):
            raise ValueError(f"{name}: expected {len(arguments)} values, got {value!r}")
        kinds = [arguments[0]] * len(value) if Ellipsis in arguments else arguments
        return tuple(_convert(item_kind, item, name) for item_kind, item in zip(kinds, value, strict=True))
    if kind is float and not isinstance(value, bool):
        try:
            return float(value)
        except (TypeError, ValueError):
            pass
    elif isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise ValueError(f"{name}: expected {kind.__name__}, got {value!r}")

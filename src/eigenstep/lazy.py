"""Packages whose names are imported when they are used, so that what is not used costs no start-up."""

import ast
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any


def lazily(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package whose imports stand under `if TYPE_CHECKING:`.

    Readers and type checkers see ordinary imports, which are read from the source when the first name is
    asked for. Public modules of the package are names of it too.

    Examples
    --------
    What such an `__init__.py` holds:

        if TYPE_CHECKING:
            from eigenstep.room._mine import mine
        else:
            __getattr__, __dir__ = lazily(__name__)

        __all__ = ["mine"]
    """
    module = sys.modules[package]
    homes: dict[str, tuple[str, str]] = {}

    def find(name: str) -> Any:
        if not homes:
            homes.update(_homes(module.__loader__.get_source(package)))  # type: ignore[union-attr]
        if name in homes:
            home, own_name = homes[name]
            value = getattr(import_module(home), own_name)
            setattr(module, name, value)
            return value
        if not name.startswith("_") and find_spec(f"{package}.{name}"):
            return import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def names() -> list[str]:
        return sorted({*vars(module), *module.__all__})

    return find, names


def _homes(source: str) -> dict[str, tuple[str, str]]:
    r"""The module that each name under `if TYPE_CHECKING:` is from, and what it is called there.

    Examples
    --------
    >>> _homes("if TYPE_CHECKING:\n    from a.b import c, d as e")
    {'c': ('a.b', 'c'), 'e': ('a.b', 'd')}
    """
    guarded = (
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    )
    return {
        alias.asname or alias.name: (node.module, alias.name)
        for block in guarded
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }

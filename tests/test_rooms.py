"""The plan of the house: which room may use which, and through which door."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import eigenstep

# From the ground up: a room uses rooms that stand before it alone.
ROOMS = (
    *("lazy", "machine", "spelling", "pages", "record", "theory", "kernel", "embeddings", "analysis"),
    *(
        "losses",
        "spectrum",
        "probes",
        "views",
        "images",
        "encoders",
        "methods",
        "optim",
        "training",
        "export",
    ),
    *("integrations", "prediction", "comparison", "modes", "advice", "report", "live", "terminal"),
    *("reproduce", "cli"),
)
SOURCE = Path(eigenstep.__file__).parent
TESTS = Path(__file__).parent
FILES = sorted(path for path in SOURCE.rglob("*.py") if path.parent != SOURCE)


def imports(path: Path) -> Iterator[str]:
    """The modules of Eigenstep that a file imports, wherever in it, with the names taken from them."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "eigenstep":
            for alias in node.names:
                yield f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("eigenstep."))


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0]


def is_private(module: str) -> bool:
    """Whether a name that starts with an underscore lies between the package and the name taken from it."""
    return any(part.startswith("_") and not part.startswith("__") for part in module.split("."))


def test_every_folder_is_a_room_of_the_plan():
    folders = {path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == set(ROOMS) - {"lazy", "spelling"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_room_uses_only_rooms_below_it(path):
    own = ROOMS.index(room_of(path))
    upward = {
        module
        for module in imports(path)
        if (name := module.split(".")[1]) in ROOMS and ROOMS.index(name) > own
    }
    assert not upward


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_neighbours_use_what_is_public(path):
    foreign = {
        module
        for module in imports(path)
        if module.split(".")[1] != room_of(path) and is_private(module) and module != "eigenstep.__version__"
    }
    assert not foreign


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(TESTS.rglob("*.py")), ids=lambda path: str(path.relative_to(TESTS)))
def test_tests_import_packages(path):
    assert not {module for module in imports(path) if is_private(module)}

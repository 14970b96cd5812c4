"""`import eigenstep` costs nothing, and then every room is at hand."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import eigenstep

SOURCE = Path(eigenstep.__file__).parent
ROOMS = sorted({path.parent.name for path in SOURCE.glob("*/__init__.py")} - {"cli"})


def in_new_process(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_importing_eigenstep_imports_nothing_heavy():
    heavy = {"torch", "numpy", "scipy", "sklearn", "timm", "matplotlib"}
    done = in_new_process(f"import sys, eigenstep; print({heavy} & set(sys.modules))")
    assert done.stdout.strip() == "set()", done.stderr


@pytest.mark.slow
def test_a_room_is_imported_when_it_is_named():
    code = "import eigenstep; print(eigenstep.theory.half_times([1.0], [1e-3]) > 0)"
    done = in_new_process(code)
    assert done.stdout.strip() == "[ True]", done.stderr


@pytest.mark.parametrize("name", ROOMS)
def test_every_room_is_a_name(name):
    assert getattr(eigenstep, name) is import_module(f"eigenstep.{name}")
    assert name in dir(eigenstep)


def test_public_names_are_listed_and_others_are_not_there():
    assert set(eigenstep.__all__) <= set(dir(eigenstep))
    assert eigenstep.watch is eigenstep.spectrum.watch
    with pytest.raises(AttributeError, match="module 'eigenstep' has no attribute 'theories'"):
        _ = eigenstep.theories


@pytest.mark.slow
def test_a_room_whose_extra_is_missing_says_so_as_its_import_does():
    code = "import sys; sys.modules['timm'] = None\nimport eigenstep\neigenstep.encoders.small_resnets"
    lazy, plain = (
        in_new_process(each).stderr.splitlines()[-1]
        for each in (code, code.replace("import eigenstep\neigenstep.", "import eigenstep."))
    )
    assert lazy == plain
    assert "timm" in lazy


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("__init__.py")), ids=lambda path: path.parent.name)
def test_every_public_name_is_there(path):
    package = import_module(".".join(("eigenstep", *path.parent.relative_to(SOURCE).parts)))
    names = getattr(package, "__all__", [])
    assert [name for name in names if not hasattr(package, name)] == []

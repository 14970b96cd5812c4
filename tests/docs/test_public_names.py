"""Every public name has a page, and which of them have an example is known."""

import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def public_names():
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        return importlib.import_module("public_names")
    finally:
        sys.path.remove(str(ROOT / "docs"))


def test_public_names_are_those_of_the_packages(public_names):
    names = public_names.public_names()
    for room in ("eigenstep.theory", "eigenstep.losses", "eigenstep.training"):
        exported = set(importlib.import_module(room).__all__)
        assert {public.name for public in names if room in public.doors} == exported
    by_path = {public.path: public for public in names}
    assert len(by_path) == len(names)
    for path in ("eigenstep.theory.half_times", "eigenstep.spectrum.watch", "eigenstep.images.ImagesConfig"):
        package, name = path.rsplit(".", 1)
        kind = getattr(importlib.import_module(package), name)
        assert by_path[path].home == kind.__module__


def test_every_public_name_is_on_a_page(public_names):
    pages = "".join(path.read_text() for path in (ROOT / "docs/reference").glob("*.md"))
    doors = {public.door for public in public_names.public_names()}
    assert doors <= {line.removeprefix("::: ") for line in pages.splitlines() if line.startswith("::: ")}


def test_examples_are_found_in_docstrings_on_pages_and_in_what_gives_a_class(public_names):
    found = public_names.examples(public_names.public_names())
    assert found["eigenstep.theory.half_times"] == "eigenstep.theory.half_times"
    assert found["eigenstep.kernel.functions.TiledKernel"] == "extend.md"
    assert found["eigenstep.theory.Simulation"] == "eigenstep.theory.gradient_descent"
    assert "eigenstep.machine.Stopped" not in found


def test_every_function_and_class_has_an_example_in_a_docstring_or_on_a_page(public_names):
    assert public_names.without_example(public_names.public_names()) == []

"""Modules that have moved are found by their old names, and say so."""

import importlib
import re
import sys

import pytest

import eigenstep
from eigenstep import record, spectrum

OLD = {
    "eigenstep.atomic": "atomic_write",
    "eigenstep.demo": "demonstrate",
    "eigenstep.memory": "available_memory",
    "eigenstep.process_group": "close_at_exit",
    "eigenstep.side_by_side": "compare",
    "eigenstep.spectrum.files": "open_rows",
    "eigenstep.spectrum.tracking": "follow_modes",
    "eigenstep.spectrum.verdicts": "judge",
    "eigenstep.stopped": "Stopped",
    "eigenstep.threads": "set_threads",
    "eigenstep.training.data": "load_images",
    "eigenstep.training.networks": "build_encoder",
    "eigenstep.training.objectives": "build_objective",
}


@pytest.mark.parametrize("old", OLD)
def test_an_old_name_still_gives_what_it_gave_with_a_warning_that_names_the_new_one(old, monkeypatch):
    monkeypatch.delitem(sys.modules, old, raising=False)
    with pytest.warns(DeprecationWarning, match=f"{re.escape(old)} is now"):
        module = importlib.import_module(old)
    assert callable(getattr(module, OLD[old]))


def test_what_is_found_by_an_old_name_is_the_same_object(monkeypatch):
    monkeypatch.delitem(sys.modules, "eigenstep.atomic", raising=False)
    monkeypatch.delattr(eigenstep, "atomic", raising=False)
    with pytest.warns(DeprecationWarning, match="now eigenstep.record"):
        from eigenstep import atomic
    assert atomic.atomic_write is record.atomic_write
    assert record.__name__ == "eigenstep.record"


def test_what_went_elsewhere_than_its_module_is_found_too(monkeypatch):
    monkeypatch.delitem(sys.modules, "eigenstep.spectrum.files", raising=False)
    with pytest.warns(DeprecationWarning, match=r"now eigenstep\.embeddings"):
        files = importlib.import_module("eigenstep.spectrum.files")
    assert files.measure_file is spectrum.measure_file
    assert {"FileSpectrum", "measure_file", "open_rows"} <= set(files.__all__)


def test_a_module_that_never_was_is_not_found():
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        importlib.import_module("eigenstep.nowhere")

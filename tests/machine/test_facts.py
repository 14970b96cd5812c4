"""What is said of a machine, against what the libraries say of themselves."""

import platform
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from eigenstep.machine import machine_facts

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


@pytest.mark.slow
def test_versions_are_those_of_the_modules(tmp_path):
    import numpy
    import sklearn

    versions = machine_facts(tmp_path)["versions"]
    assert versions["numpy"] == numpy.__version__
    assert versions["scikit-learn"] == sklearn.__version__
    assert versions["python"].startswith(platform.python_version())


@pytest.mark.slow
def test_every_extra_of_the_package_is_told_with_what_it_brings(tmp_path, monkeypatch):
    if not PROJECT.exists():
        pytest.skip(f"{PROJECT} is not there: the package was installed without its sources")
    extras = tomllib.loads(PROJECT.read_text())["project"]["optional-dependencies"]
    monkeypatch.setattr(metadata, "version", lambda name: "1.0")
    told = machine_facts(tmp_path)["optional parts"]
    assert set(told) == set(extras) - {"test", "benchmark", "docs"}
    for extra, said in told.items():
        for requirement in extras[extra]:
            name = requirement.partition(">")[0].partition("=")[0].strip()
            assert f"{name} 1.0" in said, (extra, name)


@pytest.mark.slow
def test_a_part_that_is_missing_says_how_to_get_it(tmp_path, monkeypatch):
    real = metadata.version

    def version(name):
        if name == "pydicom":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", version)
    assert machine_facts(tmp_path)["optional parts"]["dicom"] == (
        "DICOM: missing pydicom; pip install 'eigenstep[dicom]'"
    )

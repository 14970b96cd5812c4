"""What a release is made of: the tool that tries its wheels, and what says the same in two places."""

import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import eigenstep

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Of conda's packages, those that are called otherwise than the index's.
IN_CONDA = {"torch": "pytorch", "matplotlib": "matplotlib-base"}


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("try_wheels", ROOT / "tools" / "try_wheels.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def written_python(path, says):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{says}\n")
    path.chmod(0o755)


def test_pythons_are_found_on_the_path_and_in_pyenv_and_those_that_do_not_answer_are_not(tool, tmp_path):
    shims, system, pyenv = tmp_path / "shims", tmp_path / "bin", tmp_path / "pyenv"
    written_python(shims / "python3.11", "exit 127")  # pyenv's, of a version that is not chosen
    written_python(system / "python3.11", "echo 3.11")
    written_python(system / "python3.12", "echo 3.11")
    written_python(system / "python3.13", "echo no module ensurepip; exit 1")
    written_python(pyenv / "versions/3.12.1/bin/python", "echo 3.12")
    found = tool.find_pythons(os.pathsep.join(map(str, (shims, system))), pyenv)
    assert found == {"3.11": system / "python3.11", "3.12": pyenv / "versions/3.12.1/bin/python"}


def test_the_same_file_of_wheel_sdist_and_git_has_one_name(tool):
    of_wheel = tool.package_files(["eigenstep/report/page.html", "eigenstep-0.1.0.dist-info/METADATA"])
    of_sdist = tool.package_files(
        ["eigenstep-0.1.0/src/eigenstep/report/page.html", "eigenstep-0.1.0/README.md"]
    )
    of_git = tool.package_files(["src/eigenstep/report/page.html"])
    assert of_wheel == of_sdist == of_git == {"eigenstep/report/page.html"}


@pytest.mark.parametrize(
    ("which", "expected"), [("all", {"3.11", "3.13"}), ("newest", {"3.13"}), ("none", set())]
)
def test_the_extra_train_is_tried_where_it_was_asked_for(tool, which, expected):
    assert tool.trains_on(which, {"3.11": Path("a"), "3.13": Path("b")}) == expected


def test_a_command_that_fails_is_told_with_the_last_that_it_said(tool):
    with pytest.raises(tool.Failed, match="ended with 3: no such module"):
        tool.call(sys.executable, "-c", "print('no such module'); raise SystemExit(3)")
    assert tool.call(sys.executable, "-c", "print('one'); raise SystemExit(1)", code=1) == "one\n"


def test_a_failed_base_install_is_in_the_table_and_ends_with_one(tool, tmp_path, monkeypatch, capsys):
    def fake(version, python, wheel, place, with_train):
        place.mkdir()
        yield tool.Tried("3.11", "base", 1.0, 2.0, 0, "no wheel for it")

    def built(out, _):
        out.mkdir(parents=True)
        files = out / "eigenstep-0.1.0.tar.gz", out / "eigenstep-0.1.0-py3-none-any.whl"
        for file in files:
            file.write_bytes(b"0" * 10_000)
        return files

    monkeypatch.setattr(tool, "find_pythons", lambda *_: {"3.11": Path(sys.executable)})
    monkeypatch.setattr(tool, "build", built)
    monkeypatch.setattr(tool, "try_python", fake)
    monkeypatch.setattr(tool.signal, "signal", lambda *_: None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # the tool sets it: it is put back with this one
    monkeypatch.setattr(sys, "argv", ["try_wheels.py", "--out", str(tmp_path / "dist")])
    assert tool.main() == 1
    said = capsys.readouterr().out
    assert "not found, and not tried: Python 3.12, 3.13, 3.14" in said
    assert "| 3.11 | base | 1 s | 2 MB | failed: no wheel for it |" in said
    assert sorted(path.suffix for path in (tmp_path / "dist").iterdir()) == [".gz", ".whl"]


def test_the_tool_needs_nothing_installed():
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(ROOT / "tools" / "try_wheels.py"), "--help"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def bounds(requirements):
    return dict(re.fullmatch(r"([\w.-]+) ?>=([\w.]+)", line).groups() for line in requirements)


def test_the_recipe_for_conda_says_what_pyproject_says():
    recipe = yaml.safe_load((ROOT / "recipe" / "recipe.yaml").read_text())
    assert recipe["package"] == {"name": PROJECT["name"], "version": eigenstep.__version__}
    found = bounds(recipe["requirements"]["run"])
    assert f">={found.pop('python')}" == PROJECT["requires-python"]
    for conda, index in (
        (found, PROJECT["dependencies"]),
        (bounds(recipe["requirements"]["run_constraints"]), PROJECT["optional-dependencies"]["train"]),
    ):
        assert conda == {IN_CONDA.get(name, name): bound for name, bound in bounds(index).items()}
    (entry,) = recipe["build"]["python"]["entry_points"]
    assert dict([entry.split(" = ")]) == PROJECT["scripts"]
    about = recipe["about"]
    assert (about["license"], about["summary"]) == (PROJECT["license"], PROJECT["description"])


def test_the_citation_is_of_this_version():
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == eigenstep.__version__

"""Each notebook runs from top to bottom, at a small size, and leaves nothing behind."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "docs" / "notebooks"
# The sizes in a notebook's first cell, as small as what follows allows.
SMALL = {
    "first_run": {"STEPS": 24},
    "your_own_loop": {"STEPS": 40},
    "your_own_images": {"IMAGES": 160, "STEPS": 12, "SHORT_STEPS": 2, "TRAININGS": 6},
    "closed_form": {"IMAGES": 300},
    "paper_and_beyond": {"MODES": 2, "IMAGES": 60, "CROP": 8},
}


def read(name):
    return json.loads((NOTEBOOKS / f"{name}.ipynb").read_text())


def texts(notebook, kind):
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == kind]


def made_small(notebook, sizes):
    """The notebook with other numbers in its first cell of code."""
    cell = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    source = "".join(cell["source"])
    for name, size in sizes.items():
        source, found = re.subn(rf"^{name} = \d+$", f"{name} = {size}", source, flags=re.MULTILINE)
        assert found == 1, f"{name} is not set in the first cell"
    cell["source"] = source
    return notebook


def test_every_notebook_is_run_here_and_told_of():
    assert sorted(SMALL) == sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
    page = (ROOT / "docs" / "notebooks.md").read_text()
    assert all(f"](notebooks/{name}.ipynb)" in page for name in SMALL)


@pytest.mark.parametrize("name", SMALL)
def test_a_notebook_is_kept_without_outputs(name):
    cells = [cell for cell in read(name)["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)


@pytest.mark.parametrize("name", SMALL)
def test_a_notebooks_links_lead_to_files_and_headings(name):
    links = re.findall(r"\]\((?!https?:)([^)\s]+)\)", "\n".join(texts(read(name), "markdown")))
    assert links
    for link in links:
        path, _, heading = link.partition("#")
        target = NOTEBOOKS / path
        assert target.exists(), link
        if heading:
            headings = re.findall(r"^#+ (.*)$", target.read_text(), flags=re.MULTILINE)
            assert heading in [re.sub(r"[^\w-]", "", each.lower().replace(" ", "-")) for each in headings]


@pytest.mark.slow
@pytest.mark.timeout(600)  # on a busy machine
@pytest.mark.parametrize("name", SMALL)
def test_a_notebook_runs_and_leaves_nothing_behind(name, tmp_path):
    pytest.importorskip("nbclient", reason="nbclient is missing: pip install -e '.[test]'")
    pytest.importorskip("ipykernel", reason="ipykernel is missing: pip install -e '.[test]'")
    folders = {each: tmp_path / each for each in ("here", "temporary", "home")}
    for folder in folders.values():
        folder.mkdir()
    small = tmp_path / f"{name}.ipynb"
    small.write_text(json.dumps(made_small(read(name), SMALL[name])))
    kept = {path: path.stat().st_mtime_ns for path in NOTEBOOKS.iterdir()}
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "TMPDIR": str(folders["temporary"]),
        "HOME": str(folders["home"]),
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "jupyter"),
        "MPLCONFIGDIR": str(tmp_path / "matplotlib"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "torchinductor"),
    }
    code = (
        "import nbformat, sys; from nbclient import NotebookClient;"
        "notebook = nbformat.read(sys.argv[1], 4); nbformat.validate(notebook);"
        "NotebookClient(notebook, timeout=240, kernel_name='python3').execute()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(small)],
        cwd=folders["here"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    left = {each: [str(path) for path in folder.rglob("*")] for each, folder in folders.items()}
    assert left == {"here": [], "temporary": [], "home": []}
    assert {path: path.stat().st_mtime_ns for path in NOTEBOOKS.iterdir()} == kept

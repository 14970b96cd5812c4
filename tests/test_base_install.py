"""The base install carries torch, NumPy, SciPy and scikit-learn; the rest comes with extras."""

import subprocess
import sys

import pytest

import eigenstep

EXTRAS = (
    "timm",
    "torchvision",
    "safetensors",
    "lightning_fabric",
    "datasets",
    "tyro",
    "rich",
    "yaml",
    "plotly",
    "starlette",
    "uvicorn",
    "matplotlib",
)
BLOCK = "import sys\nfor name in {}: sys.modules[name] = None\n"


def run_without_extras(code):
    return subprocess.run([sys.executable, "-c", BLOCK.format(EXTRAS) + code], capture_output=True, text=True)


@pytest.mark.slow
def test_theory_losses_views_and_the_monitor_need_no_extras(tmp_path):
    code = f"""
import torch, eigenstep.theory, eigenstep.losses, eigenstep.views, eigenstep.comparison
from eigenstep import SpectrumMonitor
from eigenstep.record import read_record
monitor = SpectrumMonitor({str(tmp_path)!r}, dim=2, every=1)
monitor.update(torch.randn(8, 2))
print(len(read_record({str(tmp_path)!r}).eigenvalues))
"""
    done = run_without_extras(code)
    assert done.stdout.strip() == "1", done.stderr


@pytest.mark.slow
def test_verdicts_on_runs_and_on_arrays_in_files_need_no_extras(tmp_path):
    code = f"""
import numpy as np
from eigenstep.spectrum import measure_file
from eigenstep.analysis.verdicts import judge_spectra
np.savez({str(tmp_path / "z.npz")!r}, z=np.random.default_rng(0).normal(size=(100, 8)))
print(measure_file({str(tmp_path / "z.npz")!r}).verdict.state)
print(judge_spectra(np.arange(60), np.ones((60, 4))).state)
"""
    done = run_without_extras(code)
    assert done.stdout.split("\n")[:2] == ["full", "saturated"], done.stderr


@pytest.mark.slow
def test_kernel_pca_of_pairs_needs_no_extras():
    code = """
import numpy as np
from eigenstep import ContrastiveKernelPCA
x = np.random.default_rng(0).normal(size=(1200, 3))
for solver in ("dense", "krylov", "nystrom"):
    model = ContrastiveKernelPCA(2, solver=solver, verbose=1, y_is="view").fit(x, x + 0.1)
    print(model.transform(x).shape)
"""
    done = run_without_extras(code)
    assert done.stdout.split("\n")[:3] == ["(1200, 2)"] * 3, done.stderr


def test_the_command_line_says_in_one_line_what_to_install():
    done = run_without_extras("import runpy; runpy.run_module('eigenstep', run_name='__main__')")
    assert done.returncode == 1
    assert done.stderr.strip().count("\n") == 0
    assert "pip install 'eigenstep[train]'" in done.stderr


def test_the_version_is_told_without_extras():
    code = "import runpy; sys.argv[1:] = ['--version']; runpy.run_module('eigenstep', run_name='__main__')"
    done = run_without_extras(code)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == eigenstep.__version__

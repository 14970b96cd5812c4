"""The examples and the Python of docs/kernels.md do what they say, run as a user runs them."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from eigenstep import ContrastiveKernelPCA

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
PAGE = (ROOT / "docs" / "kernels.md").read_text()
NUMBER = re.compile(r"-?\d[\d,]*\.?\d*(?:e-?\d+)?")


def started(*command, folder):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *map(str, command)],
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def printed(process):
    """Wait for a process and return what it printed, on standard output and standard error."""
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    return out, err


def table(text, head):
    """Return the numbers of the lines below the one that starts with `head`, up to a line without any."""
    lines = text.splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith(head)) + 1
    rows = []
    for line in lines[start:]:
        values = [float(number) for number in NUMBER.findall(line)]
        if not values:
            break
        rows.append(values)
    return np.array(rows)


@pytest.mark.slow
def test_the_pages_python_prints_what_stands_beside_it(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL):
        exec(compile(block, "docs/kernels.md", "exec"), names)
        promised = re.findall(r"^print\(.*\)  # (.*)$", block, flags=re.MULTILINE)
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == block.count("print(") == len(promised)
        for line, expected in zip(lines, promised, strict=True):
            assert NUMBER.sub("0", line) == NUMBER.sub("0", expected)
            for one, other in zip(NUMBER.findall(line), NUMBER.findall(expected), strict=True):
                # Landmarks depend on rounding, and so do errors, which have an exponent.
                factor = 4 if "e" in other else 1
                one, other = float(one.replace(",", "")), float(other.replace(",", ""))
                assert other / factor <= one <= other * factor, (line, expected)


def test_the_pages_links_and_commands_name_files_that_exist():
    links = re.findall(r"\]\((?!http)([^)#]+)", PAGE)
    assert links
    assert all((ROOT / "docs" / link).exists() for link in links)
    named = re.findall(r"examples/\w+\.py", PAGE)
    assert named
    assert all((ROOT / name).exists() for name in named)


@pytest.mark.slow
def test_pairs_of_digits_beat_kernel_pca_with_and_without_copies_when_labels_are_few(tmp_path):
    options = ["--splits", 1, "--jobs", 1, "--components", 32, "--gammas", 0.2]
    out, _ = printed(started(EXAMPLES / "kernel_digits.py", *options, folder=tmp_path))
    few, full = (
        {
            name: float(mean)
            for name, mean in re.findall(r"^(\w[\w ]*?) +([\d.]+) ± 0\.0$", part, flags=re.MULTILINE)
        }
        for part in out.split("labels of ")[1:]
    )
    assert (
        list(few)
        == list(full)
        == [
            "PCA",
            "Nystroem",
            "KernelPCA",
            "KernelPCA of copies",
            "ContrastiveKernelPCA",
        ]
    )
    assert all(few[name] < full[name] <= 100 for name in few)
    assert min(full.values()) > 90
    assert few["ContrastiveKernelPCA"] > max(few["KernelPCA"], few["KernelPCA of copies"])
    modes = table(out, "mode  eigenvalue")
    assert (np.diff(modes[:, 1]) < 0).all()
    assert (np.diff(modes[:, 2]) > 0).all()
    assert ((modes[:, 3] > 0.2) & (modes[:, 3] < 1)).all()
    assert (modes[:, 4] < 1e-3).all()


@pytest.mark.slow
def test_files_and_batches_give_the_modes_of_all_views_up_to_the_residuals_square(tmp_path):
    options = ["--pairs", 3000, "--landmarks", 300, "--batch", 1500, "--components", 5]
    out, err = printed(started(EXAMPLES / "kernel_out_of_core.py", *options, folder=tmp_path))
    assert "5 modes of 6,000 views" in err
    assert "6,000 views in all" in out
    first, second = (np.load(path) for path in sorted((tmp_path / "runs" / "pairs").glob("*.npy")))
    assert first.shape == second.shape == (3000, 64)
    exact = ContrastiveKernelPCA(5, gamma=0.1, y_is="view", solver="krylov", random_state=0)
    exact.fit(first, second)
    for gamma, residual in (
        table(out, "mode   eigenvalue")[:, 1:].reshape(5, 2, 2).swapaxes(0, 1).swapaxes(1, 2)
    ):
        lost = 1 - gamma / exact.eigenvalues_
        assert (lost > 0).all()
        assert (lost < 3 * residual**2).all()


@pytest.mark.slow
def test_the_command_for_two_machines_gives_one_models_modes(tmp_path):
    (command,) = re.findall(r"^    torchrun (--nnodes .*)$", PAGE, flags=re.MULTILINE)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = command.replace("FIRST:29500", f"localhost:{port}").replace("per-node 8", "per-node 1")
    machines = []
    for rank in range(2):
        line = command.replace("--node-rank 0", f"--node-rank {rank}").replace("examples/", f"{EXAMPLES}/")
        # Each has its own folder, as machines without a common file system.
        folder = tmp_path / str(rank)
        folder.mkdir()
        options = ["--pairs", 1500, "--components", 5]
        machines.append(started("-m", "torch.distributed.run", *line.split(), *options, folder=folder))
    (out, _), (silent, _) = [printed(machine) for machine in machines]
    assert not silent
    assert out.count("process ") == 2
    first, second = (np.load(path) for path in sorted((tmp_path / "1" / "runs" / "pairs").glob("*.npy")))
    alone = ContrastiveKernelPCA(5, gamma=0.1, random_state=0, y_is="view").fit(first, second)
    np.testing.assert_allclose(table(out, "mode  eigenvalue")[:, 1], alone.eigenvalues_, rtol=1e-5)


@pytest.mark.slow
def test_frequencies_of_series_are_learned_from_views_of_ones_own(tmp_path):
    options = ["--steps", 60, "--series", 512, "--out", tmp_path / "run"]
    out, _ = printed(started(EXAMPLES / "time_series.py", *options, folder=tmp_path))
    assert re.search(r"512 series, 60 steps: \d+ of 32 modes learned", out)
    accuracies = dict(re.findall(r"^(\w+_\w+) +([\d.]+ +[\d.]+)$", out, flags=re.MULTILINE))
    untrained, trained = np.array([value.split() for value in accuracies.values()], float).T
    assert len(accuracies) == 4
    assert (trained > untrained).all()
    assert (untrained > 100 / 28).all()
    assert "features (5, 32), embeddings (5, 32)" in out
    assert (tmp_path / "run" / "config.yaml").read_text().startswith("data: python:Oscillations")


@pytest.mark.slow
def test_two_sensors_learn_the_modes_of_their_cross_covariance(tmp_path):
    out, _ = printed(started(EXAMPLES / "two_sensors.py", "--out", tmp_path / "run", folder=tmp_path))
    modes = table(out, "mode  covariance")
    assert (modes[:, 3:] > 0).all()
    assert (np.diff(modes[:, 3:], axis=0) > 0).all()
    agreement = table(out, "held-out agreement")
    assert agreement.shape == (2, 5)
    colours, edges, own_colours, own_edges = agreement[:, 1:].T
    assert colours.min() > 0.7
    assert edges.min() > 0.7
    assert colours[1] > own_colours[1]
    assert edges[1] > own_edges[1]
    assert (tmp_path / "run" / "metrics.jsonl").exists()


@pytest.mark.slow
def test_six_layouts_come_back_equal_and_three_networks_train_at_two_numbers_of_channels(tmp_path):
    options = ["--steps", 10, "--out", tmp_path / "start"]
    out, _ = printed(started(EXAMPLES / "start_from_weights.py", *options, folder=tmp_path))
    read = re.findall(r"^(\w+) +78/78 +(\w+) ", out, flags=re.MULTILINE)
    libraries = ["timm", "torchvision", "transformers", "Lightning", "MoCo", "DINO"]
    assert read == [(library, "yes") for library in libraries]
    assert all(float(error) < 1e-5 for error in re.findall(r"within (\S+)", out))
    assert re.search(r"^--freeze 4 +72\.1%", out, flags=re.MULTILINE)
    assert len(re.findall(r"^test_\w+ +[15] .* from 3 channels to [15] ", out, flags=re.MULTILINE)) == 6

"""The examples, and training in two processes, as users run them."""

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from eigenstep.record import read_record

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs"

pytest.importorskip("lightly")
pytestmark = [pytest.mark.skipif(sys.platform != "linux", reason="forks processes"), pytest.mark.slow]


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """`ran(job)`: the folder in which a job of forks.py ran to its end; one start of Python serves all."""
    folder = tmp_path_factory.mktemp("outside")
    process = subprocess.Popen(
        [sys.executable, str(HERE / "forks.py"), str(folder)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=200)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        pytest.fail(f"the processes hang: {process.communicate()[0][-3000:]}")
    assert process.returncode == 0, output[-3000:]

    def find(job):
        printed = (folder / job / "log").read_text()
        assert printed.endswith("done\n"), printed[-3000:]
        return folder / job

    return find


@pytest.mark.parametrize(
    ("job", "needs", "record", "steps", "dim"),
    [
        ("pytorch", "torch", "runs/watch-pytorch", range(10, 121, 10), 8),
        ("lightly", "lightly", "runs/watch-lightly/lightning_logs/version_0/eigenstep", range(2, 15, 2), 32),
        ("transformers", "transformers", "runs/watch-transformers/eigenstep", range(5, 41, 5), 16),
        (
            "stable_pretraining",
            "stable_pretraining",
            "runs/watch-stable-pretraining/lightning_logs/version_0/eigenstep",
            range(2, 15, 2),
            32,
        ),
    ],
)
def test_an_example_leaves_a_record_and_says_where(job, needs, record, steps, dim, ran):
    if importlib.util.find_spec(needs) is None:
        pytest.skip(f"{needs} is not installed: the example trains by it")
    folder = ran(job)
    assert f"eigenstep report {record}\n" in (folder / "log").read_text().replace(f"{folder}/", "")
    found = read_record(folder / record)
    assert found.metrics["step"].tolist() == list(steps)
    assert found.summary["state"] == "finished"
    assert found.config["monitor"]["dim"] == dim
    leading = found.eigenvalues["cross_correlation"][:, 0]
    assert (leading > 0).all()
    assert np.isfinite(found.metrics["loss"]).all()
    assert np.isfinite(found.metrics["measures/rank_me"]).all()


def test_the_page_names_what_loggers_get_and_links_to_files_that_are_there(ran):
    page = (DOCS / "integrations.md").read_text()
    measures = {
        name.removeprefix("measures/")
        for name in read_record(ran("pytorch") / "runs" / "watch-pytorch").metrics
        if name.startswith("measures/")
    }
    assert measures == set(
        re.findall(r"`(?:spectrum/)?(\w+)`", page.split("| value |")[1].split("[measures.md]")[0])
    ) - {"eigenvalue_1", "eigenvalue_8", "learned_modes"}
    links = re.findall(r"\]\((?!http)([^)#]+)\)", page)
    assert links
    assert all((DOCS / link).exists() for link in links)


def check_same(one, other, rows=slice(None), rtol=1e-4):
    for name in ("step", "time", "count"):
        np.testing.assert_allclose(one.metrics[name][rows], other.metrics[name][rows], rtol=1e-12)
    for name in ("rank_me", "effective_rank", "mean_norm", "modes_past_half"):
        column = f"measures/{name}"
        np.testing.assert_allclose(one.metrics[column][rows], other.metrics[column][rows], rtol=rtol)
    for name in ("cross_correlation", "covariance"):
        values, expected = one.eigenvalues[name][rows], other.eigenvalues[name][rows]
        np.testing.assert_allclose(values, expected, atol=rtol * np.abs(expected).max())


def test_two_processes_of_a_plain_loop_record_what_one_does_on_the_joint_batch(ran):
    alone, together = (read_record(ran(job) / "runs" / "watch-pytorch") for job in ("pytorch", "pytorch-2"))
    check_same(together, alone)
    np.testing.assert_allclose(together.metrics["loss"], alone.metrics["loss"], rtol=1e-5)
    assert (ran("pytorch-2") / "log").read_text().count("eigenvalues") == 1


def test_two_processes_of_lightning_record_what_one_does_on_the_joint_batch(ran):
    alone, together = (read_record(ran(f"lightly-{processes}") / "before") for processes in (1, 2))
    assert alone.metrics["step"].tolist() == [4, 8, 12, 16, 20]
    check_same(together, alone)


def test_two_processes_resume_without_the_embeddings_that_waited_to_be_measured(ran):
    alone, resumed = (read_record(ran(f"lightly-{processes}") / "run") for processes in (1, 2))
    check_same(resumed, alone, rows=[0, 1, 3, 4])
    # The checkpoint is of step 10.
    assert resumed.metrics["count"].tolist() == [64, 64, 32, 64, 64]
    np.testing.assert_allclose(resumed.metrics["time"], alone.metrics["time"], rtol=1e-12)


def test_callbacks_in_every_process_know_the_measures(ran):
    first, second = (json.loads((ran("lightly-2") / f"metrics-{rank}.json").read_text()) for rank in (0, 1))
    assert {"spectrum/rank_me", "spectrum/eigenvalue_1"} < first.keys()
    assert isinstance(first.pop("spectrum/learned_modes"), float)  # of the record, which the first one writes
    assert first == second


def test_two_processes_of_transformers_record_what_one_does_on_the_joint_batch(ran):
    pytest.importorskip("transformers")
    alone, together = (read_record(ran(f"transformers-{processes}") / "eigenstep") for processes in (1, 2))
    assert alone.metrics["step"].tolist() == [4, 8, 12]
    check_same(together, alone)

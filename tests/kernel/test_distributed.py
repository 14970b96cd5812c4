"""The estimator under torchrun: three, two and one processes learn the same."""

import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="forks processes and reads their memory from /proc"),
]

WORKER = Path(__file__).with_name("rank_worker.py")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What each process wrote, by number of processes and rank; one start of Python serves every test."""
    folder = tmp_path_factory.mktemp("ranks")
    process = subprocess.Popen(
        [sys.executable, str(WORKER), str(folder)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        pytest.fail(f"the processes hang: {process.communicate()[0][-3000:]}")
    assert process.returncode == 0, output[-3000:]
    return {path.stem: pickle.loads(path.read_bytes()) for path in folder.glob("*.pickle")}


def fits(results, name):
    return {key: value for key, value in results[name].items() if key not in ("refused", "memory")}


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_together_learn_what_one_does_alone(results, processes):
    alone, together = fits(results, "1-0"), fits(results, f"{processes}-0")
    assert alone.keys() == together.keys()
    for name, expected in alone.items():
        if name == "unseeded":
            continue
        for attribute in ("eigenvalues_", "next_eigenvalue_", "invariance_ratio_", "rho_", "embedding"):
            largest = np.abs(expected[attribute]).max()
            np.testing.assert_allclose(
                together[name][attribute], expected[attribute], atol=1e-10 * largest, rtol=0, err_msg=name
            )
        # Residuals of exact modes are rounding, those of landmarks are what they are.
        np.testing.assert_allclose(
            together[name]["residuals_"], expected["residuals_"], rtol=1e-8, atol=2e-8, err_msg=name
        )
        for attribute in ("n_positive_", "n_views_"):
            assert together[name][attribute] == expected[attribute]


def test_what_one_process_learns_does_not_hang_on_how(results):
    alone = fits(results, "1-0")
    for solver in ("krylov, pairs", "krylov, kernel recomputed", "nystrom, polished"):
        assert (alone[solver]["residuals_"] < 1e-8).all()
    np.testing.assert_allclose(alone["krylov, by rho"]["rho_"], alone["dense, by rho"]["rho_"], rtol=1e-10)
    for solver in ("krylov, pairs", "nystrom, polished"):
        np.testing.assert_allclose(
            alone[solver]["eigenvalues_"], alone["dense, pairs"]["eigenvalues_"], rtol=1e-10
        )
    np.testing.assert_allclose(
        alone["krylov, kernel given"]["eigenvalues_"],
        alone["dense, kernel given"]["eigenvalues_"],
        rtol=1e-10,
    )
    assert "recomputed" in str(alone["krylov, kernel recomputed"]["solver_"])


@pytest.mark.parametrize("processes", [2, 3])
def test_every_process_holds_the_same_model_bit_by_bit(results, processes):
    first = fits(results, f"{processes}-0")
    for rank in range(1, processes):
        other = fits(results, f"{processes}-{rank}")
        for name, expected in first.items():
            for attribute, value in expected.items():
                np.testing.assert_array_equal(other[name][attribute], value, err_msg=f"{name}: {attribute}")


@pytest.mark.parametrize("difference", ["an entry", "the order", "the shape", "groups", "a parameter"])
def test_other_data_in_a_process_are_an_error_in_each_that_names_it(results, difference):
    for rank in range(3):
        message = results[f"3-{rank}"]["refused"][difference]
        assert "same data and parameters, got others in rank 1 than in rank 0" in message


@pytest.mark.parametrize(
    ("mistake", "own"),
    [
        ("NaN", "ValueError: Input y contains NaN"),
        ("NaN that is met on the way", "ValueError: expected finite rows, got NaN or infinity in view 18"),
        ("a bad parameter", "ValueError: expected n_landmarks as an integer >= 1, got -1"),
        ("too little memory", "MemoryError: expected memory_budget above"),
    ],
)
def test_an_error_in_one_process_ends_the_fit_in_all(results, mistake, own):
    assert results["3-1"]["refused"][mistake].startswith(own)
    for rank in (0, 2):
        message = results[f"3-{rank}"]["refused"][mistake]
        assert message.startswith("ValueError: expected all of 3 processes to go on, got an error in rank 1")


def test_fewer_samples_than_processes_are_too_few_for_landmarks(results):
    for rank in range(3):
        message = results[f"3-{rank}"]["refused"]["too few samples"]
        assert message == "ValueError: expected at least 3 samples for 3 processes, got 2"


def test_the_memory_of_each_process_falls_as_there_are_more(results):
    peaks = {n: max(results[f"{n}-{rank}"]["memory"] for rank in range(n)) for n in (1, 2, 3)}
    half_of_the_kernel = 12_000**2 / 2 * 4
    assert peaks[1] > 0.8 * half_of_the_kernel
    assert peaks[2] < 0.6 * peaks[1]
    assert peaks[3] < 0.45 * peaks[1]

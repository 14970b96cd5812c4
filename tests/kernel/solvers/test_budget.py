"""Dense algebra and landmarks within `memory_budget`."""

import re
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse

from eigenstep import ContrastiveKernelPCA


def pairs(n, p=6, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, p)) * np.linspace(2.0, 0.2, p)
    return x, x + 0.3 * generator.normal(size=x.shape)


def bytes_needed(model, *data):
    with pytest.raises(
        MemoryError, match=r"expected memory_budget of at least \d+ bytes \(.*got 1 bytes; "
    ) as e:
        model.set_params(memory_budget=1).fit(*data)
    assert "\n" not in str(e.value)
    return int(re.search(r"(\d+) bytes", str(e.value))[1])


@pytest.mark.parametrize(
    "options",
    [
        {"solver": "dense"},
        {"solver": "dense", "n_components": None},
        {"solver": "nystrom", "n_landmarks": 60},
        {"solver": "nystrom", "n_landmarks": 60, "objective": "simclr"},
        {"solver": "nystrom", "n_landmarks": 60, "center": False},
    ],
)
def test_what_a_refusal_asks_for_is_enough_and_gives_the_same_modes(options):
    x, y = pairs(400)
    model = ContrastiveKernelPCA(
        **({"n_components": 4, "gamma": 0.05, "y_is": "view", "random_state": 0} | options)
    )
    expected = model.fit(x, y).eigenvalues_
    needed = bytes_needed(model, x, y)
    np.testing.assert_allclose(
        model.set_params(memory_budget=needed).fit(x, y).eigenvalues_, expected, rtol=1e-9
    )
    with pytest.raises(MemoryError):
        model.set_params(memory_budget=needed - 1).fit(x, y)


def test_a_kernel_that_is_given_and_sparse_rows_have_a_budget_too():
    x, _ = pairs(80)
    given = ContrastiveKernelPCA(3, kernel="precomputed", solver="dense")
    assert bytes_needed(given, x @ x.T) >= 8 * 80**2
    sparse = ContrastiveKernelPCA(3, kernel="linear", solver="nystrom", n_landmarks=10)
    wide = scipy.sparse.random(200, 50_000, density=1e-4, format="csr", random_state=0)
    assert bytes_needed(sparse, wide) < 8 * 200 * 50_000


def test_batches_are_refused_and_read_likewise():
    x, y = pairs(400)
    model = ContrastiveKernelPCA(4, y_is="view", n_landmarks=60, random_state=0)
    expected = model.partial_fit(x, y).eigenvalues_
    needed = bytes_needed(ContrastiveKernelPCA(4, solver="nystrom", y_is="view", n_landmarks=60), x, y)
    fitting = ContrastiveKernelPCA(4, y_is="view", n_landmarks=60, random_state=0, memory_budget=needed)
    np.testing.assert_allclose(fitting.partial_fit(x, y).eigenvalues_, expected, rtol=1e-9)
    with pytest.raises(MemoryError, match=f"at least {needed} bytes"):
        ContrastiveKernelPCA(4, y_is="view", n_landmarks=60, memory_budget=1).partial_fit(x, y)


def test_where_dense_algebra_does_not_fit_auto_takes_what_does():
    x, y = pairs(400)
    free = ContrastiveKernelPCA(4, y_is="view", random_state=0).fit(x, y)
    tight = ContrastiveKernelPCA(4, y_is="view", random_state=0, memory_budget=1e7).fit(x, y)
    assert free.solver_.startswith("dense")
    assert "krylov" in tight.solver_.lower()
    assert "memory_budget" in tight.solver_
    np.testing.assert_allclose(tight.eigenvalues_, free.eigenvalues_, rtol=1e-9)


# Prints by how much the process has grown at its largest, while a model is fitted.
MEASURED = """
import resource, sys, threading, time
import numpy as np, torch
from eigenstep import ContrastiveKernelPCA

def size():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

def watch():
    global largest
    while not done.is_set():
        largest = max(largest, size())
        time.sleep(0.001)

torch.set_num_threads(1)
options = {"gamma": 0.05, "y_is": "view", "random_state": 0} | eval(sys.argv[1])
generator = np.random.default_rng(0)
x = generator.normal(size=(options.pop("n"), 8))
y = x + 0.3 * generator.normal(size=x.shape)
ContrastiveKernelPCA(**(options | {"n_landmarks": 20, "memory_budget": None})).fit(x[:50], y[:50])
before, largest, done = size(), 0, threading.Event()
watching = threading.Thread(target=watch)
watching.start()
ContrastiveKernelPCA(**options).fit(x, y)
done.set()
watching.join()
print(largest - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the size of a process is read from /proc")
@pytest.mark.parametrize(
    "options",
    [
        {"n_components": None, "solver": "dense", "n": 700},
        {"n_components": 5, "solver": "dense", "n": 700, "center": False},
        {"n_components": 20, "solver": "nystrom", "n": 10_000, "n_landmarks": 500},
        {"n_components": 20, "solver": "nystrom", "n": 10_000, "n_landmarks": 300, "objective": "vicreg"},
    ],
)
def test_a_process_grows_by_no_more_than_the_budget(options):
    n = options["n"]
    settings = {name: value for name, value in options.items() if name != "n"}
    needed = bytes_needed(ContrastiveKernelPCA(gamma=0.05, y_is="view", **settings), *pairs(n, 8))
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, repr(options | {"memory_budget": needed})],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert 0.2 * needed < int(done.stdout) < needed

"""Three processes that torchrun's launcher starts: python rank_worker.py FOLDER.

They are forks of one interpreter, as starting Python takes longer than all that they do. Every problem is
solved three times: by the three processes together, whose group the estimator makes; by the first two, in a
group made here; and by the third one alone. Each also tries what must fail in every process, and notes how
much memory a large kernel takes. Writes FOLDER/{processes}-{rank}.pickle.
"""

import ctypes
import os
import pickle
import resource
import sys
import warnings
from pathlib import Path

import numpy as np
import scipy.sparse
import torch
from torch import distributed
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from eigenstep import ContrastiveKernelPCA
from eigenstep.machine import set_threads

ATTRIBUTES = (
    "eigenvalues_",
    "next_eigenvalue_",
    "residuals_",
    "invariance_ratio_",
    "rho_",
    "dual_coef_",
    "n_positive_",
    "n_views_",
    "solver_",
)


def main(folder: Path) -> None:
    set_threads(1)
    warnings.simplefilter("ignore")
    rank = int(os.environ["RANK"])
    save(folder / f"3-{rank}", {**fits(), "refused": refusals(rank), "memory": memory()})
    distributed.destroy_process_group()
    if rank < 2:
        distributed.init_process_group("gloo", init_method=f"file://{folder}/pair", rank=rank, world_size=2)
        save(folder / f"2-{rank}", {**fits(), "memory": memory()})
        distributed.destroy_process_group()
    else:
        os.environ["WORLD_SIZE"] = "1"
        save(folder / "1-0", {**fits(), "memory": memory()})


def save(path: Path, results: dict) -> None:
    path.with_suffix(".pickle").write_bytes(pickle.dumps(results))


def views(n: int = 41, p: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, p)) * np.linspace(2, 0.5, p)
    return x, x + 0.3 * rng.normal(size=x.shape)


def fits() -> dict:
    """Fit each problem in this process's group and return what was learned."""
    x, y = views()
    rows = np.concatenate((x, y))
    # Groups of two to four, and views alone in theirs.
    ids = np.concatenate((np.arange(41), np.arange(25), np.arange(10), [5, 6], [97, 98, 99, 100]))
    gram = np.exp(-0.1 * ((rows[:, None] - rows) ** 2).sum(axis=2))
    weights = scipy.sparse.csr_array(gram > 0.9)
    exact = {"solver": "krylov", "tol": 1e-11}
    fast = {"solver": "nystrom", "n_landmarks": 50}
    by_rho = {"order": "invariance", "n_principal": 8}
    pairs = {"X": x, "y": y}
    many = dict(zip("Xy", views(400), strict=True))
    groups = {"X": rows, "groups": ids}
    problems = {
        "krylov, pairs": (exact, many),
        "krylov, groups": (exact | {"kernel": "poly", "degree": 2}, groups),
        "krylov, no pairs": (exact, {"X": torch.tensor(x)}),
        "krylov, weights": (exact, {"X": rows, "pair_graph": weights}),
        "krylov, centred": (exact | {"center": True}, pairs),
        "krylov, kernel given": (exact | {"kernel": "precomputed"}, {"X": gram, "groups": ids}),
        "krylov, kernel recomputed": (exact | {"memory_budget": 3.9e6}, many),
        "krylov, sparse": (exact, {"X": scipy.sparse.csr_array(x), "y": scipy.sparse.csr_array(y)}),
        "krylov, simclr": (exact | {"objective": "simclr"}, pairs),
        "krylov, augmented": (exact | {"augment": jittered, "n_views": 3}, {"X": x}),
        "krylov, one sample": (exact | {"kernel": "linear", "n_components": 1}, {"X": x[:1], "y": y[:1]}),
        "nystrom, pairs": (fast, pairs),
        "nystrom, groups": (fast, groups),
        "nystrom, no pairs": (fast, {"X": x}),
        "nystrom, centred": (fast | {"center": True}, pairs),
        "nystrom, vicreg": (fast | {"objective": "vicreg"}, pairs),
        "nystrom, polished": (fast | {"polish": 30, "tol": 1e-11}, many),
        "krylov, by rho": (exact | by_rho, many),
        "krylov, by rho in groups": (exact | by_rho | {"center": True}, groups),
        "nystrom, by rho": (fast | by_rho, pairs),
        "nystrom, by rho in groups": (fast | by_rho | {"center": True}, groups),
        "dense, by rho": ({"solver": "dense"} | by_rho, many),
        "dense, pairs": ({"solver": "dense"}, many),
        "dense, kernel given": ({"solver": "dense", "kernel": "precomputed"}, {"X": gram, "groups": ids}),
    }
    results = {}
    for name, (options, data) in problems.items():
        options = {"n_components": 4, "random_state": 0} | options
        y_is = "view" if "y" in data else None
        model = ContrastiveKernelPCA(distributed=True, y_is=y_is, **options).fit(**data)
        results[name] = learned(model, data["X"])
    model = ContrastiveKernelPCA(3, distributed=True, y_is="view", random_state=0, n_landmarks=50)
    for batch in (slice(0, 25), slice(25, 41)):
        model.partial_fit(x[batch], y[batch])
    results["nystrom, batches"] = learned(model, x)
    # Without a seed the processes must still agree among themselves.
    model = ContrastiveKernelPCA(3, distributed=True, augment=jittered).fit(x)
    results["unseeded"] = learned(model, x)
    return results


def jittered(rows: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return rows + 0.1 * generator.normal(size=rows.shape)


def learned(model: ContrastiveKernelPCA, rows: np.ndarray) -> dict:
    results = {name: np.asarray(getattr(model, name)) for name in ATTRIBUTES}
    return results | {"embedding": np.asarray(model.transform(rows[:7]))}


def refusals(rank: int) -> dict:
    """Return the error that each of these raises here, where the second process is handed something else."""
    x, y = views(12)
    other = {name: part.copy() for name, part in (("x", x), ("y", y))}
    odd = rank == 1
    ids = np.arange(12) // 2
    attempts = {
        "an entry": (other["x"] + odd * (np.arange(48) == 29).reshape(12, 4), y, {}, {}),
        "the order": (x[::-1] if odd else x, y[::-1] if odd else y, {}, {}),
        "the shape": (x[: 12 - odd], y[: 12 - odd], {}, {}),
        "groups": (x, None, {"groups": np.roll(ids, odd)}, {}),
        "a parameter": (x, y, {}, {"n_components": 3 + odd}),
        "NaN": (x, np.where(odd & (x == x[3, 2]), np.nan, y), {}, {}),
        "NaN that is met on the way": (
            torch.tensor(x),
            torch.where(torch.tensor(odd & (x == x[6, 2])), torch.nan, torch.tensor(y)),
            {},
            {"solver": "nystrom", "n_landmarks": 5},
        ),
        "a bad parameter": (x, y, {}, {"n_landmarks": -1 if odd else 5}),
        "too few samples": (x[:2], y[:2], {}, {"solver": "nystrom"}),
        "too little memory": (x, y, {}, {"solver": "krylov", "memory_budget": 1.0 if odd else 1e9}),
    }
    errors = {}
    for name, (first, second, given, options) in attempts.items():
        options = {"n_components": 3, "random_state": 0} | options
        y_is = None if second is None else "view"
        model = ContrastiveKernelPCA(distributed=True, y_is=y_is, **options)
        try:
            model.fit(first, second, **given)
            errors[name] = None
        except (ValueError, MemoryError) as error:
            errors[name] = f"{type(error).__name__}: {error}"
    return errors


def memory() -> float:
    """Return by how many bytes fitting 6,000 pairs, nearly all of it kernel, raises this process's peak."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6000, 2)).astype(np.float32)
    y = x + 0.1 * rng.normal(size=x.shape).astype(np.float32)
    ctypes.CDLL(None).malloc_trim(0)  # freed memory that is kept for later would be used again unseen
    before = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    options = {"gamma": 0.01, "solver": "krylov", "tol": 0.1, "random_state": 0}
    ContrastiveKernelPCA(1, distributed=True, **options, y_is="view").fit(x, y)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before


if __name__ == "__main__":
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=3,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        run_id="ranks",
        start_method="fork",
        monitor_interval=0.05,
    )
    elastic_launch(config, main)(Path(sys.argv[1]))

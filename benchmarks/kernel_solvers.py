"""The top 50 modes of image pairs: Eigenstep beside the literal recipe and scikit-learn's KernelPCA.

Views are two SimCLR crops of CIFAR-10 images; kernels are rbf (gamma = 1 / median squared distance) and the
arc-cosine kernel of order 1. The literal recipe forms K~^{-1/2} K_Z K~^{-1/2} by two dense eigenproblems of
all N views. KernelPCA solves its own problem, the centred kernel of the same N views. Whole fits start from
rows (KernelPCA has no arc-cosine kernel: it is given Eigenstep's, timed with it); "solve" starts from the
kernel matrix. Methods take turns; ratios are medians over the turns. Errors are the worst relative error of
the 50 eigenvalues against a float64 solution with residuals below 1e-9.

    python benchmarks/kernel_solvers.py [--views 4000 16000] [--repeats 3] [--dense-up-to 4000]
"""

import argparse
import statistics
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from image_pairs import CIFAR10, image_pairs
from sklearn.decomposition import KernelPCA
from sklearn.exceptions import ConvergenceWarning

from eigenstep import ContrastiveKernelPCA
from eigenstep.kernel.functions import make_kernel
from eigenstep.kernel.solvers import PanelKernelMatrix
from eigenstep.machine import set_threads

MODES = 50


def literal_recipe(kernel: np.ndarray, n_pairs: int) -> np.ndarray:
    """Return the top eigenvalues of K~^{-1/2} (K~ Z K~) K~^{-1/2}, as the theory is usually written."""
    values, vectors = np.linalg.eigh(kernel)
    kept = values > len(values) * np.finfo(kernel.dtype).eps * values[-1]
    root = (vectors[:, kept] / np.sqrt(values[kept])) @ vectors[:, kept].T
    swapped = np.concatenate((kernel[n_pairs:], kernel[:n_pairs])) / (2 * n_pairs)
    return np.linalg.eigvalsh(root @ (kernel @ swapped) @ root)[: -MODES - 1 : -1]


def median_gamma(rows: np.ndarray) -> float:
    sample = torch.from_numpy(rows[:: max(1, len(rows) // 1000)]).double()
    return 1 / float(torch.cdist(sample, sample).square().median())


def roof() -> float:
    """Return the GFLOP/s of a square float32 product, the best of some."""
    square, out = torch.randn(4096, 4096), torch.empty(4096, 4096)
    products = [seconds(lambda: torch.mm(square, square, out=out))[0] for _ in range(7)]
    return 2 * 4096**3 / min(products) / 1e9


def seconds(work: Callable[[], object]) -> tuple[float, object]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def report_stages(rows: np.ndarray, name: str, gamma: float | None) -> None:
    """Print the kernel's and the products' rates, and their share of the machine's limit at the time."""
    prepared_rows = torch.from_numpy(rows)
    n_views, width = len(rows), 32
    kernel = make_kernel(name, prepared_rows, gamma=gamma)
    block = torch.randn(n_views, width)
    limits, computing, multiplying = [roof()], [], []
    for _ in range(3):
        # Without storage every product computes the kernel: no fresh memory is timed with it.
        anew = partial(PanelKernelMatrix(kernel, kernel.prepare(prepared_rows), storage=0).product, block)
        matrix = PanelKernelMatrix(kernel, kernel.prepare(prepared_rows))
        stored = partial(matrix.product, block)
        stored()
        multiplying += [seconds(stored)[0] for _ in range(3)]
        computing.append(seconds(anew)[0])
        limits.append(roof())
    product = statistics.median(multiplying)
    limit = max(limits)
    rates = (
        n_views**2 * (rows.shape[1] + 2 * width) / statistics.median(computing) / 1e9,
        2 * n_views**2 * width / product / 1e9,
    )
    print(f"   limit {limit:.0f} GFLOP/s (at other moments {min(limits):.0f})")
    for what, took, rate in (
        ("half the kernel computed and multiplied", statistics.median(computing), rates[0]),
        (f"stored product with {width} columns", product, rates[1]),
    ):
        print(f"   {what} {took:.3f} s, {rate:.0f} GFLOP/s, {rate / limit:.0%} of the limit")


def methods(
    rows: np.ndarray, name: str, gamma: float | None, dense: bool, only: str
) -> dict[str, Callable[[], np.ndarray]]:
    """Return each method's run, from rows or from the kernel matrix to its eigenvalues."""
    n_pairs = len(rows) // 2
    groups = np.tile(np.arange(n_pairs), 2)
    first, second = rows[:n_pairs], rows[n_pairs:]
    options = {"n_components": MODES, "random_state": 0}
    double = rows.astype(np.float64)

    def kernel_matrix(values: np.ndarray) -> np.ndarray:
        tensor = torch.from_numpy(values)
        kernel = make_kernel(name, tensor, gamma=gamma)
        prepared = kernel.prepare(tensor)
        return kernel.block(prepared, prepared).numpy()

    def ours(*data: np.ndarray, **more: object) -> np.ndarray:
        y_is = "view" if len(data) == 2 else None
        chosen = {"kernel": name, "gamma": gamma, "solver": "krylov", "y_is": y_is} | more
        fit_options = {"groups": groups} if chosen["kernel"] == "precomputed" else {}
        return ContrastiveKernelPCA(**options, **chosen).fit(*data, **fit_options).eigenvalues_

    def sklearn(solver: str, data: np.ndarray) -> np.ndarray:
        if data.shape[0] == data.shape[1] or name != "rbf":
            matrix = data if data.shape[0] == data.shape[1] else kernel_matrix(data)
            return KernelPCA(**options, kernel="precomputed", eigen_solver=solver).fit(matrix).eigenvalues_
        return KernelPCA(**options, kernel="rbf", gamma=gamma, eigen_solver=solver).fit(data).eigenvalues_

    single_matrix = kernel_matrix(rows)
    runs: dict[str, Callable[[], np.ndarray]] = {
        "fit    Eigenstep, float32": lambda: ours(first, second),
        "fit    Eigenstep, float64": lambda: ours(first.astype(np.float64), second.astype(np.float64)),
        "solve  Eigenstep, float32": lambda: ours(single_matrix, kernel="precomputed"),
        "fit    Eigenstep, center, float32": lambda: ours(rows, center=True) * len(rows),
    }
    if dense:
        double_matrix = kernel_matrix(double)
        runs["solve  Eigenstep, float64"] = lambda: ours(double_matrix, kernel="precomputed")
        runs["solve  literal recipe, float32"] = lambda: literal_recipe(single_matrix, n_pairs)
        runs["solve  literal recipe, float64"] = lambda: literal_recipe(double_matrix, n_pairs)
    for solver in ("arpack", "randomized", *(["dense"] if dense or "dense" in only else [])):
        runs[f"fit    KernelPCA {solver}, float32"] = lambda solver=solver: sklearn(solver, rows)
        runs[f"solve  KernelPCA {solver}, float32"] = lambda solver=solver: sklearn(solver, single_matrix)
    return runs


def compare(rows: np.ndarray, name: str, dense: bool, repeats: int, only: str) -> None:
    gamma = median_gamma(rows) if name == "rbf" else None
    n_pairs = len(rows) // 2
    exact = rows.astype(np.float64)
    precise = {"n_components": MODES, "kernel": name, "gamma": gamma, "solver": "krylov", "tol": 1e-9}
    contrastive = (
        ContrastiveKernelPCA(**precise, y_is="view").fit(exact[:n_pairs], exact[n_pairs:]).eigenvalues_
    )
    centred = ContrastiveKernelPCA(**precise, center=True).fit(exact).eigenvalues_ * len(rows)
    del exact
    print(
        f"\nN = {len(rows):,} views of {n_pairs:,} images, {name}, gamma_50 / gamma_1 ="
        f" {contrastive[-1] / contrastive[0]:.1e}"
    )
    report_stages(rows, name, gamma)
    times, errors = defaultdict(list), {}
    runs = {method: run for method, run in methods(rows, name, gamma, dense, only).items() if only in method}
    for _ in range(repeats):
        for method, run in runs.items():
            took, values = seconds(run)
            reference = centred if "KernelPCA" in method or "center" in method else contrastive
            times[method].append(took)
            errors[method] = np.abs(np.asarray(values) / reference - 1).max()
    for method, took in times.items():
        kind = method.split()[0]
        own = f"{kind}    Eigenstep, float32" if kind == "fit" else f"{kind}  Eigenstep, float32"
        ratios = [theirs / mine for theirs, mine in zip(took, times.get(own, took), strict=True)]
        print(
            f"   {method:36s} {statistics.median(took):8.2f} s ({min(took):.2f} - {max(took):.2f})"
            f"   {statistics.median(ratios):6.1f} x ({min(ratios):.1f} - {max(ratios):.1f})"
            f"   error {errors[method]:.0e}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--views", type=int, nargs="+", default=[4000, 16000])
    parser.add_argument("--kernels", nargs="+", default=["rbf", "arc_cosine"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dense-up-to", type=int, default=4000, help="largest N for methods of order N^3")
    parser.add_argument("--only", default="", help="run methods with this in their name alone")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--data", type=Path, default=CIFAR10)
    arguments = parser.parse_args()
    set_threads(arguments.threads)
    warnings.simplefilter("ignore", ConvergenceWarning)
    for n_views in arguments.views:
        rows = np.concatenate(image_pairs(n_views // 2, arguments.data))
        for name in arguments.kernels:
            compare(rows, name, n_views <= arguments.dense_up_to, arguments.repeats, arguments.only)


if __name__ == "__main__":
    main()

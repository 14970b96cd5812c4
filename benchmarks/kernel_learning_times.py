"""Predicted learning times and modes of kernel Barlow Twins beside its gradient flow, simulated in the dual.

For five kinds of kernel and views, on crops of CIFAR-10 images at 8 x 8 pixels: a random small start, which
no mode is aligned with, is integrated by `eigenstep.theory.kernel_gradient_flow`. Printed are the predicted
and simulated half-times of each mode, from the start's own scales, and the overlap of the learned functions
with the predicted span (1 is the same, k/N chance).

    python benchmarks/kernel_learning_times.py [--images 150] [--scale 1e-10] [--data FOLDER]
"""

import argparse
from pathlib import Path

import numpy as np
from image_pairs import CIFAR10, image_pairs
from sklearn.metrics.pairwise import pairwise_kernels

from eigenstep import ContrastiveKernelPCA
from eigenstep.theory import kernel_gradient_flow, subspace_overlap

MODES = 4


def views_of(images: int, n_views: int, data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return (N, 192) views, pooled to 8 x 8 pixels, and the image that each is of."""
    pairs = [image_pairs(images, data, seed) for seed in range(n_views // 2)]
    rows = np.concatenate([view for pair in pairs for view in pair]).astype(np.float64)
    pooled = rows.reshape(-1, 3, 8, 4, 8, 4).mean(axis=(3, 5)).reshape(len(rows), -1)
    return pooled, np.tile(np.arange(images), n_views)


def simulate(name: str, images: int, scale: float, data: Path) -> None:
    kind, n_views = (name, 2) if name != "4 views, rbf" else ("rbf", 4)
    rows, groups = views_of(images, n_views, data)
    gamma = 1 / np.median(((rows[:, None] - rows[None, :200]) ** 2).sum(axis=2))
    options = {"gamma": gamma, "degree": 2, "coef0": 1}
    metric = "laplacian" if kind == "precomputed" else kind
    kernel = pairwise_kernels(rows, metric=metric, filter_params=True, **options)
    fitted_on = kernel if kind == "precomputed" else rows
    model = ContrastiveKernelPCA(MODES, kernel=kind, **options).fit(fitted_on, groups=groups)

    same = groups[:, None] == groups
    np.fill_diagonal(same, False)
    graph = same / same.sum()
    # A function with independent normal coefficients in an orthonormal basis of the kernel's function space.
    values, vectors = np.linalg.eigh(kernel)
    kept = values > 1e-10 * values[-1]
    normal = np.random.default_rng(0).normal(size=(MODES, kept.sum()))
    start = scale * normal / np.sqrt(values[kept]) @ vectors[:, kept].T
    # In the modes' coordinates: what the first j - 1 have not taken of the j-th starts it.
    coordinates = start @ kernel @ model.dual_coef_
    scales = np.abs(np.diag(np.linalg.qr(coordinates)[1]))
    predicted = model.learning_times(scales)
    flow = kernel_gradient_flow(kernel, graph, start, np.linspace(0, 1.5 * predicted.max(), 6000), rtol=1e-9)
    measured = flow.half_times
    overlap = subspace_overlap((flow.final_weights @ kernel).T, kernel @ model.dual_coef_)
    leak = model.predicted_leak(scales[-1])[-1]
    print(
        f"{name:14s} overlap {overlap:.6f}, predicted leak of mode {MODES + 1} {leak:.1e}, worst residual"
        f" {model.residuals_.max():.0e}"
    )
    for j in range(MODES):
        print(
            f"   mode {j + 1}   gamma {model.eigenvalues_[j]:10.4g}   predicted {predicted[j]:10.4g}"
            f"   simulated {measured[j]:10.4g}   {predicted[j] / measured[j] - 1:+.2%}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=150)
    parser.add_argument("--scale", type=float, default=1e-10)
    parser.add_argument("--data", type=Path, default=CIFAR10)
    arguments = parser.parse_args()
    for name in ("rbf", "polynomial", "linear", "precomputed", "4 views, rbf"):
        simulate(name, arguments.images, arguments.scale, arguments.data)


if __name__ == "__main__":
    main()

"""Modes of pairs that memory need not hold: from .npy files in one pass, or batch by batch as they come.

Landmarks stand for the views, so memory holds the landmarks and a block of rows, however many pairs there
are. Modes are biased for it, most of all late ones: the residual, estimated from 2,000 views, says how far a
mode is from being one, relative to its eigenvalue, which is too small by about the residual's square.

    python examples/kernel_out_of_core.py [--pairs 50000] [--features 64] [--landmarks 500] [--components 10]
        [--batch 10000] [--folder runs/pairs]

A million pairs of 256 features are 2 GB on disk: --pairs 1000000 --features 256 --batch 100000.
"""

import argparse
import time

from pairs_on_disk import pairs_on_disk
from peak_memory import peak_mebibytes

from eigenstep import ContrastiveKernelPCA


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=50_000)
    parser.add_argument("--features", type=int, default=64)
    parser.add_argument("--landmarks", type=int, default=500)
    parser.add_argument("--components", type=int, default=10)
    parser.add_argument("--batch", type=int, default=10_000, help="pairs that partial_fit gets at a time")
    parser.add_argument("--folder", default="runs/pairs", help="of the pairs' files, written where missing")
    options = parser.parse_args()
    first, second = pairs_on_disk(options.folder, options.pairs, options.features)
    size = (first.nbytes + second.nbytes) / 2**20
    print(f"{len(first):,} pairs of {first.shape[1]} features, {size:.0f} MiB on disk")

    files = ContrastiveKernelPCA(
        options.components,
        gamma=0.1,
        y_is="view",
        solver="nystrom",
        n_landmarks=options.landmarks,
        random_state=0,
        verbose=1,
    )
    before, began = peak_mebibytes(), time.perf_counter()
    files.fit(first, second)
    print(f"fit on the files: {time.perf_counter() - began:.1f} s; {files.solver_}")

    began = time.perf_counter()
    batches = ContrastiveKernelPCA(
        options.components, gamma=0.1, y_is="view", n_landmarks=options.landmarks, random_state=0
    )
    for start in range(0, len(first), options.batch):
        rows = slice(start, start + options.batch)
        batches.partial_fit(first[rows], second[rows])
    print(f"partial_fit of batches: {time.perf_counter() - began:.1f} s; {batches.n_views_:,} views in all")
    print(f"peak memory: {peak_mebibytes() - before:.0f} MiB more than before")

    print("       fit                    partial_fit\nmode   eigenvalue  residual   eigenvalue  residual")
    columns = files.eigenvalues_, files.residuals_, batches.eigenvalues_, batches.residuals_
    for mode, values in enumerate(zip(*columns, strict=True), start=1):
        print("{:4d}   {:10.6f}  {:8.3f}   {:10.6f}  {:8.3f}".format(mode, *values))


if __name__ == "__main__":
    main()

"""Digits with few labels: what an embedding gains from knowing which changes of an image do not matter.

Every embedding is fitted on all training images of scikit-learn's digits, without labels; the logistic
regression on it is fitted on a few labelled images, or on all. ContrastiveKernelPCA differs from KernelPCA in
one thing: two random copies of each image, shifted by up to a pixel, turned by up to 15 degrees and scaled by
up to 10 %, form a pair, which tells what to look past. "KernelPCA of copies" sees two such copies of each
image, but not that they belong together. Scores keep their size, for all alike.

gamma of the rbf kernel and C of logistic regression are chosen for each method and split in the same way: by
the log-likelihood in 3-fold cross-validation on the labels at hand, at 16 components. The tables have the
accuracy on test images: mean and standard deviation over random splits of images and of labels.

    python examples/kernel_digits.py [--splits 4] [--labels 5] [--components 2 4 8 16 32 64]
        [--gammas 0.1 0.2 0.4 0.8] [--images 1797] [--jobs 2]
"""

import argparse
import warnings

import numpy as np
from joblib import Parallel, delayed
from scipy.ndimage import map_coordinates
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA, KernelPCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline

from eigenstep import ContrastiveKernelPCA

PENALTIES = (1, 10, 100, 1000)
COMPONENTS_FOR_CHOICE = 16
METHODS = ("PCA", "Nystroem", "KernelPCA", "KernelPCA of copies", "ContrastiveKernelPCA")


def jitter(images, generator):
    """Return copies of images (n, 64), each shifted, turned and scaled at random."""
    n = len(images)
    angles = np.deg2rad(generator.uniform(-15, 15, (n, 1, 1)))
    scales = generator.uniform(0.9, 1.1, (n, 1, 1))
    shifts = generator.uniform(-1, 1, (2, n, 1, 1))
    y, x = np.mgrid[:8, :8] - 3.5
    rows = scales * (np.cos(angles) * y - np.sin(angles) * x) + shifts[0] + 3.5
    columns = scales * (np.sin(angles) * y + np.cos(angles) * x) + shifts[1] + 3.5
    which = np.broadcast_to(np.arange(n)[:, None, None], rows.shape)
    return map_coordinates(images.reshape(n, 8, 8), (which, rows, columns), order=1).reshape(n, 64)


def embedding(method, seed):
    if method == "PCA":
        return PCA(random_state=seed)
    if method == "Nystroem":
        return Nystroem(kernel="rbf", random_state=seed)
    if method == "KernelPCA":
        return KernelPCA(kernel="rbf", random_state=seed)
    # Without pairs this is KernelPCA too, and faster on the many rows of copies.
    augment = jitter if method == "ContrastiveKernelPCA" else None
    return ContrastiveKernelPCA(kernel="rbf", center=True, whiten=False, augment=augment, random_state=seed)


def fitted(pipeline, images, labelled, labels):
    """Fit the embedding to images, the classifier to labelled ones; where all are, it is pipeline.fit."""
    pipeline[0].fit(images)
    pipeline[1].fit(pipeline[0].transform(labelled), labels)
    return pipeline


def chosen(transformer, gammas, images, labelled, labels):
    """Return a pipeline with the gamma and C that suit the labels best in cross-validation."""
    best, best_score = None, -np.inf
    for gamma in gammas if "gamma" in transformer.get_params() else [None]:
        candidate = clone(transformer).set_params(n_components=COMPONENTS_FOR_CHOICE)
        if gamma is not None:
            candidate.set_params(gamma=gamma)
        logistic = LogisticRegression(max_iter=300, tol=1e-3)
        search = GridSearchCV(logistic, {"C": PENALTIES}, scoring="neg_log_loss", cv=3)
        fitted(make_pipeline(candidate, search), images, labelled, labels)
        if search.best_score_ > best_score:
            best, best_score = make_pipeline(candidate, search.best_estimator_), search.best_score_
    return best


def one_split(seed, images, labels, options):
    """Return each method's accuracies with few labels and with all, (2, methods, components)."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    generator = np.random.default_rng(seed)
    train, test, train_labels, test_labels = train_test_split(
        images, labels, test_size=0.3, stratify=labels, random_state=seed
    )
    of_digit = [np.flatnonzero(train_labels == digit) for digit in range(10)]
    few = np.concatenate([generator.choice(places, options.labels, replace=False) for places in of_digit])
    copies = np.concatenate((jitter(train, generator), jitter(train, generator)))
    accuracies = np.empty((2, len(METHODS), len(options.components)))
    for regime, labelled in enumerate((few, np.arange(len(train)))):
        for row, method in enumerate(METHODS):
            known = train[labelled], train_labels[labelled]
            seen = copies if method == "KernelPCA of copies" else train
            pipeline = chosen(embedding(method, seed), options.gammas, seen, *known)
            for column, count in enumerate(options.components):
                pipeline[0].set_params(n_components=count)
                accuracies[regime, row, column] = fitted(pipeline, seen, *known).score(test, test_labels)
    return accuracies


def print_table(title, accuracies, components):
    """Print the accuracies (splits, methods, components) in percent."""
    print(f"\n{title}\n{'components':22s}" + "".join(f"{count:7d}      " for count in components))
    rows = {method: accuracies[:, row] for row, method in enumerate(METHODS)}
    rows["  minus KernelPCA"] = rows["ContrastiveKernelPCA"] - rows["KernelPCA"]
    for name, values in rows.items():
        mean, deviation = 100 * values.mean(axis=0), 100 * values.std(axis=0)
        cells = (f"{m:7.1f} ± {s:3.1f}" for m, s in zip(mean, deviation, strict=True))
        print(f"{name:22s}" + "".join(cells))


def print_modes(images):
    model = ContrastiveKernelPCA(8, kernel="rbf", gamma=0.2, center=True, augment=jitter, random_state=0)
    model.fit(images)
    print(
        f"\nThe first modes of {len(images):,} images, gamma of the kernel 0.2 ({model.solver_})\n"
        "time: learning rate x step at which Barlow Twins has half learned a mode, from initial scale 1e-4\n"
        "invariance: the correlation of a mode's values on two copies of an image\n"
        "mode  eigenvalue      time  invariance  residual"
    )
    times = model.learning_times(init_scale=1e-4)
    rows = zip(model.eigenvalues_, times, model.invariance_ratio_, model.residuals_, strict=True)
    for mode, (gamma, time, ratio, residual) in enumerate(rows, start=1):
        print(f"{mode:4d}  {gamma:10.5f}  {time:8.1f}  {ratio:10.3f}  {residual:8.0e}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--splits", type=int, default=4)
    parser.add_argument("--labels", type=int, default=5, help="labelled images of each digit, at least 3")
    parser.add_argument("--components", type=int, nargs="+", default=[2, 4, 8, 16, 32, 64])
    parser.add_argument(
        "--gammas", type=float, nargs="+", default=[0.1, 0.2, 0.4, 0.8], help="to choose from"
    )
    parser.add_argument("--images", type=int, default=1797, help="how many to use")
    parser.add_argument("--jobs", type=int, default=2, help="splits at a time")
    options = parser.parse_args()
    images, labels = load_digits(return_X_y=True)
    # Modes of float32 rows are solved for to 1e-3, which is plenty for a classifier, in half the time.
    images, labels = np.float32(images / 16)[: options.images], labels[: options.images]
    splits = Parallel(options.jobs)(
        delayed(one_split)(seed, images, labels, options) for seed in range(options.splits)
    )
    few, full = np.stack(splits, axis=1)
    print(f"Accuracy on test images in %, over {options.splits} splits of {len(images):,} images")
    print_table(f"{options.labels} labels of each digit", few, options.components)
    print_table("labels of all training images", full, options.components)
    print_modes(images)


if __name__ == "__main__":
    main()

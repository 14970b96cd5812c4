"""The linear model on crops of photographs: how soon each rule learns the tenth mode, and which ones.

500 CIFAR-10 images, two random 20 x 20 crops of each, f(x) = W x in 10 dimensions, W_ij ~ N(0, sigma^2),
full batch, Barlow Twins without normalisation. Rates are not tuned. All but the last two have `--share` of
the largest rate at which plain gradient descent is stable, 1 / (4 gamma_1). A mode under Muon swings about
its end by the rate, which is therefore `--swing` of where the first mode ends, gamma_1^{-1/2}; Adam's is the
same.

Printed are the step at which the tenth eigenvalue of C passes one half, what the closed form says of it, and
the overlap of W's rows with the top ten modes by half as many steps again. "P of Cov" takes the covariance of
the views' embeddings, as `eigenstep train` does, in place of C.

    python benchmarks/faster_linear_model.py [--data FOLDER] [--seed 0] [--sigma 1e-7]

On an idle core about five minutes, of which plain gradient descent takes most.
"""

import argparse
import functools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.linalg
import torch
from image_pairs import CIFAR10

from eigenstep.images import ImagesConfig
from eigenstep.reproduce import random_crops
from eigenstep.theory import (
    LinearSolution,
    Preconditioner,
    Rule,
    Simulation,
    cross_correlation,
    gradient_descent,
    half_times,
    subspace_overlap,
    top_eigenmodes,
)
from eigenstep.training import load_images

IMAGES, CROP, DIM = 500, 20, 10
FEW, MORE = Preconditioner(0.5, 1e-4), Preconditioner(1.0, 1e-2)
# Name, rule, momentum, Nesterov's form of it, P of the covariance.
RULES: tuple[tuple[str, Rule, float, bool, bool], ...] = (
    ("gradient descent", "gradient", 0.0, False, False),
    ("momentum .9", "gradient", 0.9, False, False),
    ("P: 1/2, 1e-4", FEW, 0.0, False, False),
    ("P: 1/2, 1e-4, momentum .9", FEW, 0.9, False, False),
    ("P: 1, 1e-2, Nesterov .9", MORE, 0.9, True, False),
    ("P of Cov: 1/2, 1e-4", FEW, 0.0, False, True),
    ("P of Cov: 1/2, 1e-4, momentum .9", FEW, 0.9, False, True),
    ("P of Cov: 1, 1e-2, Nesterov .9", MORE, 0.9, True, True),
    ("Muon: orthogonalised, Nesterov .95", "orthogonalised", 0.95, True, False),
)


ADAM = "Adam in the eigenbasis"


def crops(data: Path, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two crops of each image, (500, 1200) each in [0, 1]; say so and end if images are missing."""
    if not data.is_dir():
        print(f"skipped: {data} is missing; pass --data FOLDER with {IMAGES} images of {CROP} pixels or more")
        raise SystemExit(0)
    images = load_images(str(data), ImagesConfig(size=32, limit=IMAGES)).images
    generator = np.random.default_rng([seed, 1])
    x, y = (random_crops(images, CROP, generator).flatten(1).double().numpy() / 255 for _ in range(2))
    return x, y


def first_steps(simulated: Callable[..., Simulation], rate: float, limit: int) -> tuple[float, np.ndarray]:
    """The step at which the last eigenvalue passes one half, and the weights by half as many steps again.

    `simulated` runs so many steps, anew each time.
    """
    length = 100
    while True:
        run = simulated(min(length, limit), record_every=1 if length < 1000 else 10)
        step = run.half_times[-1] / rate
        if np.isfinite(step):
            return step, simulated(math.ceil(1.5 * step)).final_weights
        if length >= limit:
            return math.inf, run.final_weights
        length *= 3


def adam_in_eigenbasis(
    gamma: np.ndarray, start: np.ndarray, rate: float, steps: int, *, record_every: int = 1
) -> Simulation:
    """Adam on the weights' coordinates, in which every entry belongs to one mode."""
    values = torch.from_numpy(gamma)
    weights = torch.from_numpy(start.copy()).requires_grad_()
    optimizer = torch.optim.Adam([weights], lr=rate)
    times, eigenvalues, losses = [], [], []
    for step in range(steps + 1):
        correlation = (weights * values) @ weights.T
        loss = ((correlation - torch.eye(len(start))) ** 2).sum()
        if step % record_every == 0 or step == steps:
            times.append(rate * step)
            eigenvalues.append(torch.linalg.eigvalsh(correlation.detach()).flip(0).numpy())
            losses.append(loss.item())
        if step < steps:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return Simulation(np.array(times), np.array(eigenvalues), np.array(losses), weights.detach().numpy())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=CIFAR10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sigma", type=float, default=1e-7)
    parser.add_argument("--share", type=float, default=0.7)
    parser.add_argument("--swing", type=float, default=0.3)
    parser.add_argument("--limit", type=int, default=40_000, help="steps, at most")
    parser.add_argument("--only", default="", help="the rules whose names hold this")
    given = parser.parse_args()

    x, y = crops(given.data, given.seed)
    operator, views = cross_correlation(x, y), np.concatenate([x, y])
    second_moment = views.T @ views / len(views)
    gamma, modes = top_eigenmodes(operator, DIM)
    weights = np.random.default_rng([given.seed, 2]).normal(0, given.sigma, (DIM, len(operator)))
    variances = np.einsum("ij,ik,kj->j", modes, second_moment, modes)
    rate, swing = given.share / (4 * gamma[0]), given.swing / math.sqrt(gamma[0])
    print(
        f"gamma_10 / gamma_1 {gamma[-1] / gamma[0]:.2e}, rho_1 {gamma[0] / variances[0]:.3f}, "
        f"rho_10 {gamma[-1] / variances[-1]:.3f}, rate {rate:.3g}, Muon's and Adam's {swing:.3g}"
    )
    print(f"{'rule':36s} {'tenth mode':>10s} {'closed form':>11s} {'overlap':>8s}", flush=True)

    for name, rule, momentum, nesterov, of_covariance in RULES:
        if given.only not in name:
            continue
        orthogonalised = rule == "orthogonalised"
        used = swing if orthogonalised else rate

        simulated = functools.partial(
            gradient_descent,
            operator,
            weights,
            used,
            rule=rule,
            second_moment=second_moment if of_covariance else None,
            momentum=momentum,
            nesterov=nesterov,
        )
        step, last = first_steps(simulated, used, given.limit)
        expected = "-"
        if momentum == 0 or orthogonalised:
            known = rule
            if of_covariance:
                known = Preconditioner(rule.power, rule.damping, gamma / variances)
            starts = LinearSolution.from_operator(operator, weights).start_scales
            expected = (
                f"{half_times(gamma, starts, None if orthogonalised else used, rule=known)[-1] / used:.0f}"
            )
        overlap = subspace_overlap(modes, last.T)
        print(f"{name:36s} {step:10.0f} {expected:>11s} {overlap:8.3f}", flush=True)

    values, basis = scipy.linalg.eigh(operator)
    if given.only not in ADAM:
        return
    adam = functools.partial(adam_in_eigenbasis, values, weights @ basis, swing)
    step, last = first_steps(adam, swing, given.limit)
    overlap = subspace_overlap(modes, basis @ last.T)
    print(f"{ADAM:36s} {step:10.0f} {'-':>11s} {overlap:8.3f}")


if __name__ == "__main__":
    main()

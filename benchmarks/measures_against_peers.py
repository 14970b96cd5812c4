"""Every measure on embeddings whose spectrum is known exactly, beside other libraries' own functions.

    python benchmarks/measures_against_peers.py

Two views of n images in 512 dimensions, in float32, with exactly the scatter stated. lightly and
stable-pretraining get the 2n rows, image by image, and reptrix gets those or (n, 2, d), each in float32 as
in use. "expected" is the closed form of the spectrum or, for norms and cosines, the definition over all
pairs; a dash where there is none. A library that is not installed has no row. The second table changes one
thing at a time in RankMe and LiDAR, which tells where the first one's differences come from. The third draws
the 16 modes and the noise at random, as a run has them.
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from measure_peers import PEERS, peers

from eigenstep.machine import set_threads
from eigenstep.spectrum import measures

DIM = 512
NOISE = 0.05**2


@dataclass
class Case:
    """Views (n, 2, d) = scale * (image +- offset + mean), along k axes, the mean along the last of them."""

    name: str
    between: np.ndarray  # (k,) variance of the images' means, divided by n - 1
    within: np.ndarray  # (k,) variance of the views about their image, divided by n
    images: int = 1024
    mean: float = 0.0
    scale: float = 1.0
    modes: float = math.nan

    def views(self) -> torch.Tensor:
        rng = np.random.default_rng(0)
        image = (self.images - 1) ** 0.5 * orthogonal(rng, self.images, self.between)
        offset = (self.images / 2) ** 0.5 * orthogonal(rng, self.images, self.within)
        image[:, -1] += self.mean
        basis = np.linalg.qr(rng.normal(size=(DIM, len(self.between))))[0].T
        return torch.from_numpy(self.scale * np.stack([image + offset, image - offset], 1) @ basis).float()

    def expected(self, views: torch.Tensor) -> dict[str, float]:
        rows = views.flatten(0, 1).double().numpy()
        n, terms = self.images, min(2 * self.images, DIM)
        images = self.between * (n - 1) / n
        covariance, cross = images + self.within / 2, self.scale**2 * (images - self.within / 2)
        about_zero = covariance.copy()
        about_zero[-1] += self.mean**2
        ridge = 1e-4 * (self.between + self.within).sum() / DIM
        ratios = self.between / np.maximum(self.within + ridge, 1e-300)
        top = max(covariance.max(), 1e-300)
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return {
            "rank_me": entropy_rank(np.sqrt(about_zero), terms),
            "effective_rank": entropy_rank(covariance, terms, eps=0.0),
            "participation_ratio": covariance.sum() ** 2 / max((covariance**2).sum(), 1e-300),
            "stable_rank": covariance.sum() / top,
            "alpha_req": decay(np.sort(covariance)[::-1]),
            "lidar": entropy_rank(ratios, DIM),
            "modes_past_half": float((cross >= 0.5).sum()),
            "modes_above_noise": self.modes,
            "mean_norm": np.linalg.norm(rows, axis=1).mean(),
            "normalized_std": DIM**0.5 * unit.std(0, ddof=1).mean(),
            "cosine_concentration": (unit @ unit.T)[~np.eye(len(unit), dtype=bool)].mean(),
        }


def orthogonal(rng: np.random.Generator, rows: int, variances: np.ndarray) -> np.ndarray:
    """Columns (rows, k) of mean zero, orthogonal to each other, with these squared norms."""
    columns = np.zeros((rows, len(variances)))
    used = variances > 0
    random = rng.normal(size=(rows, used.sum()))
    columns[:, used] = np.linalg.qr(random - random.mean(0))[0] * np.sqrt(variances[used])
    return columns


def entropy_rank(values: np.ndarray, terms: int, eps: float = 1e-7) -> float:
    if not values.any():
        return 0.0
    p = np.pad(values / values.sum(), (0, terms - len(values))) + eps
    p = p[p > 0]
    return float(np.exp(-(p * np.log(p)).sum()))


def decay(covariance: np.ndarray) -> float:
    ranks = np.arange(11, min(100, len(covariance)) + 1)
    if not covariance.any():
        return math.nan
    return -np.polyfit(np.log(ranks), np.log(covariance[ranks - 1]), 1, w=ranks**-0.5)[0]


MODES = np.r_[np.ones(16), np.zeros(DIM - 16)]
SCRAMBLED = np.r_[np.zeros(8), np.ones(8), np.zeros(DIM - 16)]
FLAT = np.full(DIM, NOISE)
# 64 images span 63 axes with their means and as many with the differences of their views.
FEW_BETWEEN = np.r_[np.ones(16), np.full(47, NOISE), np.zeros(63)] * 64 / 63
FEW_WITHIN = np.r_[np.zeros(63), np.full(63, 2 * NOISE)]

CASES = [
    Case("32 equal", np.ones(32), np.full(32, 0.01), modes=32),
    Case("16 + noise", MODES + FLAT / 2, FLAT, modes=16),
    Case("+ mean of norm 10", MODES + FLAT / 2, FLAT, mean=10.0, modes=16),
    Case("8 scrambled", MODES + FLAT / 2, FLAT + SCRAMBLED, modes=16),
    Case("8 scrambled, × 1e-4", MODES + FLAT / 2, FLAT + SCRAMBLED, scale=1e-4, modes=16),
    Case("64 images", FEW_BETWEEN, FEW_WITHIN, images=64, modes=16),
    Case("1/j", *np.outer([1.0, 0.1], np.arange(1, DIM + 1.0) ** -1)),
    Case("constant", np.zeros(8), np.zeros(8), mean=1.0, modes=0),
]


def ours(views: torch.Tensor) -> dict[str, float]:
    rows, (a, b) = views.flatten(0, 1), views.unbind(1)
    whole = ("rank_me", "effective_rank", "participation_ratio", "stable_rank", "alpha_req", "mean_norm")
    values = {name: getattr(measures, name)(rows) for name in whole}
    return values | {
        "lidar": measures.lidar(views),
        "modes_past_half": measures.modes_past_half(a, b, center=True),
        "modes_above_noise": measures.modes_above_noise(rows),
        "normalized_std": measures.normalized_std(rows),
        "cosine_concentration": measures.cosine_concentration(rows),
    }


def what_each_difference_is_worth() -> None:
    cases = CASES[1:5]
    views = [case.views().double() for case in cases]
    variants: list[tuple[str, Callable[[torch.Tensor], float]]] = [
        ("RankMe: singular values, uncentred, eps 1e-7", lambda z: measures.rank_me(z.flatten(0, 1))),
        ("RankMe, eps 1e-5 (stable-pretraining)", lambda z: measures.rank_me(z.flatten(0, 1), eps=1e-5)),
        ("RankMe, centred", lambda z: measures.rank_me(z.flatten(0, 1), center=True)),
        ("RankMe, eigenvalues", lambda z: measures.effective_rank(z.flatten(0, 1), center=False)),
        ("RankMe, centred eigenvalues (reptrix)", lambda z: measures.effective_rank(z.flatten(0, 1))),
        ("LiDAR: delta 1e-4 of the variance", measures.lidar),
        ("LiDAR, delta 1e-4 absolute (stable-pretraining)", lambda z: measures.lidar(z, scale_free=False)),
        ("LiDAR, delta 1e-6 absolute", lambda z: measures.lidar(z, delta=1e-6, scale_free=False)),
        ("LiDAR, the same, its matrix squared and centred (reptrix, float64)", reptrix_lidar_by_hand),
    ]
    print(f"\n| definition | {' | '.join(case.name for case in cases)} |")
    print("| --- |" + " ---: |" * len(cases))
    for name, measure in variants:
        print(f"| {name} | " + " | ".join(f"{measure(z):.4g}" for z in views) + " |")


def what_the_sample_size_is_worth() -> None:
    print("\n| rows | RankMe | effective rank |\n| ---: | ---: | ---: |")
    rng = np.random.default_rng(0)
    for rows in (512, 1024, 2048, 4096, 16384):
        z = rng.normal(size=(rows, DIM)) * np.sqrt(MODES + NOISE)
        print(f"| {rows} | {measures.rank_me(z):.4g} | {measures.effective_rank(z):.4g} |")


def reptrix_lidar_by_hand(views: torch.Tensor) -> float:
    """B summed over images, W over views, and the spectrum of the rows of W^-1/2 B W^-1/2 as if of data."""
    means = views.mean(1)
    deviations = (views - means[:, None]).flatten(0, 1)
    means = means - means.mean(0)
    values, vectors = torch.linalg.eigh(deviations.T @ deviations / len(views) + 1e-6 * torch.eye(DIM))
    root = vectors / values.sqrt() @ vectors.T
    return measures.effective_rank(root @ means.T @ means @ root)


def main() -> None:
    set_threads(1)
    warnings.simplefilter("ignore")  # the peers' own, of divisions by zero
    columns = []
    for case in CASES:
        views = case.views()
        values = {(name, "expected"): value for name, value in case.expected(views).items()}
        values |= {(name, "Eigenstep"): value for name, value in ours(views).items()}
        columns.append(values | peers(views))
    print(f"| measure | by | {' | '.join(case.name for case in CASES)} |")
    print("| --- | --- |" + " ---: |" * len(CASES))
    for name in measures.MEASURES:
        for source in ("expected", "Eigenstep", *PEERS):
            if any((name, source) in column for column in columns):
                cells = [text(column[name, source]) for column in columns]
                print(f"| {name if source == 'expected' else ''} | {source} | {' | '.join(cells)} |")
    what_each_difference_is_worth()
    what_the_sample_size_is_worth()


def text(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return "–" if math.isnan(value) else f"{0.0 if abs(value) < 1e-7 else value:.4g}"


if __name__ == "__main__":
    main()

"""Experiment E1: the linear model on pairs of image crops, trained for real and predicted in closed form."""

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from eigenstep.losses import BarlowTwinsLoss
from eigenstep.record import RunRecord
from eigenstep.reproduce._full_batch import FullBatchRun, StepProgress
from eigenstep.theory import LinearSolution, cross_correlation
from eigenstep.views import highest_value


@dataclass(frozen=True)
class LinearModelExperiment:
    """The linear model f(x) = W x under Barlow Twins without normalisation.

    The encoder is trained by full-batch gradient descent, with automatic differentiation of the loss of the
    pairs' embeddings; the closed form sees the pairs and W(0) only. Simon et al. 2023 (arXiv:2303.15438),
    figure 1.

    Examples
    --------
    >>> import tempfile
    >>> images = torch.randint(256, (50, 3, 8, 8), generator=torch.Generator().manual_seed(0)).byte()
    >>> record = LinearModelExperiment(dim=2, crop=6, records=40).run(images, tempfile.mkdtemp() + "/run")
    >>> measured = [rise["half_time"] for rise in record.summary["rises"]]
    >>> (np.array(measured) / record.prediction["half_times"]).round(1)
    array([1., 1.])
    """

    dim: int = 10
    """Dimension d of the embedding."""
    crop: int = 20
    """Height and width of the two random crops of each image, in pixels."""
    init_scale: float = 1e-7
    """Standard deviation of the initial weights."""
    subtract_crop_mean: bool = False
    """Take each crop's mean level, photographs' strongest mode by far, out of its pixels in [-1, 1]."""
    relative_rate: float = 0.3
    """Learning rate as a share of the largest stable one, 1 / (4 gamma_1)."""
    margin: float = 1.15
    """Train until this multiple of the last mode's predicted half-time."""
    records: int = 400
    """How many measurements, evenly spaced in the logarithm of time as the rises are."""
    probe: int = 128
    """How many images' embeddings are followed."""
    seed: int = 0
    """Determines crops and initial weights."""
    dtype: Literal["float64", "float32"] = "float64"
    """What it is trained in; float32 takes half the time. The closed form is in float64 always."""

    def run(self, images: Tensor, out: str | Path, progress: StepProgress | None = None) -> RunRecord:
        """Train on two random crops of each image; write a run folder with the prediction into it.

        Parameters
        ----------
        images : Tensor
            Stored images (n, C, H, W), at least as large as the crop.
        out : str | Path
            a folder that is empty or not there yet.
        progress : StepProgress | None
            Called with the step, the number of steps and the loss at every measurement.

        Raises
        ------
        ValueError
            If the images are smaller than the crop, or fewer than d modes can be learned.
        """
        out = Path(out)
        generator = np.random.default_rng([self.seed, 1])
        views = [random_crops(images, self.crop, generator) for _ in range(2)]
        x, y = (_pixels(view, self.subtract_crop_mean) for view in views)
        weights = generator.normal(0, self.init_scale, (self.dim, x.shape[1]))
        solution = LinearSolution.from_operator(cross_correlation(x.numpy(), y.numpy()), weights)
        if solution.n_positive < self.dim:
            raise ValueError(
                f"expected pairs from which {self.dim} modes are learned, got {solution.n_positive}"
            )
        rate = self.relative_rate / (4 * float(solution.eigenvalues[0]))
        solution = dataclasses.replace(solution, learning_rate=rate)
        steps = math.ceil(self.margin * float(solution.half_times.max()) / rate)
        run = self._open(out, solution, rate, steps, views[0])
        dtype = getattr(torch, self.dtype)
        x, y, matrix = (each.to(dtype) for each in (x, y, torch.from_numpy(weights)))
        matrix.requires_grad_()
        run.descend(
            lambda: (x @ matrix.T, y @ matrix.T),
            [matrix],
            BarlowTwinsLoss(1.0, normalize="none", center=False, symmetrize=True),
            rate=rate,
            steps=steps,
            records=self.records,
            progress=progress,
        )
        return run.finish()

    def _open(
        self, out: Path, solution: LinearSolution, rate: float, steps: int, crops: Tensor
    ) -> FullBatchRun:
        config = {
            "data": f"two random {self.crop}×{self.crop} crops of each of {len(crops)} images",
            "loss": "barlow_twins",
            "backbone": "linear",
            "steps": steps,
            "optimizer": {"name": "sgd", "lr": rate, "momentum": 0.0},
            "experiment": dataclasses.asdict(self),
        }
        run = FullBatchRun(out, config, crops[: self.probe], self.dim, center=False)
        prediction = {
            "gamma": solution.eigenvalues.tolist(),
            "start_scales": solution.start_scales.tolist(),
            "half_times": solution.half_times.tolist(),
            "learning_rate": rate,
        }
        run.writer.write_prediction(prediction)
        return run


def random_crops(images: Tensor, size: int, generator: np.random.Generator) -> Tensor:
    """One crop at a random place of each image: (n, 3, H, W) to (n, 3, size, size).

    Examples
    --------
    >>> random_crops(torch.zeros(2, 3, 8, 8), 4, np.random.default_rng(0)).shape
    torch.Size([2, 3, 4, 4])
    """
    count, _, height, width = images.shape
    if min(height, width) < size:
        raise ValueError(f"expected images of at least {size}×{size} pixels, got {height}×{width}")
    tops = generator.integers(height - size + 1, size=count)
    lefts = generator.integers(width - size + 1, size=count)
    return torch.stack(
        [
            image[:, top : top + size, left : left + size]
            for image, top, left in zip(images, tops, lefts, strict=True)
        ]
    )


def _pixels(crops: Tensor, subtract_mean: bool) -> Tensor:
    """Rows of float64 in [-1, 1], with or without each crop's own mean."""
    rows = crops.flatten(1).double() / (highest_value(crops) / 2) - 1
    return rows - rows.mean(dim=1, keepdim=True) if subtract_mean else rows

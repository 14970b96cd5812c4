"""Experiment E4's network: one hidden layer, trained full-batch, its tangent kernel kept at both ends."""

import dataclasses
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from eigenstep.kernel import ContrastiveKernelPCA, empirical_ntk
from eigenstep.losses import BarlowTwinsLoss, NTXentLoss, VICRegLoss
from eigenstep.record import RunRecord, atomic_write
from eigenstep.reproduce._full_batch import FullBatchRun, StepProgress
from eigenstep.reproduce._linear_model import random_crops
from eigenstep.views import highest_value

OBJECTIVES: dict[str, Callable[[], nn.Module]] = {
    "barlow_twins": lambda: BarlowTwinsLoss(1.0, normalize="none", center=False, symmetrize=True),
    "simclr": lambda: NTXentLoss(1.0, normalize="none"),
    "vicreg": VICRegLoss,
}
# The learning rate, in units of the time in which the first kernel's strongest mode would settle. By trial:
# kernels grow manifold while they learn, and at larger rates modes swing or diverge.
RATES = {"barlow_twins": 0.5, "simclr": 0.1, "vicreg": 0.15}


@dataclass(frozen=True)
class TwoLayerExperiment:
    """f(x) = A relu(B x + b) under one of three losses, trained full-batch from a small start.

    Simon et al. 2023 (arXiv:2303.15438), section 5: the embeddings that a network learns against those that
    its tangent kernel predicts, and against other losses' embeddings.

    Examples
    --------
    >>> import tempfile
    >>> images = torch.randint(256, (10, 3, 8, 8), generator=torch.Generator().manual_seed(0)).byte()
    >>> out = Path(tempfile.mkdtemp()) / "run"
    >>> record = TwoLayerExperiment(width=16, dim=2, crop=6, steps=4, records=2).run(images, out)
    >>> {name: values.shape for name, values in np.load(out / "embeddings.npz").items()}
    {'embeddings': (20, 2), 'kernel_initial': (20, 20), 'kernel_final': (20, 20)}
    """

    loss: str = "barlow_twins"
    """barlow_twins (un-normalised, not centred), simclr (un-normalised, temperature 1) or vicreg."""
    width: int = 1024
    """Hidden units."""
    dim: int = 10
    """Dimension d of the embedding."""
    crop: int = 20
    """Height and width of the two random crops of each image."""
    subtract_crop_mean: bool = False
    """Take each crop's mean level out of its pixels in [-1, 1]."""
    init_scale: float = 1e-2
    """Factor of the usual initial weights of the output layer."""
    steps: int = 7000
    """Steps of full-batch gradient descent."""
    records: int = 200
    """How many measurements, evenly spaced in the logarithm of the step."""
    seed: int = 0
    """Determines crops and initial weights."""

    def run(self, images: Tensor, out: Path, progress: StepProgress | None = None) -> RunRecord:
        """Train, and write a run folder with `embeddings.npz` in it.

        That file holds `embeddings` (2n, d), first views first, and `kernel_initial` and `kernel_final`
        (2n, 2n), float64.

        Raises
        ------
        FloatingPointError
            If the loss is no longer finite.
        """
        generator = np.random.default_rng([self.seed, 1])
        crops = [random_crops(images, self.crop, generator) for _ in range(2)]
        views = torch.cat(crops).flatten(1).float() / (highest_value(images) / 2) - 1
        if self.subtract_crop_mean:
            views = views - views.mean(1, keepdim=True)
        network = self._network(views.shape[1])
        initial = tangent_kernel(network, views)
        gamma = predicted_modes(initial, self.loss, self.dim).eigenvalues_
        # The gradient's factors; VICReg's weight is 25, and its terms are means over d.
        factor = {"barlow_twins": 4.0, "simclr": 2.0, "vicreg": 2 * 25 / self.dim}[self.loss]
        rate = RATES[self.loss] / (factor * float(gamma[0]))
        run = FullBatchRun(out, self._config(len(images), rate), crops[0], self.dim, is_centered(self.loss))
        pair = run.descend(
            lambda: network(views).split(len(images)),
            network.parameters(),
            OBJECTIVES[self.loss](),
            rate=rate,
            steps=self.steps,
            records=self.records,
            progress=progress,
        )
        content = io.BytesIO()
        np.savez(
            content,
            embeddings=torch.cat(pair).double().numpy(),
            kernel_initial=initial,
            kernel_final=tangent_kernel(network, views),
        )
        atomic_write(out / "embeddings.npz", content.getvalue())
        return run.finish()

    def _network(self, inputs: int) -> nn.Sequential:
        torch.manual_seed(self.seed)
        output = nn.Linear(self.width, self.dim, bias=False)
        with torch.no_grad():
            output.weight.mul_(self.init_scale)
        return nn.Sequential(nn.Linear(inputs, self.width), nn.ReLU(), output)

    def _config(self, count: int, rate: float) -> dict[str, Any]:
        return {
            "data": f"two random {self.crop}×{self.crop} crops of each of {count} images",
            "loss": self.loss,
            "backbone": f"one hidden layer of {self.width}",
            "steps": self.steps,
            "optimizer": {"name": "sgd", "lr": rate, "momentum": 0.0},
            "experiment": dataclasses.asdict(self),
        }


def is_centered(loss: str) -> bool:
    """Whether the loss sees embeddings without their mean alone."""
    return loss != "barlow_twins"


def predicted_modes(kernel: NDArray[np.float64], loss: str, dim: int) -> ContrastiveKernelPCA:
    """What the loss learns first in the kernel of 2n views, first views first: the fitted closed form.

    Examples
    --------
    >>> views = np.array([[2.0, 0.0], [0.0, 1.0], [2.0, 0.0], [0.0, 1.0]])  # of two images, first views first
    >>> predicted_modes(views @ views.T, "barlow_twins", 2).eigenvalues_.round(3)
    array([2. , 0.5])
    """
    pairs = np.tile(np.arange(len(kernel) // 2), 2)
    return ContrastiveKernelPCA(dim, kernel="precomputed", objective=loss).fit(kernel, groups=pairs)


def tangent_kernel(network: nn.Module, views: Tensor) -> NDArray[np.float64]:
    """The empirical tangent kernel between all views, averaged over the outputs, float64 (N, N).

    Examples
    --------
    >>> tangent_kernel(nn.Linear(2, 1, bias=False), torch.eye(2))
    array([[1., 0.],
           [0., 1.]])
    """
    kernel: NDArray[np.float64] = empirical_ntk(network, views, dtype=torch.float64).matrix.numpy()
    return kernel

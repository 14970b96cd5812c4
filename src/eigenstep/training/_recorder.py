"""What a training run measures of itself, and writes into its folder."""

import json
import time
from pathlib import Path

import torch
from torch import Tensor

from eigenstep.atomic import atomic_write
from eigenstep.spectrum import (
    RecordWriter,
    append_line,
    covariance_eigenvalues,
    cross_correlation_eigenvalues,
    find_rises,
    principal_projections,
    read_record,
)
from eigenstep.training._backbones import Encoder
from eigenstep.training._config import TrainConfig
from eigenstep.training._images import ImageSet
from eigenstep.training._objectives import is_centered

FEATURES_KEPT = 128


class Recorder:
    """Measures the batch at hand and the probe batch, at the cadence of `config.record`.

    The probe batch is the data set's first images, resized but not augmented, in evaluation mode.

    Parameters
    ----------
    out : the run folder
    encoder : gives features (B, p) and embeddings (B, d), in the precision of the training
    probe_images : (n, 3, H, W) as the encoder takes them, on its device; n = 0 for no probe batch
    start : the step that the run goes on from; measurements from there on are forgotten
    """

    def __init__(
        self,
        out: Path,
        config: TrainConfig,
        encoder: Encoder,
        dataset: ImageSet,
        probe_images: Tensor,
        start: int,
    ) -> None:
        self.out = out
        self.config = config
        self.encoder = encoder
        self.dataset = dataset
        self.probe_images = probe_images
        self.seconds = 0.0
        self.began = time.perf_counter()
        self.start = start
        self.writer = RecordWriter(
            out,
            config.projector.dim,
            features=min(encoder.num_features, FEATURES_KEPT),
            probe=len(probe_images),
            directions=config.record.directions,
        )
        self.writer.truncate(start)
        if len(probe_images):
            self.writer.write_probe(dataset.images[: len(probe_images)].permute(0, 2, 3, 1).numpy())

    def images_per_second(self, step: int) -> float:
        """Images trained on by this process, each counted once, over its time."""
        return (step - self.start) * self.config.batch_size / (time.perf_counter() - self.began)

    def measure(
        self,
        step: int,
        learning_time: float,
        features: tuple[Tensor, Tensor],
        embeddings: tuple[Tensor, Tensor],
        terms: dict[str, Tensor],
        **metrics: float,
    ) -> None:
        """Add one measurement to the record."""
        began = time.perf_counter()
        kept = min(self.encoder.num_features, FEATURES_KEPT)
        eigenvalues = {
            "cross_correlation": cross_correlation_eigenvalues(*embeddings, center=is_centered(self.config)),
            "covariance": covariance_eigenvalues(*embeddings),
            "features": covariance_eigenvalues(*features)[:kept],
        }
        points = None
        if len(self.probe_images):
            self.encoder.eval()
            with torch.no_grad():
                points = principal_projections(
                    self.encoder(self.probe_images)[1], self.config.record.directions
                )
            self.encoder.train()
        numbers = {name: float(term) for name, term in terms.items()}
        self.writer.append(step, learning_time, eigenvalues, points, terms=numbers, **metrics)
        now = time.perf_counter()
        self.seconds += now - began
        row = {
            "step": step,
            "seconds": round(now - self.began, 3),
            "record_seconds": round(self.seconds, 3),
            "images_per_second": round(self.images_per_second(step), 1),
        }
        append_line(self.out / "timings.jsonl", row)

    def finish(self, state: str, step: int) -> None:
        """Write the summary: "finished", or "diverged" at `step`."""
        record = read_record(self.out)
        rises = []
        if record.eigenvalues is not None:
            rises = find_rises(record.eigenvalues["time"], record.eigenvalues["cross_correlation"])
        summary = {
            "state": state,
            "step": step,
            "learned_modes": len(rises),
            "rises": [vars(rise) for rise in rises],
            "images": {
                "used": len(self.dataset),
                "broken": len(self.dataset.broken),
                "broken_names": self.dataset.broken[:20],
                "enlarged": self.dataset.enlarged,
            },
        }
        atomic_write(self.out / "summary.json", json.dumps(summary, indent=1))

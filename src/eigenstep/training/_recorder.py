"""What a training run measures of itself, and writes into its folder."""

import math
import time
import warnings
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import astuple
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eigenstep.analysis import STAYS_FOR, Landmark, LearnedCount, place_loss, summarise
from eigenstep.encoders import Encoder
from eigenstep.methods import is_centered, title_of
from eigenstep.record import RecordWriter, read_record
from eigenstep.spectrum import (
    Spectrum,
    covariance_eigenvalues,
    cross_covariance_singular_values,
    principal_projections,
    rectangular_spectrum_of,
    spectrum_of,
)
from eigenstep.spectrum.health import BeforeUpdate
from eigenstep.spectrum.moments import pair_moments_of_rows, two_sides_of_rows
from eigenstep.training._drift import Drift
from eigenstep.training._health import Health
from eigenstep.training._learner import ForwardPass
from eigenstep.training._loggers import Loggers
from eigenstep.training.config import TrainConfig

FEATURES_KEPT = 128
EIGENVALUES_LOGGED = 8


class Recorder:
    """Measures the batch at hand and the probe batch, at the cadence of `config.record`.

    The probe batch is some of the data set's images, resized but not augmented, in evaluation mode.

    Parameters
    ----------
    out : Path
        The run folder.
    encoder : Encoder
        Gives features (B, p) and embeddings (B, d).
    autocast : Callable[[], AbstractContextManager]
        Makes the context in which the encoder computes in the run's precision.
    thumbnails : Tensor
        (n, C, S, S), the probe batch as it is stored; n = 0 for none.
    probe_images : Tensor | tuple[Tensor, ...]
        (n, C, H, W), the same as the encoder takes them, on its device; of pairs those of each side.
    health : Health
        Of the run's steps.
    loggers : Loggers
        Where measurements go besides the folder.
    start : int
        The step that the run goes on from; measurements from there on are forgotten.
    measurements : int | None
        How many there should be before that step, where the checkpoint tells.
    drift : bool
        Follow how far the probe batch's features move from what they were before the first step.
    """

    def __init__(
        self,
        out: Path,
        config: TrainConfig,
        encoder: Encoder,
        autocast: Callable[[], AbstractContextManager[None]],
        thumbnails: Tensor,
        probe_images: Tensor | tuple[Tensor, ...],
        health: Health,
        loggers: Loggers,
        start: int,
        measurements: int | None = None,
        *,
        drift: bool = False,
    ) -> None:
        self.out = out
        self.config = config
        self.encoder = encoder
        self.autocast = autocast
        self.probe_images = probe_images
        self.probed = len(probe_images if isinstance(probe_images, Tensor) else probe_images[0])
        dim = config.projector.dim
        self._rectangular = config.record.modes == "singular_values"
        self.health = health
        self.loggers = loggers
        self.seconds = 0.0
        self.began = time.perf_counter()
        self.start = start
        self.learned_modes: int | None = None
        self._waited, self._health = 0.0, dict[str, float]()
        self._before: BeforeUpdate | None = None
        self.writer = RecordWriter(
            out,
            (dim, dim) if self._rectangular else dim,
            features=min(encoder.num_features, FEATURES_KEPT),
            probe=self.probed,
            directions=config.record.directions,
            start=start,
        )
        self.writer.missing = max(0, (measurements or 0) - self.writer.measurements)
        if self.writer.missing:
            warnings.warn(
                f"{out}: {self.writer.missing} measurements before step {start} are missing; the line of the"
                " next one says so",
                stacklevel=2,
            )
        before = read_record(out)
        assert before.eigenvalues is not None, "the writer has just made the table"
        self._learned = LearnedCount(before.eigenvalues["time"], before.eigenvalues["cross_correlation"])
        self.standing = ""
        self._landmarks: list[Landmark] = []
        self._losses = deque(before.metrics.get("loss", ()), maxlen=STAYS_FOR)
        accuracies = before.probes.get("knn_features", np.zeros(0))
        self._best = float(accuracies.max()) if len(accuracies) else -1.0
        if len(thumbnails):
            self.writer.write_probe(thumbnails.permute(0, 2, 3, 1).numpy())
        self.drift = self._follow_drift() if drift and self.probed else None

    def place_losses(self, landmarks: list[Landmark], processes: int) -> None:
        """Keep the values that the loss has by itself, by which each measurement's is placed from now on."""
        if not landmarks:
            return
        self._landmarks = landmarks
        self.writer.write_landmarks(
            title_of(self.config.loss),
            map(astuple, landmarks),
            pairs=self.config.batch_size,
            dim=self.config.projector.dim,
            processes=processes,
        )

    def images_per_second(self, step: int) -> float:
        """Images trained on since this process began, each counted once, over its time; 0 without any."""
        passed = time.perf_counter() - self.began
        return (step - self.start) * self.config.batch_size / passed if passed > 0 else 0.0

    def share(self, seconds: float) -> float:
        """What share of the time since this process began some seconds are; 0 if none has passed."""
        passed = time.perf_counter() - self.began
        return seconds / passed if passed > 0 else 0.0

    def measure(
        self,
        step: int,
        learning_time: float,
        features: tuple[Tensor, Tensor],
        embeddings: tuple[Tensor, Tensor],
        terms: dict[str, float],
        waited: float,
        passed: ForwardPass,
        images: Tensor,
        last: bool = False,
        **metrics: float,
    ) -> None:
        """Measure before the step is taken; `add` writes it into the record.

        Parameters
        ----------
        waited : float
            Seconds of waiting for images so far.
        passed : ForwardPass
            Of this process.
        images : Tensor
            Of its batch, (b, ...), as they are stored.
        last : bool
            Whether it is the run's last, of which the modes are counted whatever that takes.
        """
        began = time.perf_counter()
        spectrum, of_features = self._spectra(step, learning_time, features, embeddings)
        kept = min(self.encoder.num_features, FEATURES_KEPT)
        eigenvalues = spectrum.columns | {"features": of_features[:kept]}
        points, drift = None, {}
        if self.probed:
            probed, embedded = self._embed_probe()
            drift = self.drift.measure(probed) if self.drift else {}
            points = principal_projections(embedded, self.config.record.directions)
        groups: dict[str, Any] = {"terms": terms, "measures": spectrum.measures, "drift": drift, **metrics}
        self._measured = partial(self.writer.append, step, learning_time, eigenvalues, points, **groups)
        self._losses.append(metrics.get("loss", math.nan))
        place = place_loss(self._losses, self._landmarks)
        self.standing = place.short if place else ""
        self.learned_modes = self._learned.add(learning_time, eigenvalues["cross_correlation"])
        if last:
            self.learned_modes = self._learned.latest()
        moved = {f"drift/{name}": value for name, value in drift.items() if math.isfinite(value)}
        self._logged = partial(self._log, step, learning_time, spectrum, terms, metrics | moved)
        self._health, self._waited = self.health.of_batch(passed, images), waited
        self.seconds += time.perf_counter() - began

    def before_update(self) -> None:
        """See what a step is about to do, once its gradient is there."""
        began = time.perf_counter()
        self._before = self.health.before_update()
        self.seconds += time.perf_counter() - began

    def add(self, step: int) -> None:
        """Add what was measured at a step to the record, with what the step did where it was taken."""
        began = time.perf_counter()
        did = self.health.of_update(self._before) if self._before else {}
        self._before = None
        health = self._health | did
        self._measured(health=health)
        self._logged({f"health/{name}": value for name, value in health.items()})
        now = time.perf_counter()
        self.seconds += now - began
        row = {
            "step": step,
            "seconds": round(now - self.began, 3),
            "record_seconds": round(self.seconds, 3),
            "data_seconds": round(self._waited, 3),
            "images_per_second": round(self.images_per_second(step), 1),
        }
        self.writer.append_to("timings", row)

    def add_probes(self, step: int, learning_time: float, accuracies: dict[str, float]) -> bool:
        """Add what the probes found; returns whether the features were better than ever before."""
        self.writer.append_to("probes", {"step": step, "time": learning_time, **accuracies})
        self.loggers.log({f"probe/{name}": value for name, value in accuracies.items()}, step)
        best = accuracies["knn_features"] > self._best
        self._best = max(self._best, accuracies["knn_features"])
        return best

    def finish(self, state: str, step: int, images: dict[str, Any], **facts: Any) -> None:
        """Write the summary: "finished", or "diverged" at `step`; `images`: what was read."""
        self.writer.finish(state, step, **summarise(read_record(self.out)), images=images, **facts)
        self.loggers.close(state)

    def _spectra(
        self, step: int, time: float, features: tuple[Tensor, Tensor], embeddings: tuple[Tensor, Tensor]
    ) -> tuple[Spectrum, np.ndarray]:
        """Of the embeddings, and eigenvalues or singular values of the features."""
        dim = self.config.projector.dim
        if self._rectangular:
            spectrum: Spectrum = rectangular_spectrum_of(
                two_sides_of_rows(*embeddings), step=step, time=time, center=True, kept=(dim, dim)
            )
            return spectrum, cross_covariance_singular_values(*features)
        spectrum = spectrum_of(
            pair_moments_of_rows(torch.stack(embeddings)),
            step=step,
            time=time,
            center=is_centered(self.config),
            kept=dim,
        )
        return spectrum, covariance_eigenvalues(*features)

    def _embed_probe(self) -> tuple[Tensor, Tensor]:
        """Features (n, p) and embeddings (n, d) of the probe batch; of pairs those of both sides in a row."""
        self.encoder.eval()
        with torch.no_grad(), self.autocast():
            passed = self.encoder(self.probe_images)
        self.encoder.train()
        features, embeddings = (each if isinstance(each, Tensor) else torch.cat(each, 1) for each in passed)
        return features, embeddings

    def _follow_drift(self) -> Drift | None:
        """From the features of now at the first step, and later on from those that were kept then."""
        if self.start == 0:
            features = self._embed_probe()[0].float().cpu().numpy()
            self.writer.write_start_features(features)
            return Drift(features)
        try:
            return Drift.kept_in(self.out, len(self.probe_images))
        except (OSError, ValueError) as error:
            warnings.warn(
                f"{error}; how far features have moved since the start is not followed any more", stacklevel=2
            )
            return None

    def _log(
        self,
        step: int,
        learning_time: float,
        spectrum: Spectrum,
        terms: dict[str, float],
        metrics: dict[str, float],
        health: dict[str, float],
    ) -> None:
        measures = {
            f"spectrum/{name}": value for name, value in spectrum.measures.items() if math.isfinite(value)
        }
        row = (
            metrics
            | health
            | measures
            | {"time": learning_time, "spectrum/learned_modes": float(self.learned_modes or 0)}
        )
        row |= {f"terms/{name}": value for name, value in terms.items()}
        first = spectrum.cross_correlation[:EIGENVALUES_LOGGED]
        row |= {f"spectrum/eigenvalue_{index}": float(value) for index, value in enumerate(first, start=1)}
        self.loggers.log(row, step)

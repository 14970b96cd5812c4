"""How far a run has moved from what it started from, and whether that helped."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from eigenstep.record import RunRecord

# Above the first, features have hardly moved; below the second, little of the start is left.
HARDLY_MOVED, LITTLE_LEFT = 0.95, 0.5
# From here on they are the same but for rounding, as of a backbone that is all frozen.
UNMOVED = 1 - 1e-6
# A change of the k-NN probe that is told apart from none: about one standard error of 2,000 test images.
KNN_CHANGE = 0.01


@dataclass(frozen=True)
class DriftFound:
    """Features at the last measurement beside those before the first step.

    Attributes
    ----------
    step : int
        Of the measurement.
    cka, overlap : float
        Linear CKA, and the overlap of the leading spaces, of the probe batch's features; NaN where not
        defined.
    knn_start, knn_end, knn_best : float | None
        Accuracies of the k-nearest-neighbour probe on features at the first probe, at the last, and the best
        one; None unless step 0 was probed, and another.
    best_step : int | None
        At which step that was.
    """

    step: int
    cka: float
    overlap: float
    knn_start: float | None = None
    knn_end: float | None = None
    knn_best: float | None = None
    best_step: int | None = None

    @property
    def sentence(self) -> str:
        """In words, with whether going on helps or forgets.

        Examples
        --------
        >>> DriftFound(300, 0.4, 0.5, 0.71, 0.64, 0.73, 100).sentence  # doctest: +ELLIPSIS
        'at step 300 little of the start is left (CKA 0.40, leading spaces overlap by 0.50); k-NN fell from
        ...'
        """
        moved = f"CKA {self.cka:.2f}, leading spaces overlap by {self.overlap:.2f}"
        if not np.isfinite(self.cka):
            how = "the features are the same for all images, or not finite: nothing of the start is left"
            return f"at step {self.step:,} {how}"
        if self.cka >= UNMOVED and self.overlap >= UNMOVED:
            return f"at step {self.step:,} the features are those of the start"
        how = (
            "the features have hardly moved from the start"
            if self.cka >= HARDLY_MOVED
            else "the features have moved from the start"
            if self.cka >= LITTLE_LEFT
            else "little of the start is left"
        )
        return f"at step {self.step:,} {how} ({moved}); {self._worth()}"

    def _worth(self) -> str:
        if self.knn_start is None or self.knn_end is None or self.knn_best is None:
            return "whether that helps, k-NN tells (--probes.every, on labelled images)"
        change = self.knn_end - self.knn_start
        both = f"from {_percent(self.knn_start)} to {_percent(self.knn_end)}"
        best = f"it was best at step {self.best_step:,} with {_percent(self.knn_best)}"
        if change <= -KNN_CHANGE:
            return f"k-NN fell {both}: going on forgets, and {best}"
        if change < KNN_CHANGE:
            return f"k-NN went {both}: going on has neither helped nor harmed"
        later = f", though {best}" if self.knn_best - self.knn_end >= KNN_CHANGE else ""
        return f"k-NN rose {both}: going on has helped{later}"


def drift_of(record: RunRecord) -> DriftFound | None:
    """What a record says of the drift; None if the run did not follow it.

    Examples
    --------
    >>> import tempfile
    >>> from eigenstep.record import RecordWriter, read_record
    >>> writer = RecordWriter(tempfile.mkdtemp(), 1)
    >>> one = {"cross_correlation": np.ones(1), "covariance": np.ones(1)}
    >>> for step, cka in enumerate([1.0, 0.97]):
    ...     writer.append(step, 0.1 * step, one, loss=1.0, drift={"cka": cka, "overlap": cka})
    >>> drift_of(read_record(writer.path)).cka
    0.97
    """
    cka, overlap = (record.metrics.get(f"drift/{name}") for name in ("cka", "overlap"))
    if cka is None or overlap is None or not len(cka):
        return None
    found = DriftFound(int(record.metrics["step"][-1]), float(cka[-1]), float(overlap[-1]))
    steps, accuracies = record.probes.get("step"), record.probes.get("knn_features")
    if steps is None or accuracies is None or len(steps) < 2 or steps[0] != 0 or np.isnan(accuracies).any():
        return found
    best = int(np.argmax(accuracies))
    start, end, highest = (float(accuracies[index]) for index in (0, -1, best))
    return dataclasses.replace(
        found, knn_start=start, knn_end=end, knn_best=highest, best_step=int(steps[best])
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"

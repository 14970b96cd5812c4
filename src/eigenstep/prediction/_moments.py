"""A prediction as a run would record it: eigenvalues, loss and embeddings of images, moment by moment."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# How many moments are recorded at least, and between how many steps the images' embeddings are kept at most.
RECORDS, SNAPSHOTS = 200, 32


@dataclass(frozen=True, eq=False)
class Row:
    """One recorded moment: what `RecordWriter.append` takes."""

    step: int
    time: float
    loss: float
    learning_rate: float
    cross_correlation: NDArray[np.float64]
    covariance: NDArray[np.float64]
    points: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The images' embeddings (m, d) when just the first `learned` modes have been learned."""

    learned: int
    step: int
    time: float
    embedding: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Predicted:
    """The whole course.

    half_times, plateaus : (d,) when each eigenvalue of C, by its rank, passes half of where it ends, in units
        of learning rate x step, and where that is; NaN where it does not
    mode_times : (k,) the same of the modes themselves, in their order
    end : (m, d) the images' embeddings at the end of the course, for a closed form after all time
    """

    rows: list[Row]
    snapshots: list[Snapshot]
    end: NDArray[np.float32]
    half_times: NDArray[np.float64]
    plateaus: NDArray[np.float64]
    mode_times: NDArray[np.float64]

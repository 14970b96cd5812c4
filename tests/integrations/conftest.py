import numpy as np
import pytest


@pytest.fixture
def eigenvalues():
    """Eigenvalues of C of some steps' embeddings [(z_a, z_b), ...], by the formula."""

    def of(steps):
        a, b = (np.concatenate([np.asarray(step[view], float) for step in steps]) for view in (0, 1))
        mean = (a.mean(axis=0) + b.mean(axis=0)) / 2
        cross = (a - mean).T @ (b - mean) / len(a)
        return np.linalg.eigvalsh((cross + cross.T) / 2)[::-1]

    return of


@pytest.fixture
def tensorboard_values():
    """{tag: {step: value}} of the event files in a folder."""
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

    def read(folder):
        values = {}
        for path in sorted(folder.rglob("events.out.*")):
            events = event_accumulator.EventAccumulator(str(path)).Reload()
            for tag in events.Tags()["scalars"]:
                values.setdefault(tag, {}).update({event.step: event.value for event in events.Scalars(tag)})
        return values

    return read

import pytest

from eigenstep.analysis import learned_rises
from eigenstep.images import ImagesConfig
from eigenstep.modes import explain_modes
from eigenstep.record import StepClock, read_record
from eigenstep.training import (
    CheckpointConfig,
    OptimizerConfig,
    ProjectorConfig,
    RecordConfig,
    TrainConfig,
    train,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """`run(scale)`: a short training whose last layer is scaled by that."""
    folder = tmp_path_factory.mktemp("runs")

    def make(scale):
        config = TrainConfig(
            steps=60,
            batch_size=64,
            threads=1,
            images=ImagesConfig(size=16, patches=512),
            projector=ProjectorConfig(dim=8, init_scale=scale),
            optimizer=OptimizerConfig(name="muon", lr=0.02),
            record=RecordConfig(every=2),
            checkpoint=CheckpointConfig(every=5, keep=20, best=False),
        )
        return train(config, folder / f"{scale:g}").path

    return make


def test_of_a_small_start_each_snapshot_has_the_modes_that_had_risen_by_then(run):
    folder = run(1e-2)
    record = read_record(folder)
    step_at = StepClock.of(record)
    steps = sorted(step_at(rise.half_time) for rise in learned_rises(record))
    assert len(steps) >= 2
    found = explain_modes(folder, count=400)
    assert [each.modes for each in found.snapshots] == [
        sum(step <= each.step for step in steps) for each in found.snapshots
    ]
    # Before the first of them nothing is known, whatever random functions of the image give away.
    assert steps[0] <= found.places[0]
    assert any("small start" in note for note in found.notes)


def test_of_a_standard_start_the_first_embedding_counts(run):
    found = explain_modes(run(1.0), count=400)
    assert found.places[0] == 0
    assert not any("small start" in note for note in found.notes)

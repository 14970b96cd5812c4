"""A sound run is told of its late mode and of what would bring it sooner, where that was tried."""

import numpy as np
import pytest

from eigenstep.advice import worth_knowing
from eigenstep.record import RecordWriter, read_record

STEPS = np.arange(0, 601, 5)


def run(folder, config, half_steps, rate=0.1):
    writer = RecordWriter(folder, len(half_steps), config=config)
    curves = 1 / (1 + np.exp(-(STEPS[:, None] - half_steps) / 10))
    for step, curve in zip(STEPS, curves, strict=True):
        writer.append(int(step), rate * step, {"cross_correlation": curve, "covariance": curve})
    return read_record(writer.path)


@pytest.mark.parametrize(
    ("config", "sooner"),
    [
        ("{loss: simclr, optimizer: {name: sgd, lr: 0.1}}", True),
        ("{loss: simclr, optimizer: {name: muon, lr: 0.1}}", False),
        ("{loss: lejepa, optimizer: {name: sgd, lr: 0.1}}", False),
    ],
)
def test_the_last_mode_is_named_and_muon_only_where_it_was_tried(tmp_path, config, sooner):
    told = worth_knowing(run(tmp_path / "run", config, [300, 80, 150]))
    assert told[0].startswith("Mode 3 was half learned at step 300, the one before it at step 150")
    assert any("muon" in line for line in told) == sooner


def test_of_one_mode_nothing_is_late_and_of_own_objects_no_command_reads_images(tmp_path):
    config = "{loss: simclr, data: 'python:images', optimizer: {name: sgd, lr: 0.1}}"
    told = worth_knowing(run(tmp_path / "a run", config, [80, 5000]))
    assert told == [
        f"What its modes mean, and how many labels can use: eigenstep modes '{tmp_path / 'a run'}'"
    ]

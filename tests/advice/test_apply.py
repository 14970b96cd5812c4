from dataclasses import replace

import pytest

from eigenstep.advice import advise, apply_changes, cannot_go_on, signs_of, until
from eigenstep.images import ImagesConfig
from eigenstep.record import read_record
from eigenstep.training import OptimizerConfig, RecordConfig, TrainConfig, load_config, train

CONFIG = TrainConfig(
    loss="vicreg",
    steps=12,
    batch_size=16,
    threads=1,
    device="cpu",
    images=ImagesConfig(size=16, patches=64),
    optimizer=OptimizerConfig(lr=10.0),
    record=RecordConfig(every=1),
)


@pytest.fixture(scope="module")
def thrown(tmp_path_factory):
    """A run whose rate is a thousand times too high."""
    out = tmp_path_factory.mktemp("thrown") / "run"
    try:
        return train(CONFIG, out)
    except FloatingPointError:
        return read_record(out)


def test_too_high_a_rate_is_named(thrown):
    found = advise(thrown)
    assert found.causes[0].cause.name == "rate_too_high"
    assert found.restart


def test_its_change_trains_and_is_told_as_a_difference(thrown, tmp_path):
    lines = apply_changes(thrown, advise(thrown), tmp_path / "better.yaml")
    assert lines[0].startswith("optimizer.lr: 10.0 -> ")
    better = load_config(tmp_path / "better.yaml")
    assert better.optimizer.lr < 1
    assert better.batch_size == CONFIG.batch_size
    record = train(better, tmp_path / "run")
    assert "rate_too_high" not in [each.cause.name for each in advise(record).causes]


def test_a_file_that_is_there_is_not_replaced(thrown, tmp_path):
    (tmp_path / "better.yaml").write_text("mine")
    with pytest.raises(FileExistsError, match=r"better\.yaml exists"):
        apply_changes(thrown, advise(thrown), tmp_path / "better.yaml")
    assert (tmp_path / "better.yaml").read_text() == "mine"


def test_nothing_is_written_where_nothing_is_to_change(tmp_path):
    record = train(replace(CONFIG, optimizer=OptimizerConfig(lr=2e-3)), tmp_path / "run")
    with pytest.raises(ValueError, match="nothing is wrong"):
        apply_changes(record, advise(record), tmp_path / "better.yaml")
    assert not (tmp_path / "better.yaml").exists()


def test_a_record_cut_at_a_step_is_what_it_was_then(thrown):
    early = until(thrown, 1)
    assert signs_of(early)["steps"] == 1
    assert early.summary is None


def test_weights_thrown_far_want_a_new_beginning(thrown):
    assert cannot_go_on(signs_of(thrown))

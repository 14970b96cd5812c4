"""A run that has ended goes on to more steps, and is then the run that was given them from the beginning."""

import dataclasses

import numpy as np
import pytest

from eigenstep.cli import main
from eigenstep.training import CheckpointConfig, OptimizerConfig, RecordConfig, load_config, train

CHECKPOINTS = CheckpointConfig(every=4, keep=1)
COSINE = OptimizerConfig(lr=0.02, schedule="cosine", warmup_steps=2)


@pytest.mark.parametrize(
    "optimizer", [OptimizerConfig(lr=0.02, warmup_steps=3), OptimizerConfig(name="adamw")]
)
@pytest.mark.parametrize(
    "first", [8, 7]
)  # a step that is measured and saved in any case, and one that is not
def test_at_a_constant_rate_it_is_the_longer_run_bit_by_bit(
    small_config, tmp_path, folder_bytes, first, optimizer
):
    config = small_config(
        steps=14, optimizer=optimizer, checkpoint=CHECKPOINTS, record=RecordConfig(every=2, probe=12)
    )
    train(config, tmp_path / "whole")
    train(dataclasses.replace(config, steps=first), tmp_path / "more")
    train(config, tmp_path / "more", resume=True)
    assert folder_bytes(tmp_path / "more") == folder_bytes(tmp_path / "whole")


def test_in_epochs_likewise(small_config, tmp_path, folder_bytes):
    config = small_config(steps=None, epochs=3, checkpoint=CHECKPOINTS)
    train(config, tmp_path / "whole")
    train(dataclasses.replace(config, epochs=2), tmp_path / "more")
    train(config, tmp_path / "more", resume=True)
    assert folder_bytes(tmp_path / "more") == folder_bytes(tmp_path / "whole")


def test_on_the_command_line_the_number_alone_is_given(small_config, tmp_path):
    train(small_config(steps=4), tmp_path / "run")
    assert main(["train", "--resume", "--out", str(tmp_path / "run"), "--steps", "6", "--quiet"]) == 0
    assert load_config(tmp_path / "run/config.yaml") == dataclasses.replace(
        load_config(tmp_path / "run/config.yaml"), steps=6, seed=small_config().seed
    )
    assert (tmp_path / "run/checkpoints/step_00000006").is_dir()


def test_fewer_steps_than_were_made_are_refused_before_images_are_read(small_config, tmp_path, monkeypatch):
    train(small_config(steps=6, checkpoint=CHECKPOINTS), tmp_path / "run")
    monkeypatch.setattr(
        "eigenstep.training._loop.open_images", lambda *_, **__: pytest.fail("images are read")
    )
    with pytest.raises(ValueError, match=r"has made 6 steps"):
        train(small_config(steps=5, checkpoint=CHECKPOINTS), tmp_path / "run", resume=True)


def test_fewer_steps_than_were_made_are_refused(small_config, tmp_path):
    train(small_config(steps=6), tmp_path / "run")
    with pytest.raises(ValueError, match=r"has made 6 steps, expected at least as many, got --steps 5$"):
        train(small_config(steps=5), tmp_path / "run", resume=True)
    with pytest.raises(ValueError, match=r"has made 6 steps"):
        train(small_config(steps=None, epochs=1), tmp_path / "run", resume=True)
    assert load_config(tmp_path / "run/config.yaml").steps == 6


def test_anything_else_must_be_equal(small_config, tmp_path):
    train(small_config(steps=4), tmp_path / "run")
    with pytest.raises(ValueError, match=r"another configuration \(seed: 4, not 0\)"):
        train(small_config(steps=8, seed=4), tmp_path / "run", resume=True)
    cosine = OptimizerConfig(schedule="cosine")
    with pytest.raises(
        ValueError, match=r"another configuration \(optimizer\.schedule: cosine, not constant\)"
    ):
        train(small_config(steps=8, optimizer=cosine), tmp_path / "run", resume=True)


def test_a_cosine_has_ended_and_says_how_it_may_go_on(small_config, tmp_path):
    train(small_config(steps=6, optimizer=COSINE), tmp_path / "run")
    with pytest.raises(
        ValueError,
        match=r"its cosine schedule has ended; --optimizer\.schedule constant goes on at the constant rate",
    ) as refused:
        train(small_config(steps=9, optimizer=COSINE), tmp_path / "run", resume=True)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("final", [None, 0.005])
def test_after_a_cosine_the_rate_is_constant_and_the_past_is_as_it_was(
    small_config, tmp_path, folder_bytes, final
):
    ended = small_config(steps=6, optimizer=COSINE, checkpoint=CHECKPOINTS, record=RecordConfig(every=1))
    before = train(ended, tmp_path / "run")
    asked = dataclasses.replace(COSINE, schedule="constant", final_rate=final)
    told = []
    record = train(
        dataclasses.replace(ended, steps=9, optimizer=asked),
        tmp_path / "run",
        resume=True,
        progress=lambda progress: told.append(progress.said),
    )
    rate = final or 0.02
    assert any(f"from step 6 on the learning rate is constant: {rate:g}" in said for said in told)
    rates, times = record.metrics["learning_rate"], record.metrics["time"]
    np.testing.assert_array_equal(rates[:6], before.metrics["learning_rate"][:6])
    np.testing.assert_array_equal(times[:7], before.metrics["time"])
    np.testing.assert_allclose(rates[6:], rate)
    np.testing.assert_allclose(np.diff(times[6:]), rate)
    whole = dataclasses.replace(COSINE, cosine_steps=6, final_rate=final)
    train(dataclasses.replace(ended, steps=9, optimizer=whole), tmp_path / "whole")
    assert folder_bytes(tmp_path / "run") == folder_bytes(tmp_path / "whole")
    again = dataclasses.replace(load_config(tmp_path / "run/config.yaml"), steps=11)
    assert train(again, tmp_path / "run", resume=True).metrics["step"][-1] == 11


def test_a_cosine_that_goes_on_is_let_end_first(small_config, tmp_path):
    config = small_config(steps=9, optimizer=COSINE, checkpoint=CHECKPOINTS)

    def stop(progress):
        if progress.stage == "training" and progress.done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "run", progress=stop)
    constant = dataclasses.replace(COSINE, schedule="constant")
    with pytest.raises(ValueError, match=r"has not ended; let it end with --resume alone"):
        train(dataclasses.replace(config, steps=12, optimizer=constant), tmp_path / "run", resume=True)
    with pytest.raises(ValueError, match=r"runs to the number of steps that it was begun with"):
        train(dataclasses.replace(config, steps=12), tmp_path / "run", resume=True)


def test_a_target_that_has_stopped_following_is_not_gone_on_with(small_config, tmp_path):
    config = small_config(loss="byol", steps=3)
    train(config, tmp_path / "run")
    with pytest.raises(ValueError, match=r"its target network follows by a momentum .* --backbone-weights"):
        train(dataclasses.replace(config, steps=6), tmp_path / "run", resume=True)


def test_a_rate_after_a_cosine_needs_one(small_config, tmp_path):
    with pytest.raises(ValueError, match=r"--optimizer\.final-rate is the rate after a cosine"):
        train(small_config(optimizer=OptimizerConfig(final_rate=0.1)), tmp_path / "run")


def test_the_constant_rate_after_a_cosine_may_be_asked_for_again(small_config, tmp_path):
    train(small_config(steps=4, optimizer=COSINE), tmp_path / "run")
    for steps in ("6", "8"):
        command = ["train", "--resume", "--out", str(tmp_path / "run"), "--steps", steps, "--quiet"]
        assert main([*command, "--optimizer.schedule", "constant"]) == 0
    assert load_config(tmp_path / "run/config.yaml").optimizer.cosine_steps == 4


def test_where_a_cosine_ends_needs_one(small_config, tmp_path):
    with pytest.raises(ValueError, match=r"--optimizer\.cosine-steps is where a cosine ends"):
        train(small_config(optimizer=OptimizerConfig(cosine_steps=3)), tmp_path / "run")

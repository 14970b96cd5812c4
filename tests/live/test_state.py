import os
import time

import pytest

from eigenstep.live import state_of
from eigenstep.record import FollowedRun


@pytest.fixture
def state():
    def state(run, now=None):
        followed = FollowedRun(run.path, "run")
        followed.refresh()
        return state_of(followed, time.time() if now is None else now)

    return state


def test_a_run_without_a_measurement_waits(grow_run, state):
    assert state(grow_run()) == "waiting"


def test_a_run_that_writes_is_running_and_one_that_long_has_not_is_stalled(grow_run, state, make_old):
    run = grow_run(rows=5)
    assert state(run) == "running"
    make_old(run.path, 50)
    assert state(run) == "running"
    make_old(run.path, 70)
    assert state(run) == "stalled"


def test_a_run_that_writes_seldom_is_not_soon_stalled(grow_run, state):
    run = grow_run(rows=5)
    now = time.time()
    for entry in run.path.rglob("*"):  # begun 400 s before its last row: a row takes 100 s
        os.utime(entry, (now - 1000, now - 1000) if entry.suffix == ".json" else (now - 600, now - 600))
    assert state(run, now) == "running"
    assert state(run, now + 600) == "stalled"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("finished", "finished"),
        ("diverged", "diverged"),
        ("predicted", "predicted"),
        ("failed", "interrupted"),
    ],
)
def test_a_summary_says_how_the_run_ended(grow_run, state, make_old, said, expected):
    run = grow_run(rows=5).finish(said)
    assert state(run) == expected
    make_old(run.path, 1e6)
    assert state(run) == expected


def test_the_summary_of_a_run_that_went_on_after_it_says_nothing(grow_run, state):
    run = grow_run(rows=5).finish()
    os.utime(run.path / "summary.json", (1e9, 1e9))
    assert state(run.append(1)) == "running"


def test_a_loss_that_is_no_longer_finite_has_diverged_and_one_that_never_was_has_not(grow_run, state):
    assert state(grow_run("a", rows=5).append(1, loss=float("nan"))) == "diverged"
    assert state(grow_run("b").append(5, loss=float("nan"))) == "running"

"""Which mode of a run is which of another's, on courses whose truth is known."""

import json

import numpy as np
import pytest

from eigenstep.comparison import compare, modes_within, run_modes, same_modes, write_page

STEPS = [0, 10, 20, 30]
# (4 checkpoints, 3 functions): how large each function of the images is in the embeddings of two runs.
SLOW = [[0.02, 0.006, 0.001], [5.0, 0.01, 0.001], [5.0, 0.9, 0.001], [5.0, 1.5, 0.5]]
FAST = [[0.02, 0.006, 0.001], [5.0, 11.0, 0.001], [5.0, 11.0, 0.001], [5.0, 11.0, 0.001]]
LEARNED = {"slow": [0, 1, 2, 3], "fast": [0, 2, 2, 2]}


@pytest.fixture(scope="module")
def functions():
    """(80, 3) orthonormal functions of the images, of mean 0."""
    drawn = np.random.default_rng(0).normal(size=(80, 3))
    return np.linalg.qr(drawn - drawn.mean(axis=0))[0]


def course(functions, sizes, turn=0):
    """Embeddings in 5 dimensions, turned anyhow, with a little of something else."""
    rng = np.random.default_rng(turn)
    made = []
    for each in sizes:
        turned = np.linalg.qr(rng.normal(size=(5, 5)))[0][:3]
        made.append((functions * each) @ turned + 1e-5 * rng.normal(size=(len(functions), 5)))
    return made


@pytest.fixture
def runs(functions):
    slow = run_modes(course(functions, SLOW), STEPS, LEARNED["slow"])
    return slow, run_modes(course(functions, FAST, 1), STEPS, LEARNED["fast"])


def test_modes_are_found_again_in_another_order_and_it_is_told_where_they_came_first(runs):
    found = same_modes(*runs)
    assert [(each.ranks, each.which_first(("slow", "fast"))) for each in found] == [
        ((1, 2), "together"),  # the function that is first in one run is second in the other
        ((2, 1), "fast"),
    ]
    assert [each.itself_from for each in found] == [(10, 10), (20, 10)]
    assert all(each.correlation == pytest.approx(1, abs=1e-6) for each in found)
    assert [each.which_first(("B", "A")) for each in same_modes(*reversed(runs))] == ["B", "together"]


def test_at_each_checkpoint_it_is_told_which_mode_it_is(runs):
    slow, fast = runs
    correlations, ranks = modes_within(slow.final, fast)
    assert ranks.tolist() == [[0, 2, 2, 2], [0, 1, 1, 1], [0, 0, 0, 0]]
    np.testing.assert_allclose(correlations[:2, 1:], 1, atol=1e-6)
    np.testing.assert_array_equal(correlations[2], 0)


def test_modes_that_are_nearly_as_strong_have_no_identity(functions):
    sizes = [[2.0, 1.0, 0.1], [1.0, 0.99, 0.1]]
    found = run_modes(course(functions, sizes), [0, 10], [3, 3])
    assert found.ranks[0] == [1, 2, 3]
    assert found.ranks[1] == [3]
    assert found.last_seen == {1: 0, 2: 0, 3: 1}


def test_what_is_not_learned_yet_is_no_mode_where_rises_were_seen(functions):
    snapshots = course(functions, SLOW)
    assert run_modes(snapshots, STEPS, LEARNED["slow"]).ranks == [[], [1], [1, 2], [1, 2, 3]]
    assert run_modes(snapshots, STEPS, [0, 0, 0, 0]).ranks == [[1, 2, 3]] * 4


def test_modes_that_are_of_other_functions_are_not_the_same(functions):
    other = np.linalg.qr(np.random.default_rng(5).normal(size=(80, 3)))[0]
    first = run_modes(course(functions, SLOW), STEPS, LEARNED["slow"])
    assert same_modes(first, run_modes(course(other, SLOW, 1), STEPS, LEARNED["slow"])) == []


@pytest.mark.slow
def test_checkpoints_of_two_runs_are_compared_mode_by_mode(made, tmp_path):
    found = compare([made / "bt", made / "simclr"], each="checkpoints", permutations=9, resamples=5)
    (pair,) = found.pairs
    slow, fast = pair.modes.runs
    assert slow.steps == fast.steps == [3, 6]
    # From one start, after six small steps the first directions are still the same.
    assert pair.modes.same[0].correlation > 0.9
    table = next(table for table in found.tables() if table.title == "A–B, mode by mode")
    assert len(table.rows) == len(pair.modes.same)
    stored = json.loads(json.dumps(found.as_json(), allow_nan=False))["pairs"][0]["modes"]
    assert [each["ranks"] for each in stored["same"]] == [list(each.ranks) for each in pair.modes.same]
    assert np.shape(stored["within"][0]["correlations"]) == (len(slow.last_seen), 2)
    page = write_page(found, tmp_path / "page.html").read_text()
    assert "A–B, A&#39;s modes in B, |correlation|" in page
    assert f"<small>mode {stored['within'][0]['ranks'][0][1]}</small>" in page


@pytest.mark.slow
def test_a_run_and_a_file_have_no_modes_over_training(made):
    found = compare([made / "bt", made / "bt.npz"], each="checkpoints", permutations=9, resamples=5)
    assert found.pairs[0].modes is None

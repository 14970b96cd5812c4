"""What labels can use of modes."""

import numpy as np
import pytest

from eigenstep.modes import EvaluatedModes, alignments, halves, worth


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_alignment_is_the_share_of_the_variance_of_labels_along_a_mode(rng):
    labels = rng.integers(4, size=120)
    modes = rng.normal(size=(120, 6)) + 0.5 * labels[:, None]
    wanted = np.eye(4)[labels] - np.eye(4)[labels].mean(axis=0)
    left, expected = wanted.copy(), []
    done = []
    for mode in (modes - modes.mean(axis=0)).T:
        for q in done:
            mode = mode - q * (q @ mode)
        done.append(mode / np.linalg.norm(mode))
        next_left = left - np.outer(done[-1], done[-1] @ left)
        expected.append((np.square(left).sum() - np.square(next_left).sum()) / np.square(wanted).sum())
        left = next_left
    np.testing.assert_allclose(alignments(modes, labels), np.array(expected) - 1 / 119, atol=1e-9)


def test_by_chance_the_alignment_is_zero_on_average(rng):
    found = [alignments(rng.normal(size=(60, 20)), rng.integers(3, size=60)).mean() for _ in range(200)]
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(200)


def test_modes_that_know_nothing_of_the_labels_are_hardly_ever_said_to(rng):
    claimed = 0
    for _ in range(60):
        values = rng.normal(size=(120, 10))
        labels = rng.choice(4, size=120, p=[0.6, 0.2, 0.1, 0.1])
        claimed += worth(EvaluatedModes(values, np.ones(10), values), labels, halves(120)).half is not None
    assert claimed <= 2


def test_labels_that_are_in_the_second_mode_are_found_there(rng):
    labels = rng.integers(2, size=400)
    values = rng.normal(size=(400, 20))
    values[:, 1] = 3 * labels + 0.1 * rng.normal(size=400)
    found = worth(EvaluatedModes(values, np.ones(20), values), labels, halves(400))
    assert found.half == 2
    assert "first 2 modes" in found.sentence
    by_modes = {each.modes: each for each in found.accuracies}
    assert by_modes["first 8"].ridge[0] > 0.98
    assert by_modes["last 8"].ridge[0] < 0.65
    mean, error = by_modes["last 8"].knn_white
    assert error == pytest.approx(np.sqrt(mean * (1 - mean) / 400))


def test_weights_count_for_neighbours(rng):
    """Strong modes without meaning hide the label from neighbours unless modes are white."""
    labels = rng.integers(2, size=400)
    values = np.column_stack([rng.normal(size=(400, 2)), labels + 0.05 * rng.normal(size=400)])
    found = worth(EvaluatedModes(values, np.array([1.0, 0.9, 1e-6]), values), labels, halves(400))
    whole = found.accuracies[-1]
    assert whole.knn_white[0] > 0.9
    assert whole.knn_weighted[0] < 0.7

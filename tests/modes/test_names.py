"""Names of modes: earned by what is held out and found again, and by nothing else."""

import numpy as np
import pytest

from eigenstep.modes import EvaluatedModes, halves, name_modes

COUNT, STATISTICS = 200, 35
NAMES = [f"s{place}" for place in range(STATISTICS)]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def statistics(rng):
    """Correlated as statistics of images are: 35 of 12 independent ones."""
    return rng.normal(size=(COUNT, 12)) @ rng.normal(size=(12, STATISTICS)) + 0.3 * rng.normal(
        size=(COUNT, STATISTICS)
    )


def named(values, again, statistics, strengths=None):
    count = values.shape[1]
    strengths = 2.0 ** -np.arange(count) if strengths is None else strengths
    names = NAMES[: statistics.shape[1]]
    return name_modes(EvaluatedModes(values, strengths, again), names, statistics, halves(len(values)), 10**6)


@pytest.mark.parametrize("count", [34, 100])
@pytest.mark.parametrize("kind", ["normal", "heavy", "labels"])
def test_at_most_one_in_a_hundred_directions_of_chance_is_named(rng, kind, count):
    """The worst null: directions of chance that are found again exactly, so that only R^2 can refuse them."""
    statistics = rng.normal(size=(count, 12)) @ rng.normal(size=(12, STATISTICS))
    draw = {
        "normal": lambda: rng.normal(size=(count, 300)),
        "heavy": lambda: rng.standard_t(2, size=(count, 300)),
        "labels": lambda: (rng.random(size=(count, 300)) < 0.1).astype(float),
    }
    values = draw[kind]()
    found = named(values, values, statistics)
    assert len(found) >= 300 / 4
    assert sum(bool(each.statistics) for each in found) <= 3


def test_directions_of_chance_that_differ_are_not_named(rng, statistics):
    found = named(rng.normal(size=(COUNT, 64)), rng.normal(size=(COUNT, 64)), statistics)
    assert not any(each.statistics for each in found)


@pytest.mark.parametrize(("share", "earned"), [(0.6, True), (0.4, False)])
def test_half_of_the_variance_earns_a_name(rng, share, earned):
    statistics = rng.normal(size=(4000, 3))
    values = np.sqrt(share) * statistics[:, 1:2] + np.sqrt(1 - share) * rng.normal(size=(4000, 1))
    [mode] = named(values, values, statistics)
    assert mode.r2 == pytest.approx(share, abs=0.05)
    assert mode.best == ("s1",)
    assert mode.statistics == (("s1",) if earned else ())
    assert mode.name == ("s1" if earned else "unnamed")


@pytest.mark.parametrize(("correlation", "earned"), [(0.9, True), (0.7, False)])
def test_what_is_not_found_again_has_no_name(rng, correlation, earned):
    statistics = rng.normal(size=(4000, 3))
    values = statistics[:, :1]
    again = correlation * values + np.sqrt(1 - correlation**2) * rng.normal(size=values.shape)
    [mode] = named(values, again, statistics)
    assert mode.again == pytest.approx(correlation, abs=0.03)
    assert bool(mode.statistics) == earned


def test_two_statistics_name_a_mode_together(rng):
    statistics = rng.normal(size=(2000, 4))
    values = (statistics[:, 1] - statistics[:, 3] + 0.8 * rng.normal(size=2000))[:, None]
    [mode] = named(values, values, statistics)
    assert set(mode.statistics) == {"s1", "s3"}
    assert mode.r2 == pytest.approx(2 / 2.64, abs=0.05)


def test_modes_that_are_only_found_together_are_named_together(rng):
    statistics = rng.normal(size=(1000, 5))

    def turned(angle):
        return statistics[:, [0, 3]] @ np.array(
            [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
        )

    block, single = named(
        np.column_stack([turned(0.1), statistics[:, 2]]),
        np.column_stack([turned(0.1 + np.pi / 4), statistics[:, 2]]),
        statistics,
        np.array([1.0, 0.99, 0.2]),
    )
    assert (block.first, block.last, set(block.statistics)) == (1, 2, {"s0", "s3"})
    assert block.again == pytest.approx(1)
    assert block.sentence.startswith("modes 1-2 together: s")
    assert (single.first, single.name, single.is_block) == (3, "s2", False)


def test_nearly_equal_eigenvalues_are_told(rng, statistics):
    values = rng.normal(size=(COUNT, 3))
    found = named(values, values, statistics, np.array([2.0, 1.0, 0.9]))
    assert [each.nearly_equal for each in found] == [False, True, True]


def test_of_statistics_that_say_the_same_the_first_gives_the_name(rng):
    first = rng.normal(size=1000)
    statistics = np.column_stack([first + 0.05 * rng.normal(size=1000), first])
    [mode] = named(first[:, None], first[:, None], statistics)
    assert mode.statistics == ("s0",)


def test_the_sign_says_whether_a_mode_rises_with_its_name(rng, statistics):
    for sign in (1, -1):
        [mode] = named(sign * statistics[:, :1], statistics[:, :1], statistics)
        assert mode.sign == sign

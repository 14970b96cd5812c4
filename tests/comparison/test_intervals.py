import numpy as np
import pytest

from eigenstep.comparison import bootstrap_intervals, linear_cka, space_overlap


def drawn(images, rng):
    """Two embeddings of three shared directions each, of unequal size and with noise of their own."""
    shared = rng.normal(size=(images, 3)) * [2.0, 1.0, 0.5]
    return shared + 0.5 * rng.normal(size=(images, 3)), shared[:, [1, 0, 2]] + 0.5 * rng.normal(
        size=(images, 3)
    )


@pytest.mark.slow
@pytest.mark.parametrize("measure", [linear_cka, space_overlap])
def test_nineteen_of_twenty_intervals_hold_the_truth(measure):
    rng = np.random.default_rng(0)
    truth = measure(*drawn(200_000, rng))
    held = 0
    for trial in range(100):
        first, second = drawn(120, rng)
        ((low, high),) = bootstrap_intervals(
            lambda weights, a=first, b=second: np.array([measure(a, b, weights=weights)]),
            120,
            resamples=60,
            seed=trial,
        )
        held += low <= truth <= high
    assert 86 <= held <= 100


def test_the_bias_of_resampling_is_taken_off():
    """Of unrelated embeddings half as many images would show nearly twice the alignment."""
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 60, 6))
    ((low, high),) = bootstrap_intervals(lambda w: np.array([linear_cka(first, second, weights=w)]), 60)
    middle = (low + high) / 2
    assert abs(middle - linear_cka(first, second)) < 0.2 * (high - low)


def test_the_same_seed_gives_the_same_interval_and_a_wider_level_a_wider_one():
    values = np.random.default_rng(0).normal(size=50)

    def interval(**options):
        return bootstrap_intervals(lambda w: np.array([np.average(values, weights=w)]), 50, **options)[0]

    assert (interval() == interval()).all()
    assert np.ptp(interval(level=0.5)) < np.ptp(interval())


def test_senseless_options_are_refused():
    with pytest.raises(ValueError, match="at least 2 resamples and a level"):
        bootstrap_intervals(lambda weights: np.zeros(1), 5, resamples=1)

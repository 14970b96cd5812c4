"""The conventions of an estimator's learning curves: each of these tests fails when one is changed."""

import numpy as np
import pytest

from eigenstep import ContrastiveKernelPCA
from eigenstep.theory import half_times


def fitted(n_components=2, **options):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 4)) * [2.0, 1.5, 1.0, 0.5]
    return ContrastiveKernelPCA(n_components, kernel="linear", y_is="view", **options).fit(
        x, x + 0.1 * rng.normal(size=x.shape)
    )


@pytest.mark.parametrize("temperature", [0.2, 0.5])
def test_simclrs_clock_runs_by_twice_the_temperature_and_counts_from_where_modes_end(temperature):
    model = fitted(objective="simclr", objective_params={"temperature": temperature})
    ends = model.trajectory(np.inf)[0]
    expected = 2 * temperature * half_times(model.eigenvalues_, 1e-3 / np.sqrt(ends))
    np.testing.assert_allclose(model.learning_times(1e-3), expected, rtol=1e-12)
    halves = np.diag(model.trajectory(expected, 1e-3))
    np.testing.assert_allclose(halves, ends / 2, rtol=1e-9)
    np.testing.assert_allclose(model.trajectory(0.0, 1e-3)[0], model.eigenvalues_ * 1e-6, rtol=1e-6)


def test_simclrs_loss_starts_at_the_sum_of_its_ends_over_twice_the_temperature():
    model = fitted(objective="simclr", objective_params={"temperature": 0.2})
    ends = model.trajectory(np.inf)[0]
    curve = model.loss_curve([0.0, np.inf], 1e-9)
    np.testing.assert_allclose(curve, [ends.sum() / 0.4, 0], rtol=1e-9, atol=1e-12)


def test_the_loss_of_barlow_twins_is_a_staircase_of_unit_steps():
    model = fitted()
    gap = model.learning_times(1e-6)
    between = np.array([0.0, (gap[0] + gap[1]) / 2, np.inf])
    np.testing.assert_allclose(model.loss_curve(between, 1e-6), [2, 1, 0], atol=0.01)


def test_the_leak_is_the_docstrings_amplitude_for_one_scale_or_one_a_mode():
    model = fitted()
    gamma = np.append(model.eigenvalues_, model.next_eigenvalue_)
    for scale in (1e-4, np.array([1e-3, 1e-5])):
        start = np.sqrt(gamma[:2]) * scale
        expected = np.sqrt(gamma[1:]) * scale * start ** (-gamma[1:] / gamma[:2])
        np.testing.assert_allclose(model.predicted_leak(scale), expected, rtol=1e-12)
    assert model.next_eigenvalue_ == pytest.approx(fitted(3).eigenvalues_[2])


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, [1e-4] * 3])
def test_starts_that_are_none_are_refused(scale):
    with pytest.raises(ValueError, match="init_scale positive, one number or 2"):
        fitted().learning_times(scale)

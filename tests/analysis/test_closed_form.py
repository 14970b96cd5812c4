import numpy as np
import pytest
from scipy.integrate import solve_ivp

from eigenstep.analysis import ClosedForm, Rise

GAMMA = np.array([9.0, 5.0, 2.0, -1.0])
SCALES = np.array([1e-3, 5e-2, 1e-3, 1e-3])
HALF_TIMES = np.log(1 / (GAMMA[:3] * SCALES[:3] ** 2) - 1) / (8 * GAMMA[:3])


def prediction() -> ClosedForm:
    return ClosedForm(
        {
            "gamma": GAMMA,
            "start_scales": SCALES,
            "half_times": [*HALF_TIMES, float("inf")],
            "learning_rate": None,
        }
    )


def integrated(times: np.ndarray) -> np.ndarray:
    """lambda' = 8 gamma lambda (1 - lambda) by many small Runge-Kutta steps."""
    value, now, path = GAMMA * SCALES**2, 0.0, []

    def flow(state):
        return 8 * GAMMA * state * (1 - state)

    for time in times:
        size = (time - now) / 400
        for _ in range(400):
            one = flow(value)
            two = flow(value + size / 2 * one)
            three = flow(value + size / 2 * two)
            value = value + size / 6 * (one + 2 * two + 2 * three + flow(value + size * three))
        now = time
        path.append(value)
    return np.array(path)


@pytest.mark.slow
def test_curves_are_the_integrated_flow_in_descending_order():
    times = np.linspace(0, 1.2, 25)
    exact = integrated(times)
    assert (np.diff(exact[:, :2], axis=1) > 0).any(), "the second mode overtakes the first"
    np.testing.assert_allclose(prediction().eigenvalues(times), -np.sort(-exact, axis=1), atol=1e-8)


@pytest.mark.slow
def test_the_predicted_loss_is_the_squared_distance_of_c_from_the_identity():
    times = np.linspace(0, 1.2, 9)
    expected = [np.linalg.norm(np.diag(row) - np.eye(4)) ** 2 for row in integrated(times)]
    np.testing.assert_allclose(prediction().loss(times), expected, atol=1e-7)


@pytest.mark.parametrize("correlations", [None, [0.9, 0.5, 0.7, 1.0]], ids=["of_C", "of_the_covariance"])
def test_a_preconditioned_prediction_follows_its_own_rule(correlations):
    """lambda' = 8 gamma lambda (1 - lambda) (|lambda| / rho + damping)^-power, by scipy's integrator."""
    numbers = {"power": 0.7, "damping": 1e-2} | ({"correlations": correlations} if correlations else {})
    entries = {"gamma": GAMMA, "start_scales": SCALES, "half_times": [0.1] * 4, "learning_rate": None}
    form = ClosedForm(entries | {"rule": "preconditioned", "preconditioner": numbers})
    rho = np.array(correlations or [1.0] * 4)

    def flow(_, value):
        return 8 * GAMMA * value * (1 - value) * (np.abs(value) / rho + 1e-2) ** -0.7

    times = np.linspace(0, 0.4, 9)
    path = solve_ivp(flow, (0, 0.4), GAMMA * SCALES**2, t_eval=times, rtol=1e-10, atol=1e-16, method="DOP853")
    np.testing.assert_allclose(form.eigenvalues(times), -np.sort(-path.y.T, axis=1), atol=1e-7)


def test_a_preconditioned_prediction_without_its_numbers_is_refused_in_one_line():
    entries = {"gamma": [1.0], "start_scales": [0.1], "half_times": [0.5], "rule": "preconditioned"}
    with pytest.raises(ValueError, match=r"^prediction.json lacks preconditioner; see docs/run-folder.md$"):
        ClosedForm(entries)


def test_half_times_are_compared_rank_by_rank_in_order_of_time():
    order = np.argsort(HALF_TIMES)
    assert order[0] == 1
    rises = [Rise(rank, 1.02 * HALF_TIMES[mode], 1.0, 0.1) for rank, mode in enumerate(order)]
    rows = prediction().compare(rises)
    assert [row.gamma for row in rows] == [5.0, 9.0, 2.0]
    np.testing.assert_allclose([row.error for row in rows], 0.02)


def test_a_mode_of_negative_gamma_is_never_predicted_to_be_learned():
    assert len(prediction().compare([])) == 3


def test_a_mode_that_has_not_risen_has_no_measurement_and_no_error():
    rows = prediction().compare([Rise(0, 0.1, 1.0, 0.1)])
    assert [row.measured for row in rows] == [0.1, None, None]
    assert rows[1].error is None


def test_the_grid_resolves_every_rise():
    grid = prediction().grid(2.0)
    assert grid[0] == 0
    assert grid[-1] == 2.0
    for gamma, half_time in zip(GAMMA, HALF_TIMES, strict=False):
        assert (np.abs(grid - half_time) < 0.549 / gamma / 2).sum() >= 5


def test_curves_between_the_grids_points_are_straight_to_a_hundredth():
    """Twenty-one moments within two widths of each half-time, and two hundred over all of it."""
    form = prediction()
    grid, fine = form.grid(2.0), np.linspace(0, 2, 40001)
    exact, drawn = form.eigenvalues(fine), form.eigenvalues(grid)
    for curve, points in zip(exact.T, drawn.T, strict=True):
        assert np.abs(np.interp(fine, grid, points) - curve).max() < 0.012
    for gamma, half_time in zip(GAMMA, HALF_TIMES, strict=False):
        width = np.log(81) / (8 * gamma)
        for place in np.linspace(-2, 2, 21):
            moment = half_time + place * width
            assert moment < 0 or np.abs(grid - moment).min() < 1e-12
    assert np.isin(np.linspace(0, 2, 200), grid).all()
    assert len(grid) <= 200 + 3 * 21
    assert (np.diff(grid) > 0).all()


def test_a_missing_entry_is_named():
    with pytest.raises(ValueError, match=r"lacks half_times, start_scales"):
        ClosedForm({"gamma": [1.0]})

import numpy as np
import pytest

from eigenstep.losses import BarlowTwinsLoss
from eigenstep.prediction import Course, Descent, closed_course, train_linear_model
from eigenstep.theory import half_times, mode_eigenvalues

GAMMA = np.array([2.0, 1.0, 0.3])
SCALES = np.array([1e-3, 2e-3, 1e-4])


def closed(gamma=GAMMA, scales=SCALES, plateaus=None, descent=None):
    plateaus = np.ones(len(gamma)) if plateaus is None else plateaus
    return closed_course(gamma, scales, 4 * gamma, plateaus, descent)


def test_under_gradient_flow_it_is_the_theorys_closed_form():
    course, times = closed(), np.linspace(0, 8, 50)
    np.testing.assert_allclose(course.half_times, half_times(GAMMA, SCALES), rtol=1e-12)
    np.testing.assert_allclose(course.eigenvalues(times), mode_eigenvalues(GAMMA, SCALES, times), rtol=1e-5)


def test_without_momentum_it_is_the_theorys_gradient_descent():
    descent = Descent(0.02)
    np.testing.assert_allclose(
        closed(descent=descent).half_times, half_times(GAMMA, SCALES, 0.02), rtol=1e-12
    )


def test_a_plateau_scales_the_eigenvalue_and_the_start_alike():
    course = closed(scales=3 * SCALES, plateaus=np.full(3, 9.0))
    np.testing.assert_allclose(course.half_times, closed().half_times, rtol=1e-12)
    np.testing.assert_allclose(course.eigenvalues(np.array([np.inf])), [[9.0] * 3])


@pytest.mark.slow
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_training_a_linear_model_by_sgd_passes_the_halves_when_predicted(momentum):
    descent = Descent(0.005, momentum)
    course = closed(descent=descent)
    views = np.kron([[1], [1]], np.sqrt(3 * GAMMA)[:, None] * np.eye(3))  # Gamma = diag(gamma)
    loss = BarlowTwinsLoss(1.0, normalize="none", center=False, symmetrize=True)
    steps = int(1.2 * course.half_times.max() / 0.005)
    moments = train_linear_model(views @ views.T, views * SCALES, loss, np.full(steps, 0.005), descent)
    times, curves = [], []
    for moment in moments:
        z = moment.embeddings.numpy()
        times.append(moment.time)
        curves.append(np.diag(z[:3].T @ z[3:]) / 3)
    measured = [np.interp(0.5, curve, times) for curve in np.array(curves).T]
    # Not exact: momentum's exponent is that of a small mode, and the first mode moves by a third a step.
    np.testing.assert_allclose(course.half_times, measured, rtol=0.01 if momentum == 0 else 0.06)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_while_a_mode_is_small_gradient_descent_follows_it_to_the_step(momentum):
    descent = Descent(0.005, momentum)
    course = closed(descent=descent)
    views = np.kron([[1], [1]], np.sqrt(3 * GAMMA)[:, None] * np.eye(3))
    loss = BarlowTwinsLoss(1.0, normalize="none", center=False, symmetrize=True)
    *_, last = train_linear_model(views @ views.T, views * SCALES, loss, np.full(25, 0.005), descent)
    z = last.embeddings.numpy()
    values = np.diag(z[:3].T @ z[3:]) / 3
    # With momentum a second solution dies out, slowly beside the slow mode.
    assert values.max() < 0.01
    np.testing.assert_allclose(course.eigenvalues(np.array([last.time]))[0], values, rtol=0.03)


def test_a_mode_that_starts_beyond_its_half_was_learned_before_and_one_at_its_end_always_was():
    times = closed(scales=np.array([0.6, 1.0, 1e-4])).half_times
    assert times[0] < 0
    assert times[1] == -np.inf
    assert times[2] > 0


def test_moments_between_have_just_the_modes_before_them_learned():
    course = closed()
    moments = course.moments_between()
    assert [count for count, _ in moments] == [1, 2]
    for count, time in moments:
        values = course.eigenvalues(np.array([time]))[0]
        assert (values[:count] > 0.9).all()
        assert (values[count:] < 0.1).all()


def test_modes_that_are_learned_at_once_have_no_moment_between():
    course = closed(gamma=np.array([1.0, 0.999, 0.3]), scales=np.full(3, 1e-3))
    assert [count for count, _ in course.moments_between()] == [2]


def test_modes_are_counted_in_the_order_of_time():
    course = Course(
        gamma=np.array([1.0, 0.9]),
        start_scales=np.array([1e-6, 1e-1]),
        growth_rates=np.array([4.0, 3.6]),
        plateaus=np.ones(2),
        half_times=np.array([3.0, 1.0]),
    )
    ((count, time),) = course.moments_between()
    first, second = course.eigenvalues(np.array([time]))[0]
    assert count == 1
    assert second > 0.9 > 0.1 > first


def at(half_times, rates=1.0, plateaus=1.0):
    """A course with these half-times."""
    half_times = np.array(half_times)
    of_each = np.ones(len(half_times))
    return Course(of_each, of_each, rates * of_each, plateaus * of_each, half_times)


def test_between_two_modes_is_where_their_shares_of_their_plateaus_sum_to_one():
    course = at([1.0, 4.0], rates=np.array([4.0, 0.5]), plateaus=np.array([2.0, 0.7]))
    ((_, time),) = course.moments_between()
    assert (course.eigenvalues(np.array([time])) / course.plateaus).sum() == pytest.approx(1)


@pytest.mark.parametrize(("contrast", "moments"), [(1.99, 0), (2.01, 1)])
def test_between_two_modes_the_eigenvalue_of_the_learned_one_is_twice_the_other(contrast, moments):
    """Half-way between curves of one rate r, e^{r (t_2 - t_1)} is how many times the other it is."""
    assert len(at([1.0, 1.0 + np.log(contrast)]).moments_between()) == moments


def test_all_that_are_learned_stand_out_from_all_that_are_not():
    assert [count for count, _ in at([1.0, 5.0, 9.0]).moments_between()] == [1, 2]
    # Half-way to the third mode it has 2 % of its plateau: more than half of all that the first ends at.
    low = at([1.0, 5.0, 9.0], plateaus=np.array([0.03, 1.0, 1.0]))
    assert [count for count, _ in low.moments_between()] == []


def test_no_moment_is_before_the_start_or_beside_a_mode_that_was_always_learned():
    assert at([-3.0, 1.0]).moments_between() == []
    assert [count for count, _ in at([-1.0, 3.0]).moments_between()] == [1]
    with np.errstate(invalid="raise"):
        assert [count for count, _ in at([-np.inf, 1.0, 5.0]).moments_between()] == [2]

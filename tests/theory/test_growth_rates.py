import numpy as np
import pytest

from eigenstep.theory import critical_times, half_times, mode_eigenvalues, rise_widths

FUNCTIONS = {
    "mode_eigenvalues": lambda gamma, eta: mode_eigenvalues(gamma, 1e-4, [1.0], eta),
    "half_times": lambda gamma, eta: half_times(gamma, 1e-4, eta),
    "critical_times": lambda gamma, eta: critical_times(gamma, 1e-4, eta),
    "rise_widths": lambda gamma, eta: rise_widths(gamma, eta),
}


def descend(gamma, scale, learning_rate, steps):
    """The scalar update of one aligned mode."""
    path = [scale]
    for _ in range(steps):
        scale -= learning_rate * 4 * (gamma * scale**2 - 1) * gamma * scale
        path.append(scale)
    return np.array(path)


@pytest.mark.parametrize("gamma", [2.0, 0.7, -0.5])
def test_a_small_mode_grows_by_exactly_the_corrected_exponent(gamma):
    learning_rate, steps = 0.1, 20
    path = descend(gamma, 1e-12, learning_rate, steps)
    predicted = mode_eigenvalues([gamma], 1e-12, learning_rate * np.arange(steps + 1), learning_rate)[:, 0]
    np.testing.assert_allclose(predicted, gamma * path**2, rtol=1e-11)


@pytest.mark.parametrize("stable_fraction", [0.1, 0.3, 0.6])
def test_the_correction_brings_predicted_times_close_to_descent(stable_fraction):
    gamma, scale = 2.0, 1e-7
    learning_rate = stable_fraction / (4 * gamma)
    values = gamma * descend(gamma, scale, learning_rate, int(10 / learning_rate)) ** 2
    after = int((values >= 0.5).argmax())
    measured = learning_rate * np.interp(0.5, values[after - 1 : after + 1], [after - 1, after])
    corrected = half_times([gamma], scale, learning_rate)[0]
    assert abs(corrected / measured - 1) < 0.02
    assert abs(corrected - measured) < 0.2 * abs(half_times([gamma], scale)[0] - measured)


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_vanishing_learning_rate_is_gradient_flow(function):
    gamma = [1.0, 0.1]
    np.testing.assert_allclose(function(gamma, 1e-10), function(gamma, None), rtol=1e-7)


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_rate_at_or_above_the_stable_limit_is_refused(function):
    function([2.0, 1.0], 0.1249)
    for learning_rate in (0.125, 1.0):
        with pytest.raises(ValueError, match=r"unstable.*below.*0\.125"):
            function([2.0, 1.0], learning_rate)
    with pytest.raises(ValueError, match="unstable"):
        function([0.1, -2.0], 0.125)


@pytest.mark.parametrize("learning_rate", [0.0, -0.1, np.nan, np.inf])
def test_a_rate_that_is_not_positive_is_refused(learning_rate):
    with pytest.raises(ValueError, match="positive learning_rate"):
        half_times([1.0], 1e-3, learning_rate)


@pytest.mark.parametrize(
    ("gamma", "scales", "message"),
    [
        ([[1.0]], 1e-3, "gamma as finite eigenvalues"),
        ([np.nan], 1e-3, "gamma as finite eigenvalues"),
        ([1.0, 0.5], [1e-3], r"gamma's shape \(2,\)"),
        ([1.0], [-1e-3], "not negative"),
        ([1.0], [np.inf], "finite"),
    ],
)
def test_modes_that_make_no_sense_are_refused(gamma, scales, message):
    with pytest.raises(ValueError, match=message):
        mode_eigenvalues(gamma, scales, [0.0])
    with pytest.raises(ValueError, match=message):
        half_times(gamma, scales)

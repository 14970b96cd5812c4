import numpy as np
import pytest
import torch

from eigenstep.theory import momentum_growth


@pytest.mark.slow
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("momentum", [0.5, 0.9])
def test_torchs_sgd_grows_a_mode_as_predicted(momentum, nesterov):
    rates = np.array([0.03, 1.0, 40.0])
    scales = torch.ones(3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([scales], lr=0.01, momentum=momentum, nesterov=nesterov)
    for _ in range(400):
        optimizer.zero_grad()
        (-(torch.from_numpy(rates) * scales**2).sum() / 2).backward()
        optimizer.step()
    exponents, shares = momentum_growth(rates, 0.01, momentum, nesterov)
    expected = np.log(shares) + exponents * 0.01 * 400
    np.testing.assert_allclose(np.log(scales.detach().numpy()), expected, rtol=1e-9)


def test_without_momentum_it_is_the_theorys_exponent_of_gradient_descent():
    exponents, shares = momentum_growth([0.0, 4.0], 0.01)
    np.testing.assert_allclose(exponents, [0.0, np.log(1.04) / 0.01], rtol=1e-12)
    np.testing.assert_allclose(shares, 1.0)


def test_slow_modes_gain_one_over_one_minus_momentum():
    exponents, shares = momentum_growth([1e-6], 0.01, 0.9)
    np.testing.assert_allclose([exponents[0], shares[0]], [1e-5, 1.0], rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([-1.0], 0.1), "not negative"),
        (([1.0], 0.0), "positive learning_rate"),
        (([1.0], 0.1, 1.0), r"momentum in \[0, 1\)"),
    ],
)
def test_senseless_numbers_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        momentum_growth(*arguments)

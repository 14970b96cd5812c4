"""The preconditioned rule in closed form: against 50 digits, and against its own equation of motion."""

import math

import mpmath
import numpy as np
import pytest

from eigenstep.theory import (
    PreconditionedMode,
    Preconditioner,
    critical_times,
    half_times,
    mode_eigenvalues,
    mode_scales,
    momentum_growth,
    rise_widths,
)

POWERS = [0.1, 0.3, 0.5, 0.75, 1.0, 1.5, 2.3]
DAMPINGS = [0.0, 1e-30, 1e-8, 1e-2, 3.0]


def elapsed(first, last, power, damping):
    """8 gamma t between two eigenvalues, in 50 digits: two Gauss hypergeometric functions."""
    with mpmath.workdps(50):
        p, delta = mpmath.mpf(power), mpmath.mpf(damping)

        def primitive(value):
            if p == 1:
                wait = delta * mpmath.log(value) if delta else 0
                return wait - (1 + delta) * mpmath.log(1 - value)
            u = value + delta
            waiting = u**p / p * mpmath.hyp2f1(1, -p, 1 - p, delta / u)
            return waiting + u ** (1 + p) / ((1 + p) * (1 + delta)) * mpmath.hyp2f1(
                1, 1 + p, 2 + p, u / (1 + delta)
            )

        return primitive(mpmath.mpf(last)) - primitive(mpmath.mpf(first))


@pytest.mark.parametrize("damping", DAMPINGS)
@pytest.mark.parametrize("power", POWERS)
def test_half_times_match_50_digits_of_the_hypergeometric_form(power, damping):
    for start in (1e-15, 1e-7, 1e-2, 0.4):
        expected = float(elapsed(mpmath.mpf(start) ** 2 * 3, 0.5, power, damping) / 24)
        found = half_times([3.0], start, rule=Preconditioner(power, damping))
        np.testing.assert_allclose(found, [expected], rtol=1e-13)


@pytest.mark.parametrize("damping", DAMPINGS)
@pytest.mark.parametrize("power", POWERS)
def test_rise_widths_match_50_digits(power, damping):
    expected = float(elapsed(mpmath.mpf("0.1"), mpmath.mpf("0.9"), power, damping) / 16)
    np.testing.assert_allclose(
        rise_widths([2.0, 0.0, -1.0], rule=Preconditioner(power, damping)),
        [expected, np.inf, np.inf],
        rtol=1e-13,
    )


def test_without_damping_it_is_one_hypergeometric_function_and_the_named_forms():
    start, time = 1e-3, half_times([1.0], math.sqrt(1e-3), rule=Preconditioner(0.5, 0.0))[0]
    with mpmath.workdps(30):
        values = [2 * mpmath.sqrt(x) * mpmath.hyp2f1(1, 0.5, 1.5, x) for x in (start, 0.5)]
    np.testing.assert_allclose(8 * time, float(values[1] - values[0]), rtol=1e-13)
    np.testing.assert_allclose(8 * time, 2 * (math.atanh(0.5**0.5) - math.atanh(start**0.5)), rtol=1e-13)
    one = half_times([1.0], math.sqrt(start), rule=Preconditioner(1.0, 0.0))[0]
    np.testing.assert_allclose(8 * one, math.log((1 - start) / 0.5), rtol=1e-13)
    delta = 1e-2
    half = half_times([1.0], math.sqrt(start), rule=Preconditioner(0.5, delta))[0]

    def primitive(value):
        u, end, low = math.sqrt(value + delta), math.sqrt(1 + delta), math.sqrt(delta)
        return 2 * end * math.atanh(u / end) - 2 * low * math.atanh(low / u)

    np.testing.assert_allclose(8 * half, primitive(0.5) - primitive(start), rtol=1e-12)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("gradient", [32.2, 9.21, 4.60, 2.20]),
        (Preconditioner(0.5, 1e-4), [1.99, 1.75, 1.56, 1.11]),
        (Preconditioner(1.0, 1e-2), [1.02, 0.785, 0.729, 0.610]),
    ],
)
def test_the_gain_is_logarithmic_in_the_start(rule, expected):
    times = 8 * half_times(np.ones(4), np.sqrt([1e-14, 1e-4, 1e-2, 0.1]), rule=rule)
    assert [float(f"{time:.3g}") for time in times] == expected


@pytest.mark.parametrize("start", [1e-200, 1e-7, 0.1, 0.9])
@pytest.mark.parametrize("damping", [0.0, 1e-300, 1e-8, 1e-2, 3.0])
@pytest.mark.parametrize("power", [0.0, 1e-3, 0.5, 1.0, 2.0])
def test_a_trajectory_passes_any_value_when_the_integral_says(power, damping, start):
    rule = Preconditioner(power, damping)
    mode = PreconditionedMode(rule, lambda gain: 8 * gain)
    log_start = 2 * math.log(start)
    odds = log_start - math.log1p(-math.exp(log_start))
    for value in (1e-5, 0.2, 0.5, 0.95, 1 - 1e-9):
        if 2 * math.log(start) < math.log(value):
            time = mode.time_between(odds, math.log(value) - math.log1p(-value))
            found = mode_eigenvalues([1.0], start, time, rule=rule)
            np.testing.assert_allclose(found, [[value]], rtol=1e-11)


@pytest.mark.parametrize("gamma", [2.0, -0.7])
@pytest.mark.parametrize("start", [1e-3, 0.4, 1.5, 40.0])
@pytest.mark.parametrize(("power", "damping"), [(0.5, 1e-3), (1.0, 0.0), (1.5, 0.1), (0.3, 1e-9), (2.5, 3.0)])
def test_each_mode_obeys_its_equation_of_motion(power, damping, start, gamma):
    rule = Preconditioner(power, damping)
    time = 0.03
    step = 1e-6
    before, here, after = mode_eigenvalues([gamma], start, [time - step, time, time + step], rule=rule)[:, 0]
    expected = 8 * gamma * here * (1 - here) * (abs(here) + damping) ** -power if here else 0.0
    np.testing.assert_allclose((after - before) / (2 * step), expected, rtol=2e-5, atol=1e-8)


def test_power_0_is_the_plain_gradient_and_the_name_stands_for_the_defaults():
    gamma, start, times = [3.0, 0.4, 0.0, -1.0], [1e-5, 0.3, 0.2, 0.3], [0.0, 0.1, 1.0, 30.0, np.inf]
    for rate in (None, 0.02):
        plain, none = (
            mode_scales(gamma, start, times, rate, rule=rule)
            for rule in ("gradient", Preconditioner(0.0, 1e-3))
        )
        np.testing.assert_allclose(none, plain, rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(
        critical_times(gamma, start, rule=Preconditioner(0.0, 0.1)), critical_times(gamma, start), rtol=1e-12
    )
    np.testing.assert_array_equal(
        mode_scales(gamma, start, times, rule="preconditioned"),
        mode_scales(gamma, start, times, rule=Preconditioner(0.5, 1e-3)),
    )


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("rule", [Preconditioner(), Preconditioner(1.0, 0.0), Preconditioner(0.4, 2.0)])
def test_ends_and_extremes_are_finite_and_those_of_the_sign_of_gamma(rule):
    ends = mode_scales([4.0, 0.0, -2.0, 4.0, 4.0], [1e-6, 0.3, 0.3, 5.0, 0.0], np.inf, rule=rule)
    np.testing.assert_allclose(ends, [[0.5, 0.3, 0.0, 0.5, 0.0]], atol=1e-15)
    for start in (0.0, 5e-324, 1e-150, 0.5, 1.0, 1e6):
        gamma = [1e3, 1.0, 1e-9, 0.0, -1e-9, -1e3]
        scales = mode_scales(gamma, start, [0.0, 1e-300, 1.0, 1e300, np.inf], rule=rule)
        assert np.isfinite(scales).all()
        np.testing.assert_array_equal(scales[0], start)
        times = half_times(gamma, start, rule=rule)
        assert not np.isnan(times).any()


def test_without_damping_a_negative_mode_is_gone_in_finite_time():
    # c' = -8 c (1 + c) c^-1/2 from c = 1: atan(sqrt(c)) falls at 4 a unit of time.
    rule = Preconditioner(0.5, 0.0)
    end = math.atan(1.0) / 4
    values = mode_eigenvalues([-1.0], 1.0, [0.5 * end, 0.999 * end, 1.001 * end], rule=rule)[:, 0]
    np.testing.assert_allclose(values[:2], -(np.tan(math.pi / 4 * np.array([0.5, 0.001])) ** 2), rtol=1e-9)
    assert values[2] == 0


def test_a_mode_that_starts_above_one_half_passed_it_at_a_negative_time():
    rule = Preconditioner(0.5, 1e-2)
    above, at_one, beyond = half_times(np.ones(3), np.sqrt([0.9, 1.0, 1.5]), rule=rule)
    np.testing.assert_allclose(mode_eigenvalues([1.0], np.sqrt(0.5), -above, rule=rule), [[0.9]])
    assert at_one == beyond == -np.inf


def test_critical_times_are_the_limit_of_half_times_at_small_starts():
    for power, damping in ((0.5, 1e-3), (1.0, 1e-2), (0.3, 0.0), (1.5, 4.0)):
        rule = Preconditioner(power, damping)
        gamma, start = [2.0, 0.1], 1e-40
        np.testing.assert_allclose(
            critical_times(gamma, start, rule=rule), half_times(gamma, start, rule=rule), rtol=1e-11
        )
    rule = Preconditioner(0.5, 1e-4)
    assert critical_times([1.0], 0.1, rule=rule) > 1.05 * half_times([1.0], 0.1, rule=rule)
    assert critical_times([1.0, -1.0], 0.0, rule=rule).tolist() == [np.inf, np.inf]
    with pytest.raises(ValueError, match="without damping a start is never small"):
        critical_times([1.0], 0.1, 0.01, rule=Preconditioner(0.5, 0.0))


def test_a_correlation_below_one_is_a_larger_damping_seen_slower():
    # (lambda/rho + delta)^-p = rho^p (lambda + rho delta)^-p.
    rho, power, damping = 0.2, 0.5, 1e-2
    direct = half_times([1.0], 1e-4, rule=Preconditioner(power, damping, rho))
    other = half_times([1.0], 1e-4, rule=Preconditioner(power, rho * damping)) / rho**power
    np.testing.assert_allclose(direct, other, rtol=1e-13)
    two = half_times([1.0, 1.0], 1e-4, rule=Preconditioner(power, damping, [rho, -1.0]))
    np.testing.assert_allclose(two[0], direct[0])
    np.testing.assert_allclose(two[1], half_times([1.0], 1e-4, rule=Preconditioner(power, damping))[0])


def test_with_momentums_growth_in_place_of_the_flows_a_small_mode_grows_by_it():
    rule = Preconditioner(0.5, 1e-2)
    mode = PreconditionedMode(rule, lambda gain: 2 * momentum_growth(4 * gain, 0.01, 0.9)[0])
    (exponent,), _ = momentum_growth([4 * 0.01**-0.5], 0.01, 0.9)
    grown = mode.log_shares(-60.0, np.array([0.1]))
    np.testing.assert_allclose(grown, -60 + 2 * exponent * 0.1, rtol=1e-12)


def test_bad_rules_are_refused_with_what_was_expected():
    for name, options in (("power", (-0.5, 1e-3)), ("damping", (0.5, -1.0)), ("damping", (0.5, np.nan))):
        with pytest.raises(ValueError, match=f"a {name} that is finite and not negative"):
            Preconditioner(*options)
    with pytest.raises(ValueError, match="from -1 to 1"):
        Preconditioner(0.5, 1e-3, 1.5)
    with pytest.raises(ValueError, match="one correlation a mode, 3, got 2"):
        half_times(np.ones(3), 1e-3, rule=Preconditioner(0.5, 1e-3, [0.5, 0.5]))
    with pytest.raises(ValueError, match="correlations other than 0"):
        half_times([1.0], 1e-3, rule=Preconditioner(0.5, 1e-3, 0.0))
    with pytest.raises(
        ValueError, match=r"rule gradient, preconditioned, orthogonalised or a Precond.*'muon'"
    ):
        half_times([1.0], 1e-3, rule="muon")


def test_rates_that_are_not_stable_are_refused():
    rule = Preconditioner(0.5, 1e-2)
    limit = math.sqrt(1.01) / 8
    half_times([2.0], 1e-3, 0.99 * limit, rule=rule)
    with pytest.raises(ValueError, match=f"expected one below {limit:.6g}, for gamma 2"):
        half_times([2.0], 1e-3, 1.01 * limit, rule=rule)
    limit = 0.1 / 2
    half_times([1.0, -0.5], 1e-3, 0.99 * limit, rule=rule)
    with pytest.raises(ValueError, match=r"for gamma -0\.5; lower it, or raise the damping"):
        half_times([1.0, -0.5], 1e-3, 1.01 * limit, rule=rule)
    with pytest.raises(ValueError, match="positive learning_rate"):
        half_times([1.0], 1e-3, 0.0, rule=rule)

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eigenstep.report import plain, thin, written


@pytest.mark.slow
@given(st.integers(1, 5000), st.integers(2, 900))
def test_thinning_keeps_the_ends_the_order_and_the_limit(count, most):
    kept = thin(count, most)
    assert kept[0] == 0
    assert kept[-1] == count - 1
    assert (np.diff(kept) > 0).all()
    assert len(kept) == min(count, most)


def test_thinning_is_even():
    gaps = np.diff(thin(10_000, 300))
    assert gaps.max() - gaps.min() <= 1


@pytest.mark.slow
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=20))
def test_plain_numbers_are_json_and_within_half_of_the_fifth_digit(values):
    through = json.loads(json.dumps(plain(np.array(values)), allow_nan=False))
    for value, back in zip(values, through, strict=True):
        if np.isfinite(value):
            assert abs(back - value) <= 5.1e-5 * abs(value)
        else:
            assert back is None


def test_steps_are_kept_to_the_last_digit():
    assert plain(np.array([1_234_567, 99_999, 100_003])) == [1_234_567, 99_999, 100_003]


def test_written_numbers_have_three_significant_digits_and_a_real_minus():
    assert [written(value) for value in (0.0, 0.99949, -12.345, 2e6, float("nan"))] == [
        "0",
        "0.999",
        "−12.3",
        "2.00·10⁶",
        "–",
    ]

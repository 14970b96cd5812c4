import numpy as np
import pytest

from eigenstep.theory import gradient_flow, top_eigenmodes


def test_the_top_modes_are_those_of_the_whole_decomposition(rng):
    operator = rng.normal(size=(20, 20))
    operator = operator + operator.T
    values, modes = top_eigenmodes(operator, 6)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(operator)[::-1][:6], rtol=1e-12)
    np.testing.assert_allclose(operator @ modes, modes * values, atol=1e-12)
    np.testing.assert_allclose(modes.T @ modes, np.eye(6), atol=1e-13)


def test_the_largest_entry_of_each_mode_is_positive(rng):
    operator = rng.normal(size=(15, 15))
    _, modes = top_eigenmodes(operator + operator.T, 15)
    assert (modes[np.abs(modes).argmax(axis=0), np.arange(15)] > 0).all()


def test_eigenvalues_that_are_zero_but_for_rounding_are_zero(operator_with):
    values, _ = top_eigenmodes(operator_with([3.0, 1e-9, 0.0, 0.0, 0.0, -1e-9, -2.0]), 7)
    np.testing.assert_array_equal(np.sign(values), [1, 1, 0, 0, 0, -1, -1])


def test_operators_that_are_not_symmetric_matrices_are_refused():
    for operator, message in [
        (np.ones((2, 3)), "square"),
        (np.ones(4), "square"),
        (np.array([[1.0, 2.0], [0.0, 1.0]]), "symmetric"),
        (np.array([[np.inf]]), "finite"),
    ]:
        with pytest.raises(ValueError, match=message):
            top_eigenmodes(operator, 1)


def test_a_count_of_modes_that_the_operator_does_not_have_is_refused():
    for count in (0, 4):
        with pytest.raises(ValueError, match="between 1 and 3 modes"):
            top_eigenmodes(np.eye(3), count)


def test_weights_of_another_shape_are_refused():
    for weights, message in [
        (np.ones((2, 4)), r"\(d, 3\), got \(2, 4\)"),
        (np.ones(3), "got"),
        (np.array([[1.0, np.nan, 0.0]]), "finite"),
    ]:
        with pytest.raises(ValueError, match=message):
            gradient_flow(np.eye(3), weights, [0.0, 1.0])

import numpy as np
import pytest
from scipy.linalg import subspace_angles

from eigenstep.theory import subspace_overlap


def test_it_is_the_mean_squared_cosine_of_the_principal_angles(rng):
    first, second = rng.normal(size=(2, 9, 4))
    expected = np.mean(np.cos(subspace_angles(first, second)) ** 2)
    np.testing.assert_allclose(subspace_overlap(first, second), expected, rtol=1e-12)


def test_it_does_not_depend_on_the_basis_or_its_scale(rng):
    first, second = rng.normal(size=(2, 9, 4))
    change = 1e-9 * rng.normal(size=(4, 4))
    np.testing.assert_allclose(
        subspace_overlap(first @ change, second), subspace_overlap(first, second), rtol=1e-9
    )
    np.testing.assert_allclose(subspace_overlap(first, first @ change), 1.0, rtol=1e-12)


def test_random_spaces_overlap_by_d_over_m(rng):
    overlaps = [subspace_overlap(*rng.normal(size=(2, 50, 5))) for _ in range(200)]
    np.testing.assert_allclose(np.mean(overlaps), 0.1, atol=0.01)


def test_bad_input_is_refused(rng):
    with pytest.raises(ValueError, match="one shape"):
        subspace_overlap(np.ones((4, 2)), np.ones((4, 1)))
    with pytest.raises(ValueError, match="one shape"):
        subspace_overlap(np.ones((2, 4)), np.ones((2, 4)))
    with pytest.raises(ValueError, match="linearly independent"):
        subspace_overlap(np.ones((4, 2)), np.eye(4)[:, :2])

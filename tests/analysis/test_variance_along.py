import numpy as np
import pytest

from eigenstep import comparison
from eigenstep.analysis import variance_along


@pytest.fixture
def functions():
    centred = np.random.default_rng(0).normal(size=(30, 4))
    return np.linalg.qr(centred - centred.mean(0))[0] * np.sqrt(30)


def test_of_an_embedding_made_of_the_modes_it_is_each_ones_variance_at_any_rotation(functions):
    variances = np.array([[0.1, 0.0, 0.0, 0.0], [1.0, 0.3, 0.0, 0.0], [1.0, 1.0, 0.0, 0.2]])
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))[0]
    frames = functions * np.sqrt(variances)[:, None, :] @ rotation + 5
    np.testing.assert_allclose(variance_along(frames, 7 * functions - 1), variances, atol=1e-12)


def test_a_function_outside_the_embedding_has_nothing_of_it(functions):
    np.testing.assert_allclose(variance_along(functions[:, :2], functions[:, 2:]), 0, atol=1e-12)


def test_other_images_and_constant_functions_are_refused(functions):
    with pytest.raises(ValueError, match="same images"):
        variance_along(functions[:20], functions)
    with pytest.raises(ValueError, match="mode 1 has the same value"):
        variance_along(functions, np.stack([functions[:, 0], np.ones(30)], axis=1))


def test_the_old_name_says_the_new_one():
    with pytest.warns(DeprecationWarning, match="learned_modes is now variance_along"):
        assert comparison.learned_modes is variance_along

import numpy as np
import pytest
import torch

from eigenstep.probes import principal_axes


@pytest.mark.parametrize(
    ("rows", "width", "rank"), [(30, 8, 8), (30, 8, 3), (9, 8, 8), (9, 9, 8), (9, 40, 8)]
)
def test_axes_scores_and_variances_are_those_of_the_singular_values(rows, width, rank):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows, rank, generator=generator, dtype=torch.float64)
    x = x @ torch.randn(rank, width, generator=generator, dtype=torch.float64)
    x = x - x.mean(0)
    directions = principal_axes(x)
    expected = np.linalg.svd(x.numpy(), compute_uv=False)[:rank] ** 2
    np.testing.assert_allclose(directions.variances.flip(0), expected, rtol=1e-9)
    np.testing.assert_allclose(directions.axes.T @ directions.axes, np.eye(rank), atol=1e-8)
    np.testing.assert_allclose(directions.scores, x @ directions.axes, atol=1e-9)
    np.testing.assert_allclose(directions.scores @ directions.axes.T, x, atol=1e-8)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5)])
def test_features_that_do_not_vary_have_no_axes(shape):
    assert principal_axes(torch.zeros(shape, dtype=torch.float64)).scores.shape == (shape[0], 0)


def test_centring_that_was_rounded_adds_no_axis():
    x = torch.randn(9, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert len(principal_axes(x - x.mean(0) + 1e-6).variances) == 8

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler

from eigenstep.probes import standardise


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_standardised_features_are_scikit_learns(dtype):
    generator = torch.Generator().manual_seed(0)
    train, test = (3 + torch.randn(rows, 5, generator=generator).to(dtype) for rows in (50, 20))
    scaler = StandardScaler().fit(train.double().numpy())
    for features, found in zip((train, test), standardise(train, test), strict=True):
        assert found.dtype == torch.float64
        np.testing.assert_allclose(found, scaler.transform(features.double().numpy()), atol=1e-12)


def test_a_column_of_one_value_is_zero_although_its_mean_is_rounded():
    train, test = torch.full((1000, 1), 0.1, dtype=torch.float64), torch.ones(3, 1)
    assert (train - train.mean(0)).abs().max() > 0
    for found in standardise(train, test):
        assert torch.equal(found, torch.zeros_like(found))


def test_a_unit_that_never_fires_in_training_stays_zero():
    for found in standardise(torch.zeros(10, 1), torch.ones(3, 1)):
        assert torch.equal(found, torch.zeros_like(found))

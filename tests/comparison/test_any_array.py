"""The measures of agreement take every kind of array that embeddings come in."""

from functools import partial

import ml_dtypes
import numpy as np
import pandas as pd
import pytest
import torch

from eigenstep.comparison import (
    linear_cka,
    neighbour_agreement,
    overlap_of_modes,
    principal_angles,
    procrustes_similarity,
    space_overlap,
)

FIRST, SECOND = np.random.default_rng(0).normal(size=(2, 40, 4))
MEASURES = [
    *(linear_cka, procrustes_similarity, space_overlap, principal_angles),
    partial(neighbour_agreement, neighbours=5),
    lambda first, second: overlap_of_modes(first, second, 2).value,
]


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    "form",
    [
        lambda z: torch.tensor(z, requires_grad=True),
        lambda z: z.astype(">f8")[::-1].copy()[::-1],
        lambda z: pd.DataFrame(z).astype("Float64"),
        lambda z: list(map(torch.tensor, z)),
    ],
    ids=["tensor with gradient", "other order", "frame", "rows"],
)
def test_any_array_is_compared_as_its_values_are(measure, form):
    np.testing.assert_allclose(measure(form(FIRST), form(SECOND)), measure(FIRST, SECOND), rtol=1e-12)


def test_half_precision_of_tensors_and_arrays_is_known_alike():
    low = np.outer(np.arange(1.0, 41), [1.0, 2.0, 3.0]) + 1e-4 * FIRST[:, :3]
    of_array = principal_angles(low.astype(ml_dtypes.bfloat16), SECOND)
    of_tensor = principal_angles(torch.tensor(low).bfloat16(), SECOND)
    assert len(of_array) == len(of_tensor)
    np.testing.assert_allclose(of_tensor, of_array, rtol=1e-9)

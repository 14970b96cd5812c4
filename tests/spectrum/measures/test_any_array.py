"""Every measure of every kind of array that embeddings come in."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch

from eigenstep.spectrum import covariance_eigenvalues, cross_correlation_eigenvalues, principal_projections
from eigenstep.spectrum import measures as room
from eigenstep.spectrum.moments import EmbeddingWindow, Moments

VALUES = np.random.default_rng(0).normal(size=(60, 4)) @ np.diag([4.0, 2.0, 1.0, 0.5])
OF_EMBEDDINGS = [
    *(room.rank_me, room.effective_rank, room.participation_ratio, room.stable_rank, room.modes_above_noise),
    *(room.mean_norm, room.normalized_std, room.cosine_concentration),
    partial(room.alpha_req, first=1, last=4),
    lambda z: room.modes_past_half(z, z, center=True),
    lambda z: covariance_eigenvalues(z, z),
    lambda z: cross_correlation_eigenvalues(z, z, center=True),
    lambda z: np.abs(principal_projections(z, 2)),
]
OF_EIGENVALUES = [
    *(room.effective_rank_from_eigenvalues, room.participation_ratio_from_eigenvalues),
    *(room.stable_rank_from_eigenvalues, room.modes_past_half_from_eigenvalues),
    partial(room.alpha_req_from_eigenvalues, first=1, last=4),
    partial(room.rank_me_from_eigenvalues, count=60),
    partial(room.modes_above_noise_from_eigenvalues, count=60),
    partial(room.complete_spectrum, trace=30.0, size=6),
    lambda values: room.cosine_concentration_from_moments(values, values, count=60),
    lambda values: room.normalized_std_from_moments(values, values, count=60),
]


class Exporter:
    def __init__(self, values):
        self.values = torch.tensor(values)

    def __dlpack__(self, **options):
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.values.__dlpack_device__()


def frozen(values):
    values = values.copy()
    values.flags.writeable = False
    return values


FORMS = {
    "tensor": lambda z: torch.tensor(z, requires_grad=True),
    "frame": lambda z: pd.DataFrame(z) if z.ndim == 2 else pd.Series(z, index=list("dcba")),
    "big-endian": lambda z: z.astype(">f8"),
    "reversed": lambda z: z[::-1].copy()[::-1],
    "read-only": frozen,
    "exporter": Exporter,
    "rows": lambda z: list(z),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("measure", OF_EMBEDDINGS)
def test_measures_of_embeddings_take_any_array(measure, form):
    np.testing.assert_allclose(measure(FORMS[form](VALUES)), measure(VALUES), rtol=1e-12)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("measure", OF_EIGENVALUES)
def test_measures_of_eigenvalues_take_any_array(measure, form):
    values = np.array([9.0, 4.0, 1.0, 0.25])
    np.testing.assert_allclose(measure(FORMS[form](values)), measure(values), rtol=1e-12)


@pytest.mark.parametrize("form", ["tensor", "big-endian", "read-only", "exporter"])
def test_lidar_takes_any_array_of_three_axes(form):
    views = np.stack([VALUES, VALUES[:, ::-1]], axis=1)
    assert room.lidar(FORMS[form](views)) == pytest.approx(room.lidar(views), rel=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_streaming_moments_and_windows_take_any_array(form):
    moments, window = Moments(4, 2), EmbeddingWindow(100)
    for holder in (moments, window):
        holder.update(FORMS[form](VALUES), FORMS[form](2 * VALUES))
    expected = np.cov(np.concatenate([VALUES, 2 * VALUES]).T, bias=True)
    common, difference = moments.scatters()
    np.testing.assert_allclose((common + difference).numpy() / 120, expected, rtol=1e-9)
    np.testing.assert_array_equal(window.rows().numpy(), [VALUES, 2 * VALUES])


@pytest.mark.parametrize("measure", OF_EMBEDDINGS[:9])
def test_complex_embeddings_are_refused(measure):
    for z in (VALUES + 1j, torch.tensor(VALUES + 1j)):
        with pytest.raises(TypeError, match=r"expected embeddings of real numbers, got .*complex128"):
            measure(z)

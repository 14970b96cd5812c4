import math

import numpy as np
import pytest
import torch
from torch import nn

from eigenstep.spectrum.health import (
    as_numbers,
    of_embeddings,
    of_features,
    of_update,
    of_views,
    see_before_update,
    share_distinct,
    share_evaluating,
    some_pixels,
)

GENERATOR = torch.Generator().manual_seed(0)


def drawn(*shape):
    return torch.randn(*shape, generator=GENERATOR)


def test_agreement_is_the_correlation_of_rows_about_the_mean_of_both_views():
    a = drawn(32, 5) + 3
    b = a + 0.5 * drawn(32, 5)
    rows_a, rows_b = (np.asarray(each - torch.cat([a, b]).mean(0)) for each in (a, b))

    def cosine(x, y):
        return (x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)

    found = as_numbers(of_embeddings(a, b))
    assert found["embeddings_agreement"] == pytest.approx(cosine(rows_a, rows_b).mean(), abs=1e-5)
    others = cosine(rows_a, np.roll(rows_b, 1, 0)).mean()
    assert found["embeddings_agreement_of_others"] == pytest.approx(others, abs=1e-5)


def test_features_that_never_vary_are_silent():
    a, b = drawn(16, 8).relu(), drawn(16, 8).relu()
    a[:, :2] = b[:, :2] = 0.7
    found = as_numbers(of_features(a, b))
    assert found["features_silent"] == pytest.approx(2 / 8)
    at_rest = (2 + float((torch.cat([a, b])[:, 2:] == 0).float().sum() / 32)) / 8
    assert found["features_at_rest"] == pytest.approx(at_rest, abs=1e-6)


@pytest.mark.parametrize("shape", [(24, 3, 40, 40), (24, 900)])
def test_few_pixels_tell_how_far_views_are_apart(shape):
    image = drawn(*shape)
    a, b = image + 0.5 * drawn(*shape), image + 0.5 * drawn(*shape)
    found = as_numbers(of_views(some_pixels(a), some_pixels(b)))
    assert found["views_apart"] == pytest.approx(2 * 0.25 / 2.5, rel=0.1)
    assert found["views_std"] == pytest.approx(math.sqrt(1.25), rel=0.05)
    assert found["views_equal"] == 0


def test_a_colour_is_blank_whatever_it_is():
    a = drawn(8, 3, 6, 6)
    a[:3] = torch.tensor([0.1, 0.5, 0.9])[:, None, None]
    assert as_numbers(of_views(some_pixels(a), some_pixels(a.clone())))["views_blank"] == pytest.approx(3 / 8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
def test_images_are_distinct_if_a_pixel_is(dtype):
    images = (100 * torch.rand(10, 3, 8, 8, generator=GENERATOR)).to(dtype)
    images[4] = images[7]
    images[2] = images[1]
    images[2, 0, 0, 0] += 1
    assert float(share_distinct(images)) == pytest.approx(0.9)


def test_only_batch_norms_count_as_evaluating():
    model = nn.Sequential(nn.BatchNorm1d(2), nn.BatchNorm1d(2), nn.Dropout())
    model[0].eval()
    model[2].eval()
    assert share_evaluating(model.modules()) == 0.5
    assert share_evaluating([nn.Linear(2, 2)]) is None


def test_of_a_large_tensor_a_sample_tells_the_share_of_an_update():
    weights = nn.Parameter(drawn(300, 300))
    weights.grad = 2.0 * drawn(300, 300)
    before = see_before_update({"backbone": [weights]}, scale=2.0)
    torch.optim.SGD([weights], lr=0.01).step()
    found = as_numbers(of_update({"backbone": [weights]}, before))
    assert found["gradient_backbone"] == pytest.approx(300, rel=0.02)
    assert found["update_backbone"] == pytest.approx(0.02, rel=0.05)


def test_what_is_not_finite_is_not_told():
    assert as_numbers({"a": torch.tensor(math.nan), "b": -math.inf, "c": torch.tensor(1)}) == {"c": 1.0}

import numpy as np
import pytest
import torch

from eigenstep.losses import BarlowTwinsLoss, NTXentLoss, VICRegLoss
from eigenstep.prediction import Descent, random_start, train_linear_model

LOSSES = {
    "barlow_twins": BarlowTwinsLoss(1.0, normalize="none", symmetrize=True),
    "simclr": NTXentLoss(1.0, normalize="none"),
    "vicreg": VICRegLoss(),
}
RATES = np.linspace(2e-3, 1e-3, 12)


@pytest.mark.slow
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("name", LOSSES)
def test_it_is_torchs_sgd_on_a_linear_model(pairs, name, nesterov):
    views = np.concatenate(pairs)
    weights = torch.from_numpy(1e-2 * np.random.default_rng(1).normal(size=(3, 6))).requires_grad_()
    start = views @ weights.detach().numpy().T
    optimizer = torch.optim.SGD([weights], lr=1.0, momentum=0.8, nesterov=nesterov)
    x, y = (torch.from_numpy(rows) for rows in pairs)
    expected = []
    for rate in [*RATES, 0.0]:
        loss = LOSSES[name](x @ weights.T, y @ weights.T)
        expected.append((loss.item(), torch.cat([x, y]) @ weights.detach().T))
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    descent = Descent(1.0, 0.8, nesterov)
    moments = list(train_linear_model(views @ views.T, start, LOSSES[name], RATES, descent))
    assert [moment.step for moment in moments] == list(range(len(RATES) + 1))
    np.testing.assert_allclose(moments[-1].time, RATES.sum())
    for moment, (loss, embeddings) in zip(moments, expected, strict=True):
        np.testing.assert_allclose(moment.loss, loss, rtol=1e-8)
        np.testing.assert_allclose(moment.embeddings, embeddings, rtol=1e-7, atol=1e-10)


def test_other_images_move_as_the_model_does_on_them(pairs):
    views, others = np.concatenate(pairs), np.random.default_rng(2).normal(size=(5, 6))
    weights = 1e-2 * np.random.default_rng(1).normal(size=(3, 6))
    start = views @ weights.T
    *_, last = train_linear_model(views @ views.T, start, LOSSES["barlow_twins"], RATES)
    learned, *_ = np.linalg.lstsq(views, last.embeddings.numpy(), rcond=None)
    np.testing.assert_allclose(
        others @ weights.T + others @ views.T @ last.moved.numpy(), others @ learned, rtol=1e-7, atol=1e-10
    )


def test_a_rate_that_is_too_large_is_told_by_its_step(pairs):
    views = np.concatenate(pairs)
    with pytest.raises(FloatingPointError, match=r"not finite at step \d+; try a smaller --optimizer.lr"):
        list(train_linear_model(views @ views.T, views, LOSSES["barlow_twins"], np.full(50, 1e3)))


def test_a_random_start_has_coefficients_of_its_scale_in_the_kernels_functions():
    values = np.linspace(1, 4, 300)
    start = random_start(np.diag(values), np.diag(values)[:7], 0.01, 20, seed=3)
    coefficients = start.views / np.sqrt(values)[:, None]
    assert coefficients.shape == (300, 20)
    assert coefficients.std() == pytest.approx(0.01, rel=0.03)
    np.testing.assert_allclose(start.images, start.views[:7])


def test_a_random_start_leaves_out_directions_that_are_rounding():
    kernel = np.diag([0.9e-10, 1.1e-10, 1.0])
    moved = (random_start(kernel, kernel, 1.0, 2, seed=0).views != 0).any(axis=1)
    assert moved.tolist() == [False, True, True]

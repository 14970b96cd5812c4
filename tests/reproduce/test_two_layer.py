import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call, jacrev, vmap

from eigenstep.record import read_record
from eigenstep.reproduce import (
    TwoLayerExperiment,
    kernel_change,
    predicted_modes,
    tangent_kernel,
    within_overlap,
)
from eigenstep.training import photo_patches

SMALL = TwoLayerExperiment(width=512, dim=4, crop=6, subtract_crop_mean=True, steps=500, records=40)


def trained(tmp_path_factory, loss):
    out = tmp_path_factory.mktemp(loss)
    record = dataclasses.replace(SMALL, loss=loss).run(photo_patches(20, 8), out)
    with np.load(out / "embeddings.npz") as arrays:
        return record, dict(arrays)


@pytest.fixture(scope="module")
def barlow_twins(tmp_path_factory):
    return trained(tmp_path_factory, "barlow_twins")


def test_the_tangent_kernel_is_that_of_the_jacobians():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3, bias=False)).double()
    x = torch.randn(6, 5, dtype=torch.float64)
    parameters = dict(network.named_parameters())
    jacobians = vmap(
        jacrev(lambda values, sample: functional_call(network, values, (sample,))), in_dims=(None, 0)
    )(parameters, x)
    flat = torch.cat([jacobian.flatten(2) for jacobian in jacobians.values()], dim=2)
    reference = torch.einsum("aop,bop->ab", flat, flat) / 3
    np.testing.assert_allclose(tangent_kernel(network, x), reference.detach().numpy(), rtol=1e-12)


@pytest.mark.slow
def test_a_network_under_barlow_twins_learns_the_space_that_its_kernel_predicts(barlow_twins):
    record, arrays = barlow_twins
    chance = SMALL.dim / len(arrays["embeddings"])
    assert record.metrics["loss"][0] == pytest.approx(4, abs=0.01)
    assert record.metrics["loss"][-1] < 0.5
    assert within_overlap(arrays, "kernel_initial", "barlow_twins", 4) > 0.8 > 4 * chance
    assert 0.1 < kernel_change(arrays) < 10


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["simclr", "vicreg"])
def test_the_other_losses_learn_from_a_small_start(loss, tmp_path_factory):
    record, arrays = trained(tmp_path_factory, loss)
    loss_values = record.metrics["loss"]
    assert loss_values[-1] < 0.9 * loss_values[0]
    assert np.isfinite(arrays["embeddings"]).all()
    assert within_overlap(arrays, "kernel_final", loss, 4) > 0.3


@pytest.mark.slow
def test_the_prediction_under_simclr_is_the_centred_operators(barlow_twins):
    kernel = barlow_twins[1]["kernel_initial"]
    count = len(kernel)
    pairs = np.kron([[0, 1], [1, 0]], np.eye(count // 2)) / count
    ones = np.ones((count, count))
    operator = pairs + np.eye(count) / (count * (count - 1)) - ones / (count * (count - 1))
    values = np.sort(np.linalg.eigvals(operator @ kernel).real)[::-1]
    modes = predicted_modes(kernel, "simclr", 4)
    np.testing.assert_allclose(modes.eigenvalues_, values[:4], rtol=1e-8)


def test_the_run_is_a_record_like_any_other(barlow_twins):
    again = read_record(barlow_twins[0].path)
    assert again.config["backbone"] == "one hidden layer of 512"
    assert again.summary["state"] == "finished"
    assert again.probe.shape == (20, 6, 6, 3)

import dataclasses

import pytest
import torch

from eigenstep.methods import Embeddings, build_objective, is_centered
from eigenstep.training import (
    BarlowTwinsConfig,
    DCLConfig,
    SimCLRConfig,
    SpectralContrastiveConfig,
    TrainConfig,
    VICRegConfig,
    WMSEConfig,
)

OBJECTIVES = [
    TrainConfig(loss="barlow_twins"),
    TrainConfig(loss="barlow_twins", barlow_twins=BarlowTwinsConfig(center=False)),
    TrainConfig(barlow_twins=BarlowTwinsConfig(normalize="batch", lambda_param=0.005, scale=0.1)),
    TrainConfig(loss="simclr", simclr=SimCLRConfig(temperature=0.5)),
    TrainConfig(loss="vicreg", vicreg=VICRegConfig(mu_param=3.0)),
    TrainConfig(loss="spectral_contrastive", spectral_contrastive=SpectralContrastiveConfig()),
    TrainConfig(loss="w_mse", w_mse=WMSEConfig(eps=0.1)),
    TrainConfig(loss="dcl", dcl=DCLConfig(sigma=0.7, temperature=0.3)),
]


@pytest.mark.parametrize("config", OBJECTIVES)
def test_the_loss_has_every_parameter_of_its_node(config):
    loss = build_objective(config).loss
    node = dataclasses.asdict(getattr(config, config.loss))
    assert node
    assert {name: getattr(loss, name) for name in node} == node


@pytest.mark.parametrize("config", [config for config in OBJECTIVES if config.loss not in ("simclr", "dcl")])
def test_a_loss_is_called_centred_where_it_does_not_see_the_mean(config):
    generator = torch.Generator().manual_seed(0)
    z_a, z_b = torch.randn(2, 32, 4, dtype=torch.float64, generator=generator)
    loss = build_objective(config)
    shifted, plain = loss(Embeddings(z_a + 3, z_b + 3)), loss(Embeddings(z_a, z_b))
    assert torch.isclose(shifted, plain).item() == is_centered(config)


def test_an_unknown_loss_is_refused_with_the_nearest_name():
    with pytest.raises(ValueError, match=r"unknown loss 'vic_reg': expected .*Did you mean vicreg\?"):
        build_objective(TrainConfig(loss="vic_reg"))

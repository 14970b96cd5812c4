"""What holds for every method of the registry, and each one's conventions."""

import dataclasses
import re
import typing
from pathlib import Path

import pytest
import torch

from eigenstep.methods import (
    METHODS,
    CodingRateConfig,
    CorInfoMaxConfig,
    Embeddings,
    FroSSLConfig,
    LeJEPAConfig,
    LossName,
    MethodNodes,
    MMCRConfig,
    NSCLConfig,
    SmallStartLoss,
    SmallStartNodes,
    VISRegConfig,
    build_objective,
    default_rate,
    is_centered,
    title_of,
)
from eigenstep.prediction import PredictConfig
from eigenstep.training import (
    BarlowTwinsConfig,
    DCLConfig,
    OptimizerConfig,
    ProjectorConfig,
    SimCLRConfig,
    SpectralContrastiveConfig,
    SupConConfig,
    TrainConfig,
    VICRegConfig,
    WMSEConfig,
)

# Title, default rate of SGD, whether the statistics are centred with the default options.
CONVENTIONS = {
    "barlow_twins": ("Barlow Twins", 0.005, True),
    "simclr": ("SimCLR", 0.05, True),
    "vicreg": ("VICReg", 0.002, True),
    "spectral_contrastive": ("the spectral contrastive loss", 0.005, False),
    "w_mse": ("W-MSE", 0.05, True),
    "dcl": ("DCL", 0.05, True),
    "lejepa": ("LeJEPA", 0.05, True),
    "visreg": ("VISReg", 0.02, True),
    "mmcr": ("MMCR", 0.05, False),
    "frossl": ("FroSSL", 0.05, False),
    "corinfomax": ("CorInfoMax", 0.005, True),
    "coding_rate": ("SimDINO's coding rate", 0.05, False),
    "simsiam": ("SimSiam", 0.05, True),
    "byol": ("BYOL", 0.05, True),
    "autoencoder": ("an autoencoder", 0.01, True),
    "cross_view_autoencoder": ("a cross-view autoencoder", 0.01, True),
    "mae": ("a masked autoencoder", 0.01, True),
    "rotation": ("rotation prediction", 0.05, True),
    "supcon": ("SupCon", 0.05, True),
    "nscl": ("NSCL", 0.05, True),
    "cross_entropy": ("cross-entropy", 0.05, True),
}
TWO_VIEWS = [
    TrainConfig(loss="barlow_twins"),
    TrainConfig(loss="barlow_twins", barlow_twins=BarlowTwinsConfig(center=False)),
    TrainConfig(barlow_twins=BarlowTwinsConfig(normalize="batch", lambda_param=0.005, scale=0.1)),
    TrainConfig(loss="simclr", simclr=SimCLRConfig(temperature=0.5)),
    TrainConfig(loss="vicreg", vicreg=VICRegConfig(mu_param=3.0)),
    TrainConfig(loss="spectral_contrastive", spectral_contrastive=SpectralContrastiveConfig()),
    TrainConfig(loss="w_mse", w_mse=WMSEConfig(eps=0.1)),
    TrainConfig(loss="dcl", dcl=DCLConfig(sigma=0.7, temperature=0.3)),
    TrainConfig(loss="lejepa", lejepa=LeJEPAConfig(weight=0.3, slices=9, pooled=True, knots=5)),
    TrainConfig(loss="visreg", visreg=VISRegConfig(weight=0.3, slices=9, lambda_center=2.0)),
    TrainConfig(loss="mmcr", mmcr=MMCRConfig(normalize="none", lambda_param=0.1)),
    TrainConfig(loss="frossl", frossl=FroSSLConfig(invariance_weight=3.0)),
    TrainConfig(
        loss="corinfomax",
        corinfomax=CorInfoMaxConfig(memory=0.4, alpha=2.0),
        projector=ProjectorConfig(dim=4),
    ),
    TrainConfig(loss="coding_rate", coding_rate=CodingRateConfig(eps=0.05)),
    TrainConfig(loss="supcon", supcon=SupConConfig(temperature=0.3)),
    TrainConfig(loss="nscl", nscl=NSCLConfig(temperature=0.3)),
]
# Centred, and yet of another value where a mean is added: it lengthens embeddings, or costs.
SEE_A_MEAN_AND_LEARN_NONE = ("simclr", "dcl", "supcon", "nscl", "corinfomax", "lejepa", "visreg")


def embeddings(n=32, d=4, shift=0.0):
    generator = torch.Generator().manual_seed(0)
    z_a, z_b, target_a, target_b = torch.randn(4, n, d, dtype=torch.float64, generator=generator) + shift
    view_a, view_b = torch.randn(2, n, 3, 32, 32, dtype=torch.float64, generator=generator)
    drawn = torch.rand(2, n, 64, generator=generator)
    return Embeddings(z_a, z_b, torch.arange(n) % 3, target_a, target_b, view_a, view_b, *drawn)


@pytest.mark.parametrize("name", METHODS)
def test_a_methods_title_rate_and_centring_are_its_conventions(name):
    config = TrainConfig(loss=name)
    assert (title_of(name), default_rate(config), is_centered(config)) == CONVENTIONS[name]
    assert METHODS[name].name == name


@pytest.mark.parametrize(("optimizer", "rate"), [("adamw", 1e-3), ("lars", 1.0)])
@pytest.mark.parametrize("name", METHODS)
def test_other_optimisers_have_one_rate_for_all_methods(name, optimizer, rate):
    assert default_rate(TrainConfig(loss=name, optimizer=OptimizerConfig(name=optimizer))) == rate


def test_the_configuration_has_the_node_of_every_method_that_has_options():
    nodes = {field.name: field.default_factory for field in dataclasses.fields(MethodNodes)}
    assert nodes == {
        name: method.options for name, method in METHODS.items() if dataclasses.fields(method.options)
    }
    for name, options in nodes.items():
        assert METHODS[name].options_in(TrainConfig()) == options()


def test_predictions_have_the_nodes_and_names_of_the_methods_with_a_small_start():
    known = tuple(name for name, method in METHODS.items() if method.small_start)
    assert tuple(field.name for field in dataclasses.fields(SmallStartNodes)) == known
    assert typing.get_args(typing.get_args(SmallStartLoss)[0]) == known
    assert typing.get_type_hints(PredictConfig)["loss"] == typing.Literal[known]
    assert not any(METHODS[name].needs_labels for name in known)


def test_the_help_of_loss_names_every_method_once():
    (said,) = LossName.__metadata__
    assert [word for word in re.findall(r"\w+", said.documentation) if word in METHODS] == list(METHODS)


def test_the_help_of_the_rate_names_rates_that_are():
    source = Path(OptimizerConfig.__module__.replace(".", "/"))
    text = (Path(__file__).parents[2] / "src" / source.with_suffix(".py")).read_text()
    pairs = re.findall(r"([\d.]+) for (\w+)", text[text.index("such as") :][:80])
    assert {name: float(rate) for rate, name in pairs} == {
        name: METHODS[name].rate for name in ("barlow_twins", "simclr")
    }


def test_the_documentation_has_a_row_for_every_method():
    text = (Path(__file__).parents[2] / "docs" / "training.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == list(METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_an_objective_returns_a_scalar_with_a_graph_and_terms_without(name):
    batch = embeddings()
    batch.z_a.requires_grad_()
    objective = build_objective(TrainConfig(loss=name, projector=ProjectorConfig(dim=4)), classes=3).double()
    loss, terms = objective(batch)
    assert loss.ndim == 0
    assert torch.autograd.grad(loss, batch.z_a)[0].abs().max() > 0
    assert all(term.ndim == 0 and not term.requires_grad for term in terms.values())
    assert objective.needs_labels == METHODS[name].needs_labels
    assert (objective.target_momentum is not None) == (name == "byol")


@pytest.mark.parametrize("config", TWO_VIEWS)
def test_the_loss_has_every_parameter_of_its_node(config):
    loss = build_objective(config).loss
    node = dataclasses.asdict(getattr(config, config.loss))
    assert node
    assert {name: getattr(loss, name) for name in node} == node
    assert loss.gather_distributed


@pytest.mark.parametrize("config", TWO_VIEWS)
def test_the_terms_are_those_of_the_loss_and_add_up_to_it(config):
    loss, terms = build_objective(config)(embeddings())
    weights = build_objective(config).loss.weights
    total = sum(weights[name] * term for name, term in terms.items())
    torch.testing.assert_close(loss, total, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "config", [config for config in TWO_VIEWS if config.loss not in SEE_A_MEAN_AND_LEARN_NONE]
)
def test_a_loss_is_called_centred_where_it_does_not_see_the_mean(config):
    loss = build_objective(config)
    shifted, plain = loss(embeddings(shift=3))[0], loss(embeddings())[0]
    assert torch.isclose(shifted, plain).item() == is_centered(config)


@pytest.mark.parametrize(
    "config",
    [
        config
        for config in TWO_VIEWS
        if config.loss in ("barlow_twins", "simclr", "vicreg", "spectral_contrastive", "mmcr")
    ],
)
def test_a_loss_is_called_centred_where_a_mean_alone_does_not_grow(config):
    """SimCLR sees a mean, and yet learns none from a start that is nothing else."""
    z_a, z_b = torch.full((2, 16, 4), 0.1, dtype=torch.float64)
    z_a.requires_grad_()
    (gradient,) = torch.autograd.grad(build_objective(config)(Embeddings(z_a, z_b))[0], z_a)
    assert (gradient.abs().max() < 1e-12).item() == is_centered(config)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"simsiam": {"predictor_hidden": 0}}, "simsiam.predictor_hidden is too small: expected at least 1"),
        ({"byol": {"predictor_hidden": 0}}, "byol.predictor_hidden is too small: expected at least 1, got 0"),
        ({"byol": {"momentum": 1.5}}, r"byol.momentum: expected a number in \[0, 1\], got 1.5"),
        ({"byol": {"momentum": -0.1}}, r"byol.momentum: expected a number in \[0, 1\], got -0.1"),
    ],
)
def test_options_that_no_data_could_make_run_are_refused_by_name(changes, message):
    ((name, options),) = changes.items()
    method = METHODS[name]
    with pytest.raises(ValueError, match=message):
        method.check(method.options(**options))
    method.check(method.options())


def test_an_unknown_loss_is_refused_with_the_nearest_name():
    with pytest.raises(ValueError, match=r"unknown loss 'vic_reg': expected .*Did you mean vicreg\?"):
        build_objective(TrainConfig(loss="vic_reg"))

"""Optimisers by name, and which parameters each of their rates is for."""

from typing import Any

import torch
from torch import nn

from eigenstep.encoders import Encoder, layers_of
from eigenstep.optim._config import OptimizerConfig, with_defaults
from eigenstep.optim._muon import Muon
from eigenstep.optim._shapes import fallback_reason, fallback_reasons


def build_optimizer(
    encoder: nn.Module,
    config: OptimizerConfig,
    objective: nn.Module | None = None,
    fixed_rate: bool = False,
) -> torch.optim.Optimizer:
    """The optimiser over the parameters of the encoder, and of the objective where it has some.

    Norms and biases are not decayed, nor rescaled by LARS. Groups of parameters that keep the rate that
    the schedule starts from are marked by "fixed_rate"; those whose rate is a share of the schedule's
    have it as "rate_share". Parameters without a gradient, as `freeze` leaves them, are in none.

    Parameters
    ----------
    fixed_rate : bool
        Whether the objective's parameters keep it.

    Raises
    ------
    ValueError
        For Muon, if there is no matrix that it could orthogonalise.

    Examples
    --------
    >>> build_optimizer(torch.nn.Linear(4, 2), OptimizerConfig(name="adamw", lr=1e-3)).__class__.__name__
    'AdamW'
    """
    config = with_defaults(config)
    lr, momentum, nesterov = config.lr, config.momentum or 0.0, bool(config.nesterov)
    assert lr is not None, "the configuration is resolved first"
    groups = _encoder_groups(encoder, config) + (
        _groups(list(objective.parameters()), config, fixed_rate) if objective else []
    )
    groups = [group for group in groups if group["params"]]
    if config.name == "lars":
        from timm.optim.lars import Lars

        return Lars(
            groups,
            lr=lr,
            momentum=momentum,
            nesterov=nesterov,
            trust_coeff=config.trust_coefficient,
            trust_clip=config.trust_clip,
        )
    if config.name == "muon":
        if all(fallback_reason(each.shape) for group in groups for each in group["params"]):
            raise ValueError(
                "muon orthogonalises weight matrices, and of the trained parameters none is one; use"
                " --optimizer.name adamw"
            )
        return Muon(
            groups,
            lr=lr,
            momentum=momentum,
            nesterov=nesterov,
            scale=config.muon_scale,
            fallback_share=config.fallback_share,
        )
    # One kernel a group instead of several a parameter.
    fused = all(parameter.device.type in ("cpu", "cuda", "mps") for parameter in encoder.parameters())
    if config.name == "sgd":
        return torch.optim.SGD(groups, lr=lr, momentum=momentum, nesterov=nesterov, fused=fused)
    return torch.optim.AdamW(groups, lr=lr, fused=fused)


def said_of_optimizer(
    encoder: nn.Module, config: OptimizerConfig, objective: nn.Module | None = None
) -> list[str]:
    """What to know of an optimiser before the first step: what Muon does not orthogonalise, and why.

    Examples
    --------
    >>> said_of_optimizer(torch.nn.Linear(4, 2), OptimizerConfig(name="sgd"))
    []
    """
    if config.name != "muon":
        return []
    named = [*encoder.named_parameters()]
    if objective is not None:
        named += objective.named_parameters(prefix="objective")
    trained = [(name, each) for name, each in named if each.requires_grad]
    reasons = fallback_reasons(trained)
    flat = [name for name, reason in reasons.items() if reason == "one dimension"]
    others = [f"{name} ({reason})" for name, reason in reasons.items() if name not in flat]
    said = f"muon orthogonalises {len(trained) - len(reasons)} of {len(trained)} trained parameters"
    if not reasons:
        return [said]
    left = ", ".join(([f"{len(flat)} of one dimension"] if flat else []) + others)
    return [f"{said}; AdamW updates, at {config.fallback_share:g} of the rate, {left}"]


def _encoder_groups(encoder: nn.Module, config: OptimizerConfig) -> list[dict[str, Any]]:
    """An encoder's parameters at one rate, or those of its backbone by layer, as timm's layer decay.

    Where the projector comes first it has groups of its own.
    """
    if not isinstance(encoder, Encoder) or (config.layer_decay is None and not config.projector_first):
        return _groups(list(encoder.parameters()), config, False)
    projector = _groups(list(encoder.projector.parameters()), config, False)
    if config.layer_decay is None:  # torch's fused SGD begins the momentum of a whole group at once
        return _groups(list(encoder.backbone.parameters()), config, False) + projector
    depths, groups = layers_of(encoder.backbone), []
    named = dict(encoder.backbone.named_parameters())
    layers = max(depths.values()) + 1
    for layer in range(layers):
        parameters = [named[name] for name, depth in depths.items() if depth == layer]
        share = config.layer_decay ** (layers - layer)
        groups += [group | {"rate_share": share} for group in _groups(parameters, config, False)]
    return groups + projector


def _groups(
    parameters: list[nn.Parameter], config: OptimizerConfig, fixed_rate: bool
) -> list[dict[str, Any]]:
    shared: dict[str, Any] = {"fixed_rate": fixed_rate}
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    weights = {"weight_decay": config.weight_decay} | shared
    if config.name == "lars":
        weights["always_adapt"] = True  # by itself timm's LARS adapts a group's rate only where it decays
    return [
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0} | shared,
        {"params": [p for p in trained if p.ndim > 1]} | weights,
    ]

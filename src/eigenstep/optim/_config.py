"""How a run's weights are updated, as its configuration says it."""

import dataclasses
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class OptimizerConfig:
    """The optimiser and its schedule."""

    name: Literal["sgd", "adamw", "lars", "muon"] = "sgd"
    """Which optimiser."""
    lr: float | None = None
    """Learning rate; default: 0.001 for adamw, 1 for lars, 0.1 for muon, but 0.02 from a small start
    (projector.init_scale below 0.1), and for sgd what suits the loss at a small initialisation,
    such as 0.005 for barlow_twins and 0.05 for simclr."""
    momentum: float | None = None
    """Momentum of sgd, lars and muon; default: 0.95 for muon, otherwise 0.9."""
    nesterov: bool | None = None
    """Nesterov's form of the momentum; default: with muon, if it has a momentum."""
    muon_scale: Literal["original", "match_rms_adamw", "rms_to_rms"] = "original"
    """For muon: how the rate of a matrix depends on its outputs m and inputs n. original: sqrt(max(1, m/n));
    match_rms_adamw: 0.2 sqrt(max(m, n)); rms_to_rms: sqrt(m/n)."""
    fallback_share: float = 0.05
    """For muon: parameters that it does not orthogonalise, such as norms and biases, learn by AdamW at this
    share of the rate."""
    trust_coefficient: float = 0.001
    """For lars: a layer's step is this times the ratio of its weights' norm to its gradient's."""
    trust_clip: bool = False
    """For lars: a layer's rate is at most the learning rate."""
    weight_decay: float = 0.0
    """Weight decay, not applied to norms and biases."""
    schedule: Literal["constant", "cosine"] = "constant"
    """The learning rate after warm-up."""
    warmup_steps: int = 0
    """Steps of linear warm-up."""
    warmup_epochs: int = 0
    """Epochs of linear warm-up, instead of steps."""
    cosine_steps: int | None = None
    """The step at which the cosine ends; from then on the rate is final_rate. Default: the run's last
    step."""
    final_rate: float | None = None
    """The constant rate after cosine_steps; default: lr."""
    layer_decay: float | None = None
    """Each layer of the backbone learns at this share of the rate of the next one, and the last one at this
    share of the projector's, such as 0.75; default: all at the same rate."""
    projector_first: int = 0
    """For this many steps only the projector is trained, and the parameters of the loss itself."""


def with_defaults(config: OptimizerConfig) -> OptimizerConfig:
    """The configuration with the momentum that suits its optimiser, where it gives none.

    Examples
    --------
    >>> with_defaults(OptimizerConfig()).momentum, with_defaults(OptimizerConfig(name="muon")).momentum
    (0.9, 0.95)
    """
    is_muon = config.name == "muon"
    momentum = (0.95 if is_muon else 0.9) if config.momentum is None else config.momentum
    nesterov = is_muon and momentum > 0 if config.nesterov is None else config.nesterov
    return dataclasses.replace(config, momentum=momentum, nesterov=nesterov)


def for_another_optimizer(config: OptimizerConfig) -> OptimizerConfig:
    """The configuration without what was chosen for its optimiser alone: rates, momentum, options of its own.

    Schedule, weight decay and shares of layers stay.

    Examples
    --------
    >>> found = for_another_optimizer(OptimizerConfig(lr=0.4, momentum=0.9, schedule="cosine"))
    >>> found.lr, found.momentum, found.schedule
    (None, None, 'cosine')
    """
    default = OptimizerConfig()
    return dataclasses.replace(
        config,
        lr=default.lr,
        final_rate=default.final_rate,
        momentum=default.momentum,
        nesterov=default.nesterov,
        muon_scale=default.muon_scale,
        fallback_share=default.fallback_share,
        trust_coefficient=default.trust_coefficient,
        trust_clip=default.trust_clip,
    )


@dataclass(frozen=True)
class EmbeddingPreconditionerConfig:
    """The gradient at the embeddings times (covariance + damping)^-power."""

    power: float | None = None
    """Such as 0.5, or 1; default: none, the gradient as it is."""
    damping: float = 1e-3
    """Added to the eigenvalues of the embeddings' covariance."""
    decay: float = 0.9
    """Decay of the covariance's running mean at each step."""
    every: int | None = None
    """Steps between two computations of the power; default: by the embeddings' dimension."""

"""The preconditioner of the gradient at the embeddings, as a run's configuration says it."""

import dataclasses
from typing import Any

from eigenstep.methods import Method
from eigenstep.optim import EmbeddingPreconditioner, EmbeddingPreconditionerConfig
from eigenstep.training.config import TrainConfig


def build_preconditioner(config: TrainConfig, method: Method[Any]) -> EmbeddingPreconditioner | None:
    """That of the configuration, None where it has none; it centres as the loss does.

    Examples
    --------
    >>> from eigenstep.methods import METHODS
    >>> config = TrainConfig(embedding_preconditioner=EmbeddingPreconditionerConfig(power=0.5))
    >>> build_preconditioner(config, METHODS["barlow_twins"])
    EmbeddingPreconditioner(power=0.5, damping=0.001, decay=0.9, every=None, center=True)
    """
    options = config.embedding_preconditioner
    if options.power is None:
        return None
    center = method.is_centered(method.options_in(config))
    return EmbeddingPreconditioner(options.power, options.damping, options.decay, options.every, center)


def check_preconditioner(config: TrainConfig, method: Method[Any]) -> None:
    """Raise ValueError, in one line, for a method or for numbers that it does not serve with."""
    options = config.embedding_preconditioner
    if options.power is None:
        if options != EmbeddingPreconditionerConfig():
            changed = [
                field.name
                for field in dataclasses.fields(options)
                if getattr(options, field.name) != field.default
            ]
            raise ValueError(
                f"embedding_preconditioner.{changed[0]} does nothing without embedding_preconditioner.power;"
                " set it, such as 0.5"
            )
        return
    try:
        build_preconditioner(config, method)
    except ValueError as error:
        raise ValueError(f"embedding_preconditioner.{error}") from None
    reason = method.refuses_preconditioning(method.options_in(config))
    if reason:
        raise ValueError(
            f"embedding_preconditioner.power does not serve with {config.loss}: {reason}; leave it out, or"
            " use barlow_twins or spectral_contrastive with normalize none"
        )

"""How weights are updated: optimisers and schedules by name, and what makes late modes faster."""

from typing import TYPE_CHECKING

from eigenstep.lazy import lazily

if TYPE_CHECKING:
    from eigenstep.optim._config import (
        EmbeddingPreconditionerConfig,
        OptimizerConfig,
        for_another_optimizer,
        with_defaults,
    )
    from eigenstep.optim._embedding_preconditioner import EmbeddingPreconditioner
    from eigenstep.optim._muon import Muon
    from eigenstep.optim._optimizer import build_optimizer, said_of_optimizer
    from eigenstep.optim._orthogonalize import compute_dtype, orthogonalize
    from eigenstep.optim._preconditioned import Preconditioned
    from eigenstep.optim._schedule import learning_rates, set_rate
    from eigenstep.optim._shapes import fallback_reason, fallback_reasons, rate_scale
else:
    __getattr__, __dir__ = lazily(__name__)

__all__ = [
    "EmbeddingPreconditioner",
    "EmbeddingPreconditionerConfig",
    "Muon",
    "OptimizerConfig",
    "Preconditioned",
    "build_optimizer",
    "compute_dtype",
    "fallback_reason",
    "fallback_reasons",
    "for_another_optimizer",
    "learning_rates",
    "orthogonalize",
    "rate_scale",
    "said_of_optimizer",
    "set_rate",
    "with_defaults",
]

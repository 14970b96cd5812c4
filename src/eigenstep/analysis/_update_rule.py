"""Which rule a run's weights were updated by, as its configuration and its record say."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from eigenstep.record import RunRecord

RuleName = Literal["gradient", "preconditioned", "orthogonalised"]

# Of an optimiser that is not known here, so much of what a configuration, which may be anyone's, calls it.
LONGEST_NAME = 40
# As their authors write them.
OPTIMISERS = {"sgd": "SGD", "adamw": "AdamW", "lars": "LARS", "muon": "Muon"}


@dataclass(frozen=True)
class UpdateRule:
    """The rule of a run: what its optimiser and its loss do to the gradient.

    Attributes
    ----------
    optimiser : str
        By its author's name, such as "Muon".
    learning_rate : float | None
        As configured; None where that does not tell.
    power, damping : float | None
        Of the preconditioner at the embeddings, whose gradient is multiplied by (Cov + damping)^-power; None
        of a run without, and of a loss of one's own that brings one, which the configuration does not tell.
    largest_gain : float | None
        The largest factor by which that multiplied any direction of the gradient; of a run that goes on, so
        far. None where none was recorded.
    skipped : int
        Steps whose covariance was not finite, and was skipped.

    Examples
    --------
    >>> UpdateRule("SGD", 0.005, power=0.5, damping=0.001, largest_gain=31.0).sentence
    "SGD, learning rate 0.005, with the embeddings' gradient times (Cov + 0.001)^-0.5, largest gain 31"
    """

    optimiser: str
    learning_rate: float | None = None
    power: float | None = None
    damping: float | None = None
    largest_gain: float | None = None
    skipped: int = 0

    @property
    def names(self) -> tuple[RuleName, ...]:
        """Gradient, preconditioned, orthogonalised, or the last two at once."""
        names: tuple[RuleName, ...] = ("preconditioned",) if self._is_preconditioned else ()
        names += ("orthogonalised",) if self.optimiser == OPTIMISERS["muon"] else ()
        return names or ("gradient",)

    @property
    def is_plain(self) -> bool:
        """Whether the gradient is neither preconditioned at the embeddings nor orthogonalised."""
        return self.names == ("gradient",)

    @property
    def name(self) -> str:
        """The rule in one or two words."""
        return " and ".join(self.names)

    @property
    def sentence(self) -> str:
        """In words, without a full stop."""
        said = self.optimiser
        if self.learning_rate is not None:
            said += f", learning rate {self.learning_rate:g}"
        if self._is_preconditioned:
            damped = "Cov" if self.damping is None else f"(Cov + {self.damping:g})"
            by = "preconditioned by the loss" if self.power is None else f"times {damped}^-{self.power:g}"
            said += f", with the embeddings' gradient {by}"
            if self.largest_gain is not None:
                said += f", largest gain {self.largest_gain:.3g}"
            if self.skipped:
                steps = "step" if self.skipped == 1 else "steps"
                said += f", {self.skipped:,} {steps} left out of Cov for not being finite"
        return said

    @property
    def _is_preconditioned(self) -> bool:
        # Only a preconditioner has a gain: a run without one records none.
        return self.power is not None or self.largest_gain is not None


def update_rule(record: RunRecord) -> UpdateRule | None:
    """The rule that a record tells; None where its configuration names no optimiser, and of predictions.

    The largest gain is the summary's, and before there is one that of the measurements in the record.

    Examples
    --------
    >>> import tempfile
    >>> from eigenstep.record import RecordWriter, read_record
    >>> config = "optimizer: {name: muon, lr: 0.02}"
    >>> writer = RecordWriter(tempfile.mkdtemp(), 2, config=config)
    >>> rule = update_rule(read_record(writer.path))
    >>> rule.names, rule.sentence
    (('orthogonalised',), 'Muon, learning rate 0.02')
    """
    optimizer = _node(record.config, "optimizer")
    name = optimizer.get("name")
    if record.is_prediction or not isinstance(name, str):
        return None
    node = _node(record.config, "embedding_preconditioner")
    power = _number(node.get("power"))
    skipped = record.metrics.get("skipped_statistics", np.zeros(0))
    skipped = skipped[np.isfinite(skipped)]
    return UpdateRule(
        OPTIMISERS.get(name, name[:LONGEST_NAME]),
        _number(optimizer.get("lr")),
        power,
        None if power is None else _number(node.get("damping")),
        _largest_gain(record),
        int(skipped.max()) if len(skipped) else 0,
    )


def _largest_gain(record: RunRecord) -> float | None:
    told = _number((record.summary or {}).get("largest_gain"))
    gains = record.metrics.get("embedding_gain", np.zeros(0))
    gains = gains[np.isfinite(gains)]
    return told if told is not None else float(gains.max()) if len(gains) else None


def _node(tree: dict[str, Any], name: str) -> dict[str, Any]:
    """A branch of a configuration, which anyone may have written."""
    node = tree.get(name)
    return node if isinstance(node, dict) else {}


def _number(value: Any) -> float | None:
    """A finite number; YAML reads 1e-3 as text."""
    try:
        number = float(value) if not isinstance(value, bool) else np.nan
    except (TypeError, ValueError, OverflowError):
        return None
    return number if np.isfinite(number) else None

"""The loss that a watched loop minimises, as it was told: by name, or itself."""

from collections.abc import Mapping
from typing import Any

from eigenstep.analysis import Landmark
from eigenstep.losses import named_landmarks


class ToldLoss:
    """A loss whose values are placed among its landmarks.

    Parameters
    ----------
    loss : Any
        A name and options as of `eigenstep.losses.named_landmarks`, or what has a method `landmarks` as the
        losses of `eigenstep.losses` have.
    batch_size : int | None
        Pairs that the loss sees at once, over all processes; None where that is to be seen.

    Attributes
    ----------
    at_once : int | None
        Pairs of a micro-batch of this process; None where a step has one alone.

    Raises
    ------
    TypeError
        For a `loss` that is neither, options without a name, and a `batch_size` without a loss.
    ValueError
        For an unknown name or option, and for values that are refused.

    Examples
    --------
    >>> ToldLoss("clip", None, {"temperature": 0.1}).landmarks(256, 128, 1)[0].name
    'chance'
    """

    def __init__(self, loss: Any, batch_size: int | None, options: Mapping[str, Any]) -> None:
        if batch_size is not None and (not isinstance(batch_size, int) or batch_size < 1):
            raise ValueError(f"expected batch_size to be a positive integer, got {batch_size!r}")
        if isinstance(loss, str):
            self.name, self._find = loss, named_landmarks(loss, **options)
        elif isinstance(loss, type) or not callable(getattr(loss, "landmarks", None)):
            got = f"the class {loss.__name__} itself" if isinstance(loss, type) else type(loss).__name__
            raise TypeError(
                "expected loss to be a name, such as 'ntxent', or a loss of eigenstep.losses, such as"
                f" NTXentLoss(), got {got}; give a step's value to log() or update()"
            )
        elif options:
            raise TypeError(f"options are those of a loss by name, got {', '.join(options)} beside a loss")
        else:
            self.name, self._find = type(loss).__name__, loss.landmarks
        self.batch_size = batch_size
        self.at_once: int | None = None

    def pairs(self, rows: int, processes: int) -> int:
        """What the loss sees at once, of a step of so many pairs in this process."""
        return self.batch_size or (self.at_once or rows) * processes

    def landmarks(self, rows: int, dim: int, processes: int) -> list[Landmark]:
        """Of a step of so many pairs in this process."""
        return list(self._find(self.pairs(rows, processes), dim, processes=processes))


def told_loss(loss: Any, batch_size: int | None, options: Mapping[str, Any]) -> ToldLoss | None:
    """The loss, None if none was given. Raises as `ToldLoss`, and TypeError for options without a loss."""
    if loss is None:
        if unknown := [*options, *(["batch_size"] if batch_size is not None else [])]:
            raise TypeError(
                f"got {', '.join(unknown)}, which is not an option of a monitor; options of a loss need loss="
            )
        return None
    return ToldLoss(loss, batch_size, options)

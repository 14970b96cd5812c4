"""What every method says of itself."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from eigenstep.methods._small_start import SmallStart

if TYPE_CHECKING:
    from eigenstep.methods._objective import Objective

Options = TypeVar("Options")

# For SGD at a small initialisation, where a method names none of its own.
USUAL_RATE = 0.05


def always(options: Any) -> bool:
    return True


def never(options: Any) -> bool:
    return False


def accept(options: Any) -> None:
    """For options that need no check beside the loss's own."""


def untried(options: Any) -> str | None:
    """For methods of which nobody has measured it."""
    return "nobody has measured that it serves there"


def as_its_loss_says(loss: str) -> Callable[[Any], str | None]:
    """For a method whose options are its loss's, under the same names."""
    return lambda options: _loss_named(loss)(**asdict(options)).refuses_preconditioning


def of_two_views(loss: str) -> Callable[[Any, int, int], "Objective"]:
    """How a method is built whose options are those of a loss of `eigenstep.losses`, under the same names."""

    def build(options: Any, dim: int, classes: int) -> "Objective":
        from eigenstep.methods._objective import TwoViewObjective

        return TwoViewObjective(_loss_named(loss)(gather_distributed=True, **asdict(options)))

    return build


def of_slices(loss: str) -> Callable[[Any, int, int], "Objective"]:
    """The same for a loss along random directions."""

    def build(options: Any, dim: int, classes: int) -> "Objective":
        from eigenstep.methods._objective import SlicedObjective

        return SlicedObjective(_loss_named(loss)(gather_distributed=True, **asdict(options)))

    return build


def of_labels(loss: str) -> Callable[[Any, int, int], "Objective"]:
    """The same for a loss that takes labels."""

    def build(options: Any, dim: int, classes: int) -> "Objective":
        from eigenstep.methods._objective import LabelledObjective

        return LabelledObjective(_loss_named(loss)(gather_distributed=True, **asdict(options)), classes)

    return build


def _loss_named(name: str) -> Any:
    """A class of `eigenstep.losses`, which is imported when it is built: it brings torch."""
    from eigenstep import losses

    return getattr(losses, name)


def check_hidden(name: str, hidden: int) -> None:
    """See that an option, the width of a predictor's hidden layer, is one."""
    if hidden < 1:
        raise ValueError(f"{name} is too small: expected at least 1, got {hidden}")


@dataclass(frozen=True)
class NoOptions:
    """For a method that has no node in the configuration tree."""


@dataclass(frozen=True)
class Method(Generic[Options]):
    """A way of training an encoder, under the name that `--loss` and the configuration's node have.

    Attributes
    ----------
    name : str
        In the configuration.
    title : str
        As its authors write it, for a sentence such as "trained with SimCLR".
    options : type[Options]
        The dataclass of its node in the configuration tree.
    build : Callable[[Options, int, int], Objective]
        The objective of these options, of an embedding's dimension, and of the number of classes that the
        data have; of several processes it sees the joint batch. Raises ValueError if the loss refuses the
        values.
    rate : float
        Learning rate of SGD at a small initialisation (found on photographs' patches with the small convnet),
        used where the configuration gives none.
    is_centered : Callable[[Options], bool]
        Whether the spectrum of C is recorded of embeddings from which the batch mean is subtracted: not where
        the loss itself works on the uncentred second moment.
    small_start : Callable[[Options, int], SmallStart] | None
        What the theory knows of the loss for small embeddings and batches of so many pairs, raising
        ValueError for options under which they are never small; None where nothing is known.
    needs_labels : bool
        The images must have classes.
    check : Callable[[Options], None]
        Raises ValueError if no data could be trained with these options, whichever method is chosen.
    refuses_preconditioning : Callable[[Options], str | None]
        Why `--embedding-preconditioner.power` does not serve with these options, None where it does.
    """

    name: str
    title: str
    options: type[Options]
    build: Callable[[Options, int, int], "Objective"]
    rate: float = USUAL_RATE
    is_centered: Callable[[Options], bool] = always
    small_start: Callable[[Options, int], SmallStart] | None = None
    needs_labels: bool = False
    check: Callable[[Options], None] = accept
    refuses_preconditioning: Callable[[Options], str | None] = untried

    def options_in(self, config: Any) -> Options:
        """The method's node of a configuration, or its defaults where there is none."""
        return getattr(config, self.name, None) or self.options()


def listed(names: Sequence[str]) -> str:
    """Names as a sentence has them.

    Examples
    --------
    >>> listed(["simclr", "vicreg", "byol"])
    'simclr, vicreg or byol'
    """
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))

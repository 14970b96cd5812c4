"""A value of a loss by which others are placed."""

from dataclasses import dataclass

# The names that placing knows. From the first three a way begins, at the last it ends.
CHANCE, NOTHING_LEARNED, CONSTANT = "chance", "nothing learned", "constant embeddings"
COPIES, FLOOR = "copies of one column", "floor"
OF_ONE_PROCESS = "chance in one process's batch"


@dataclass(frozen=True)
class Landmark:
    """A value that a loss has by itself in a state that is easily told.

    Attributes
    ----------
    name : str
        "chance" (unrelated views), "nothing learned" (embeddings of no length), "constant embeddings",
        "copies of one column", "floor" (the lowest, or about that), or another.
    value : float
        The loss there.
    says : str
        What it means of a loss that stays there, a clause without a full stop.

    Examples
    --------
    >>> Landmark("chance", 5.541, "every other view is as likely").name
    'chance'
    """

    name: str
    value: float
    says: str

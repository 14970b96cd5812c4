"""A run beside the plain run that differs from it in nothing but the rule of its updates."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eigenstep.analysis._first_modes import Moment, moment_of, stand_out
from eigenstep.analysis._learned import learned_rises
from eigenstep.analysis._mode_steps import ModeSteps, mode_steps, modes_told, sooner
from eigenstep.analysis._update_rule import update_rule
from eigenstep.record import RunRecord, config_leaves

# What a run watches, where it computes and how long it goes on leave what it learns as it is.
_IDLE = ("record.", "checkpoint.", "probes.", "logger.")
_IDLE_NAMES = {"steps", "epochs", "threads", "device", "compile"}


@dataclass(frozen=True)
class ModeBeside:
    """The moment at which a plain run and another had learned so many modes.

    Attributes
    ----------
    modes : int
        How many.
    steps : tuple[float | None, float | None]
        The plain run's step and the other's, None where it never had so many.
    seconds : tuple[float | None, float | None]
        Likewise.
    sooner : float | None
        How many times sooner, in steps, the other had; None where one of them never did.
    overlap, chance : float | None
        Of what the first modes span on the probe batch, 1 where they are the same or one space holds the
        other, beside that of unrelated ones; None where one of the runs never had so many, where the records
        do not hold the same images, or no moment at which these modes stand out.
    note : str
        What is to be said of the moments at which they were compared, empty where just these had been
        learned.
    """

    modes: int
    steps: tuple[float | None, float | None]
    seconds: tuple[float | None, float | None]
    sooner: float | None
    overlap: float | None
    chance: float | None
    note: str


def differing_settings(first: dict[str, Any], second: dict[str, Any]) -> set[str]:
    """Names of the settings in which two configurations differ, of those that change what is learned.

    Settings of a preconditioner that is off change nothing, nor does how long a run goes on, unless its rate
    falls towards that end.

    Examples
    --------
    >>> first = {"seed": 0, "steps": 300, "optimizer": {"name": "sgd"}}
    >>> second = {"seed": 0, "steps": 120, "optimizer": {"name": "muon"}}
    >>> differing_settings(first, second)
    {'optimizer.name'}
    """
    left, right = config_leaves(first), config_leaves(second)
    ends_count = _falls_towards_its_end(left) or _falls_towards_its_end(right)
    left, right = (_of_account(leaves, ends_count) for leaves in (left, right))
    return {name for name in left.keys() | right.keys() if left.get(name) != right.get(name)}


def differ_by_rule_alone(first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Whether two configurations differ in nothing but the optimiser and the preconditioner.

    Examples
    --------
    >>> plain = {"loss": "simclr", "optimizer": {"name": "sgd", "lr": 0.05}}
    >>> differ_by_rule_alone(plain, plain | {"optimizer": {"name": "muon", "lr": 0.02}})
    True
    """
    names = differing_settings(first, second)
    return all(name.startswith(("optimizer.", "embedding_preconditioner.")) for name in names)


def find_plain(record: RunRecord, others: Iterable[RunRecord]) -> RunRecord | None:
    """The plain run among others that a run under another rule is to be measured by; None if there is none.

    It differs in nothing but the optimiser and the preconditioner. Of several the one that learned most modes
    counts, and of these the one that had them first: the strongest, not the one that flatters.
    """
    rule = update_rule(record)
    if rule is None or rule.is_plain:
        return None
    found = []
    for other in others:
        plain = update_rule(other)
        if plain is not None and plain.is_plain and differ_by_rule_alone(record.config, other.config):
            steps = mode_steps(other)
            found.append((-len(steps), steps.step(len(steps)) or 0.0, other.name, other))
    return min(found, key=lambda each: each[:3])[-1] if found else None


def beside_plain(plain: RunRecord, other: RunRecord) -> list[ModeBeside]:
    """How many times sooner than a plain run another learned its modes, and whether they are the same.

    Overlaps are of the probe batch's embeddings, where both records hold those of the same images, at the
    moments that `moment_of` says.
    """
    records = (plain, other)
    first, second = (mode_steps(record) for record in records)
    places = [_Places(record) for record in records] if _same_probe(plain, other) else None
    return [_beside(modes, first, second, places) for modes in modes_told(len(first), len(second), 0)]


class _Places:
    """The probe batch of a run over time, with how many modes had been learned."""

    def __init__(self, record: RunRecord) -> None:
        rows = record.projections
        assert rows is not None
        self.rows = rows[np.isfinite(rows["points"]).all(axis=(1, 2))]
        half_times = np.array([rise.half_time for rise in learned_rises(record)])
        self.learned = (half_times[None, :] < self.rows["time"][:, None]).sum(axis=1).tolist()
        self.variances = (self.rows["points"].astype(np.float64) ** 2).mean(axis=1)

    def at(self, modes: int) -> Moment:
        return moment_of(modes, self.learned, lambda place, count: stand_out(self.variances[place], count))

    def span(self, moment: Moment) -> NDArray[np.float64]:
        """An orthonormal basis of what the modes span, (n, modes): their projections are orthogonal."""
        points = self.rows["points"][moment.place, :, : moment.modes].astype(np.float64)
        basis: NDArray[np.float64] = points / np.linalg.norm(points, axis=0)
        return basis


def _beside(modes: int, first: ModeSteps, second: ModeSteps, places: list[_Places] | None) -> ModeBeside:
    steps = (first.step(modes), second.step(modes))
    overlap, chance, note = None, None, ""
    if None not in steps:
        overlap, chance, note = _same_modes(modes, places)
    seconds = (first.second(modes), second.second(modes))
    return ModeBeside(modes, steps, seconds, sooner(*steps), overlap, chance, note)


def _same_modes(modes: int, places: list[_Places] | None) -> tuple[float | None, float | None, str]:
    """Overlap, what chance gives, and a note."""
    if places is None:
        return None, None, "the records hold no probe batch of the same images"
    moments = [place.at(modes) for place in places]
    note = "; ".join(
        f"{run}, {moment.note}" for run, moment in zip(("there", "here"), moments, strict=True) if moment.note
    )
    if any(moment.place is None for moment in moments):
        return None, None, note
    left, right = (place.span(moment) for place, moment in zip(places, moments, strict=True))
    images, counts = len(left), [moment.modes for moment in moments]
    if images <= max(counts) + 1:
        return None, None, f"{images} probe images agree on {max(counts)} modes whatever they are"
    overlap = float(np.sum((left.T @ right) ** 2) / min(counts))
    return overlap, max(counts) / (images - 1), note


def _same_probe(first: RunRecord, second: RunRecord) -> bool:
    kept = all(each.projections is not None and len(each.projections) for each in (first, second))
    if not kept or first.probe is None or second.probe is None:
        return False
    return bool(np.array_equal(first.probe, second.probe))


def _falls_towards_its_end(leaves: dict[str, Any]) -> bool:
    return leaves.get("optimizer.schedule") == "cosine" and leaves.get("optimizer.cosine_steps") is None


def _of_account(leaves: dict[str, Any], ends_count: bool) -> dict[str, Any]:
    """The settings that change what is learned."""
    off = leaves.get("embedding_preconditioner.power") is None
    return {
        name: value
        for name, value in leaves.items()
        if not name.startswith(_IDLE)
        and (name not in _IDLE_NAMES or (ends_count and name in ("steps", "epochs")))
        and not (off and name.startswith("embedding_preconditioner."))
    }

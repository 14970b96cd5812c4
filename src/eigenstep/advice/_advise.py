"""What is wrong with a run, why, and what to do about it."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eigenstep.advice._go_on import cannot_go_on
from eigenstep.advice._signs import Signs, signs_of
from eigenstep.advice._symptoms import symptoms_of
from eigenstep.advice.causes import CAUSES, NAMED, Action, Cause, Evidence
from eigenstep.analysis.verdicts import Verdict, judge
from eigenstep.record import RunRecord

# Measurements before which no cause is named, unless the run has ended by then.
FEWEST = 2


@dataclass(frozen=True)
class Found:
    """A cause as a run's record speaks of it.

    Attributes
    ----------
    cause : Cause
        What it is.
    evidence : tuple[Evidence, ...]
        For it and against it, the weightiest first.
    action : Action
        What to do about it in this run.
    """

    cause: Cause
    evidence: tuple[Evidence, ...]
    action: Action

    @property
    def score(self) -> float:
        """The sum of the evidence; `NAMED` or more names the cause."""
        return sum(each.weight for each in self.evidence)

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "cause": self.cause.name,
            "said": self.cause.said,
            "score": round(self.score, 2),
            "evidence": [dataclasses.asdict(each) for each in self.evidence],
            "action": dataclasses.asdict(self.action),
            "trial": self.cause.trial,
        }


@dataclass(frozen=True)
class Advice:
    """What `advise` says.

    Attributes
    ----------
    verdict : Verdict
        What has become of the embedding.
    symptoms : tuple[str, ...]
        What no sound run shows; may be empty where a cause is plain before it has done harm.
    causes : tuple[Found, ...]
        Those with enough evidence, the likeliest first; two at once are two.
    considered : tuple[Found, ...]
        Those with some evidence, but not enough.
    restart : str | None
        Why the run should begin anew with the change; None if it may go on with it.
    """

    verdict: Verdict
    symptoms: tuple[str, ...]
    causes: tuple[Found, ...]
    considered: tuple[Found, ...]
    restart: str | None

    @property
    def ill(self) -> bool:
        """Whether something is wrong."""
        return bool(self.symptoms or self.causes)

    @property
    def unknown(self) -> bool:
        """Whether something is wrong that no cause on the list explains."""
        return bool(self.symptoms) and not self.causes

    @property
    def changes(self) -> Mapping[str, Any]:
        """Options to set for all causes; of two that set the same one the likelier counts."""
        merged: dict[str, Any] = {}
        for found in reversed(self.causes):
            merged |= found.action.changes
        return merged

    @property
    def sentence(self) -> str:
        """The advice in one sentence or two, empty for a run with nothing wrong."""
        if not self.ill:
            return ""
        if self.unknown:
            return f"Ill ({'; '.join(self.symptoms)}), and the cause is not on the list."
        first = self.causes[0]
        more = f" So does another cause: {self.causes[1].cause.said}." if len(self.causes) > 1 else ""
        how = "begin anew" if self.restart else "the run can go on with it"
        return f"Likely cause: {first.cause.said}. {first.action.said}; {how}.{more}"

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "verdict": self.verdict.state,
            "ill": self.ill,
            "unknown": self.unknown,
            "symptoms": list(self.symptoms),
            "causes": [each.plain() for each in self.causes],
            "considered": [each.plain() for each in self.considered],
            "restart": self.restart,
            "changes": dict(self.changes),
            "sentence": self.sentence,
        }


def advise(record: RunRecord) -> Advice:
    """Say what is wrong with a run, why, and what to do about it; nothing of a sound run.

    Raises
    ------
    ValueError
        For a folder that is a prediction, in which nothing was measured.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from eigenstep.record import RecordWriter, read_record
    >>> writer = RecordWriter(tempfile.mkdtemp(), 2)
    >>> for step in range(3):
    ...     both = {"cross_correlation": np.ones(2), "covariance": np.ones(2)}
    ...     writer.append(step, float(step), both, loss=1.0, health={"views_equal": 1.0})
    >>> found = advise(read_record(writer.path))
    >>> found.causes[0].cause.name
    'same_view_twice'
    """
    if record.is_prediction:
        raise ValueError(f"{record.path} is a prediction, in which nothing was measured; expected a run")
    verdict = judge(record)
    return advise_signs(signs_of(record, verdict), verdict)


def advise_signs(signs: Signs, verdict: Verdict) -> Advice:
    """The same from a run's signs alone."""
    symptoms = tuple(symptoms_of(signs))
    found = [
        Found(cause, tuple(sorted(evidence, key=lambda each: -abs(each.weight))), _act(cause, signs))
        for cause in CAUSES.values()
        if (evidence := cause.weigh(signs, bool(symptoms)))
    ]
    found.sort(key=lambda each: -each.score)
    enough = signs["measurements"] >= FEWEST or signs.diverged
    causes = tuple(each for each in found if each.score >= NAMED) if enough else ()
    considered = tuple(each for each in found if 0 < each.score < NAMED)
    restart = cannot_go_on(signs)
    spoilt = next((each.cause.said for each in causes if each.cause.restart), None)
    if causes and restart is None and spoilt:
        restart = f"what was learned so far was learned under it: {spoilt}"
    return Advice(verdict, symptoms, causes, considered, restart)


def _act(cause: Cause, signs: Signs) -> Action:
    action = cause.act(signs)
    return action.of_foreign_loop() if signs.foreign else action

"""What is wrong with a run, why, and what to do about it."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eigenstep.advice._go_on import cannot_go_on
from eigenstep.advice._signs import Signs, signs_of
from eigenstep.advice._symptoms import symptoms_of
from eigenstep.advice.causes import CAUSES, NAMED, Action, Cause, Evidence
from eigenstep.analysis.verdicts import Verdict, judge
from eigenstep.record import RunRecord, read_record

if TYPE_CHECKING:
    from eigenstep.advice.checks import Checked, Finding  # which bring torch

# Measurements before which no cause is named, unless the run has ended by then or a batch was checked.
FEWEST = 2
# What a check of a batch says for a cause.
WEIGHTS = {"wrong": 1.0, "doubtful": 0.5}


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
            return f"Something is wrong ({'; '.join(self.symptoms)}), and the cause is not on the list."
        first = self.causes[0]
        more = f" Another likely cause: {self.causes[1].cause.said}." if len(self.causes) > 1 else ""
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


def advise(run: RunRecord | str | Path, checked: "Checked | None" = None) -> Advice:
    """Say what is wrong with a run, why, and what to do about it; nothing of a sound run.

    Parameters
    ----------
    run : RunRecord | str | Path
        A record, or the folder that it is read from.
    checked : Checked | None
        What `eigenstep.check` found of a batch and the model as it is now, which speaks for causes as well.

    Raises
    ------
    ValueError
        For a folder that is a prediction, in which nothing was measured.
    FileNotFoundError
        If there is no run.

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
    record = run if isinstance(run, RunRecord) else read_record(run)
    if record.is_prediction:
        raise ValueError(f"{record.path} is a prediction, in which nothing was measured; expected a run")
    verdict = judge(record)
    return advise_signs(signs_of(record, verdict), verdict, checked)


def advise_signs(signs: Signs, verdict: Verdict, checked: "Checked | None" = None) -> Advice:
    """The same from a run's signs alone."""
    faults = {} if checked is None else checked.faults
    symptoms = (*symptoms_of(signs), *_unexplained(faults))
    found = [
        Found(cause, tuple(sorted(evidence, key=lambda each: -abs(each.weight))), _act(cause, signs))
        for cause in CAUSES.values()
        if (evidence := [*cause.weigh(signs, bool(symptoms)), *_of_checks(cause, faults)])
    ]
    found.sort(key=lambda each: -each.score)
    enough = signs["measurements"] >= FEWEST or signs.diverged or checked is not None
    causes = tuple(each for each in found if each.score >= NAMED) if enough else ()
    considered = tuple(each for each in found if 0 < each.score < NAMED)
    restart = cannot_go_on(signs)
    spoilt = next((each.cause.said for each in causes if each.cause.restart), None)
    if causes and restart is None and spoilt:
        restart = f"what was learned so far was learned under it: {spoilt}"
    return Advice(verdict, symptoms, causes, considered, restart)


def _of_checks(cause: Cause, faults: "Mapping[str, Finding]") -> list[Evidence]:
    known = [faults[name] for name in cause.checks if name in faults]
    return [Evidence(f"a batch now: {each.sentence}", WEIGHTS[each.state]) for each in known]


def _unexplained(faults: "Mapping[str, Finding]") -> list[str]:
    """What is wrong with a batch of which no cause on the list speaks."""
    explained = {name for cause in CAUSES.values() for name in cause.checks}
    wrong = {name: each for name, each in faults.items() if each.state == "wrong" and name not in explained}
    return [f"a batch now, {name}: {each.sentence}; {each.action}" for name, each in wrong.items()]


def _act(cause: Cause, signs: Signs) -> Action:
    action = cause.act(signs)
    return action.of_foreign_loop() if signs.foreign else action

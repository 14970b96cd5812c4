"""What a check is, and what it comes to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from eigenstep.advice.checks._known import Known

State = Literal["passed", "doubtful", "wrong", "not checked"]
Group = Literal["views", "network", "numbers", "loss", "batch"]


@dataclass(frozen=True)
class Finding:
    """What a check came to.

    Attributes
    ----------
    state : State
        "not checked" where what it needs is not known; the sentence says what that is.
    sentence : str
        What was found, with its numbers.
    action : str
        What to do, of what is doubtful or wrong: an option, or the line of a loop of one's own.
    kind : str
        Which of its faults it is, of a check that has several, such as "one view".
    """

    state: State
    sentence: str
    action: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Check:
    """One thing that can be wrong with a training before its first step.

    Attributes
    ----------
    name : str
        In the table.
    group : Group
        What it is about.
    judge : Callable[[Known], Finding]
        Finds it from what is known of the training.
    """

    name: str
    group: Group
    judge: Callable[[Known], Finding]


@dataclass(frozen=True)
class Checked:
    """The findings of all checks, in order.

    Attributes
    ----------
    findings : Sequence[tuple[Check, Finding]]
        One of each check.
    rows : int
        Pairs of a batch that passed the network, of `batch_size`.
    seconds : float
        How long it took.
    """

    findings: Sequence[tuple[Check, Finding]]
    rows: int
    batch_size: int
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong; what is doubtful does not count."""
        return not self.of("wrong")

    def of(self, state: State) -> dict[str, Finding]:
        """The findings of one state, by the checks' names."""
        return {check.name: finding for check, finding in self.findings if finding.state == state}

    @property
    def faults(self) -> dict[str, Finding]:
        """What is doubtful or wrong, as "check" or "check: kind"."""
        return {
            f"{check.name}: {finding.kind}" if finding.kind else check.name: finding
            for check, finding in self.findings
            if finding.state in ("doubtful", "wrong")
        }

    def __getitem__(self, name: str) -> Finding:
        return next(finding for check, finding in self.findings if check.name == name)

    def __str__(self) -> str:
        """The table as plain text."""
        width = max(len(check.name) for check, _ in self.findings)
        lines = []
        for check, finding in self.findings:
            lines.append(f"{check.group:8} {check.name:{width}} {finding.state:12} {finding.sentence}")
            if finding.action:
                lines.append(f"{'':{width + 22}} -> {finding.action}")
        return "\n".join([*lines, self.summary])

    @property
    def summary(self) -> str:
        """How many checks came to what, on how many pairs, in what time."""
        counts = ", ".join(
            f"{len(self.of(state))} {state}" for state in ("passed", "doubtful", "wrong", "not checked")
        )
        few = f", on {self.rows} of {self.batch_size} pairs a batch" if self.rows < self.batch_size else ""
        return f"{counts}{few}; {self.seconds:.0f} s"


def passed(sentence: str) -> Finding:
    return Finding("passed", sentence)


def doubtful(sentence: str, action: str, kind: str = "") -> Finding:
    return Finding("doubtful", sentence, action, kind)


def wrong(sentence: str, action: str, kind: str = "") -> Finding:
    return Finding("wrong", sentence, action, kind)


def not_checked(why: str) -> Finding:
    return Finding("not checked", why)

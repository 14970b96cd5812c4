"""All that a record says, in one call."""

from dataclasses import dataclass

from eigenstep.analysis._closed_form import ClosedForm, HalfTime
from eigenstep.analysis._learned import learned_rises
from eigenstep.analysis._loss_standing import LossStanding, loss_standing
from eigenstep.analysis._rises import Rise, separate_steps
from eigenstep.analysis._run_clock import RunClock
from eigenstep.analysis.tracking import Forecast, ModeHistory, follow_modes
from eigenstep.analysis.verdicts import Verdict, judge
from eigenstep.record import RunRecord


@dataclass(frozen=True)
class Analysis:
    """What a record says of its run; of a folder that is a prediction, what that foresees.

    Attributes
    ----------
    rises : list[Rise]
        The modes that were learned, by rank of the eigenvalue.
    steps : list[list[Rise]]
        The same, those of overlapping rises together, in the order of time.
    history : ModeHistory
        The modes followed, fitted and forecast.
    verdict : Verdict
        What has become of the embedding.
    closed_form : ClosedForm | None
        The closed form in the folder, None if there is none.
    half_times : list[HalfTime]
        Its half-times, each beside the measured one if something was measured.
    clock : RunClock
        Which step is at which time, and when the run ends.
    loss_standing : LossStanding | None
        Where the loss stands between chance and the floor, None where its landmarks are not known.
    """

    rises: list[Rise]
    steps: list[list[Rise]]
    history: ModeHistory
    verdict: Verdict
    closed_form: ClosedForm | None
    half_times: list[HalfTime]
    clock: RunClock
    loss_standing: LossStanding | None

    @property
    def learned(self) -> int:
        """How many modes were learned."""
        return len(self.rises)

    @property
    def forecast(self) -> Forecast:
        """When the next mode will rise."""
        return self.history.forecast


def analyse(record: RunRecord, *, rises: list[Rise] | None = None) -> Analysis:
    """Say what a record tells of its run, whether or not the run goes on.

    Parameters
    ----------
    rises : list[Rise] | None
        What `learned_rises` found, where the record holds but some of the run's measurements.

    Raises
    ------
    ValueError
        If its closed form is not in the documented form.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from eigenstep.record import RecordWriter, read_record
    >>> writer, times = RecordWriter(tempfile.mkdtemp(), 2), np.linspace(0, 6, 121)
    >>> for step, curve in enumerate(1 / (1 + np.exp(-8 * (times[:, None] - [1.0, 2.0])))):
    ...     both = {"cross_correlation": curve, "covariance": curve}
    ...     writer.append(step, times[step], both, loss=((1 - curve) ** 2).sum())
    >>> found = analyse(read_record(writer.path))
    >>> found.learned, len(found.steps), found.verdict.state
    (2, 2, 'saturated')
    """
    rises = learned_rises(record) if rises is None else rises
    closed_form = ClosedForm(record.prediction) if record.prediction else None
    return Analysis(
        rises,
        separate_steps(rises),
        follow_modes(record, rises=rises),
        judge(record),
        closed_form,
        closed_form.compare([] if record.is_prediction else rises) if closed_form else [],
        RunClock(record),
        loss_standing(record),
    )

"""What the record of a run says about its embedding, in plain words with the numbers behind them."""

from eigenstep.analysis.verdicts._judge import judge, judge_spectra
from eigenstep.analysis.verdicts._snapshot import judge_snapshot
from eigenstep.analysis.verdicts._verdict import ALARMS, STATES, Verdict

__all__ = ["ALARMS", "STATES", "Verdict", "judge", "judge_snapshot", "judge_spectra"]

"""What the record of a run says about its embedding, in plain words with the numbers behind them."""

from eigenstep.analysis.verdicts._judge import ALARMS, STATES, Verdict, judge, judge_spectra
from eigenstep.analysis.verdicts._snapshot import judge_snapshot

__all__ = ["ALARMS", "STATES", "Verdict", "judge", "judge_snapshot", "judge_spectra"]

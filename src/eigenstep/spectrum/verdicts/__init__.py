"""What the record of a run says about its embedding, in plain words with the numbers behind them."""

from eigenstep.spectrum.verdicts._judge import judge, judge_spectra
from eigenstep.spectrum.verdicts._snapshot import judge_snapshot
from eigenstep.spectrum.verdicts._verdict import ALARMS, STATES, Verdict

__all__ = ["ALARMS", "STATES", "Verdict", "judge", "judge_snapshot", "judge_spectra"]

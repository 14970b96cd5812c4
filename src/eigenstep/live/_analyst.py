"""The thread that judges runs, the one that is looked at first, and leaves the machine to the training."""

import threading
import time

from eigenstep.live._analysis import PageAnalysis, analyse_for_page, basis_of, record_to_judge, rises_of
from eigenstep.live._run_folder import Entry, RunsFolder
from eigenstep.record import OUT_OF_HANDLES

# A run is judged anew when its record is longer by this share; one that is looked at, at every look.
LONGER = 0.02
# Of the time since a run was last judged at most this share goes into judging it, and of a core in all.
SHARE_OF_RUN, SHARE_OF_CORE = 0.1, 0.25
LOOKED_AT_SECONDS = 5


class Analyst(threading.Thread):
    """Judges the runs of a folder one after another while a page is open.

    A run that was never judged comes before all others, so a page that opens is soon complete.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from eigenstep.record import RecordWriter
    >>> root, both = Path(tempfile.mkdtemp()), {"cross_correlation": np.ones(2), "covariance": np.ones(2)}
    >>> writer = RecordWriter(root / "mine", 2)
    >>> for step in range(20):
    ...     writer.append(step, 0.1 * step, both, loss=1.0)
    >>> folder = RunsFolder(root)
    >>> folder.refresh()
    >>> Analyst(folder).judge(folder.entries["mine"])
    >>> folder.entries["mine"].analysis.verdict["state"]
    'too early'
    """

    def __init__(self, folder: RunsFolder) -> None:
        super().__init__(name="analyst", daemon=True)
        self.folder = folder
        self._spent: dict[str, tuple[float, float]] = {}
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()

    def run(self) -> None:
        while not self._stopped.is_set():
            began = time.monotonic()
            entry = self._next()
            if entry is None:
                self._stopped.wait(0.25)
                continue
            first = entry.analysis.basis is None
            self.judge(entry)
            spent = time.monotonic() - began
            self._spent[entry.run.name] = (time.monotonic(), spent)
            if not first:
                self._stopped.wait(spent * (1 / SHARE_OF_CORE - 1))

    def _next(self) -> Entry | None:
        """The run to judge now; while there are runs to read, of those that are looked at."""
        folder = self.folder
        if folder.is_idle:
            return None
        now = folder.clock()
        with folder.lock:
            entries, reads = list(folder.entries.values()), bool(folder.unread)
        waiting = [
            entry
            for entry in entries
            if (not reads or now - entry.asked < LOOKED_AT_SECONDS) and self._is_due(entry, now)
        ]
        return min(waiting, key=lambda entry: (entry.analysis.basis is not None, -entry.asked), default=None)

    def _is_due(self, entry: Entry, now: float) -> bool:
        run, known = entry.run, entry.analysis
        generation, count, ended = basis = basis_of(run)
        if not count or known.basis == basis:
            return False
        if known.basis is None or known.basis[0] != generation:
            return True
        when, spent = self._spent.get(run.name, (0.0, 0.0))
        if time.monotonic() - when < max(1.0, spent / SHARE_OF_RUN):
            return False
        looked_at = now - entry.asked < LOOKED_AT_SECONDS
        return looked_at or ended != known.basis[2] or count >= known.basis[1] * (1 + LONGER)

    def judge(self, entry: Entry) -> None:
        """Judge one run by what is kept of it, and bring its card up to date."""
        with entry.lock:
            basis = basis_of(entry.run)
            try:
                record, rises = record_to_judge(entry.run), rises_of(entry.run)
            except Exception as error:  # whatever a foreign folder brings; the other runs are judged
                if isinstance(error, OSError) and error.errno in OUT_OF_HANDLES:
                    self._stopped.wait(0.25)
                    return
                problem = " ".join(str(error).split()) or type(error).__name__
                self._take(entry, PageAnalysis(basis, problem=problem))
                return
        self._take(entry, analyse_for_page(record, basis, rises))

    def _take(self, entry: Entry, analysis: PageAnalysis) -> None:
        with entry.lock:
            entry.analysis = analysis
            self.folder.say(entry)

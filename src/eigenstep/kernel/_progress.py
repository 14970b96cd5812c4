"""One line on standard error that tells how far long work has come."""

from __future__ import annotations

import sys
import time


class SolverProgress:
    """A line that is written over in a terminal, and repeated now and then in a log.

    Parameters
    ----------
    shown : bool
        False makes every call do nothing.
    """

    def __init__(self, shown: bool) -> None:
        self._shown = shown
        self._started = time.monotonic()
        self._written = -float("inf")
        self._width = 0

    def show(self, what: str, share: float | None = None) -> None:
        """Write what is being done and, of known length, a bar of the share done and the time left."""
        terminal = sys.stderr.isatty()
        now = time.monotonic()
        if not self._shown or now - self._written < (0.1 if terminal else 10.0):
            return
        self._written = now
        line = f"ContrastiveKernelPCA: {what}"
        if share is not None:
            full = round(20 * share)
            left = max(now - self._started, 0.0) * (1 - share) / share if share > 0 else float("nan")
            line += f" [{'#' * full}{'.' * (20 - full)}] {share:4.0%}, {left:.0f} s left"
        self._write(line, "\r" if terminal else "\n")

    def close(self, what: str) -> None:
        """Write the last word, with the time that all took."""
        if self._shown:
            took = max(time.monotonic() - self._started, 0.0)
            self._write(f"ContrastiveKernelPCA: {what} in {took:.1f} s", "\n")

    def _write(self, line: str, end: str) -> None:
        print(line.ljust(self._width), end=end, file=sys.stderr, flush=True)
        self._width = len(line) if end == "\r" else 0

"""Work that was asked to stop."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeAlias

Receive: TypeAlias = Callable[[int, FrameType | None], None]


class Stopped(RuntimeError):
    """Work has stopped in order and nothing is lost; the command line ends with a code of its own."""


class Terminated(BaseException):
    """SIGTERM has come, and work ends where it is, as by KeyboardInterrupt."""


@contextmanager
def on_sigterm(receive: Receive | None = None) -> Iterator[None]:
    """Call `receive` for every SIGTERM while the block runs; by default the first one raises Terminated.

    Only the main thread can receive signals: in others the block just runs.

    Examples
    --------
    >>> import signal
    >>> received = []
    >>> with on_sigterm(lambda number, frame: received.append(number)):
    ...     signal.raise_signal(signal.SIGTERM)
    >>> received == [signal.SIGTERM]
    True
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, receive or RaiseOnce())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class RaiseOnce:
    """Raises Terminated at the first signal: those that follow would interrupt the clearing up.

    Examples
    --------
    >>> handler = RaiseOnce()
    >>> try:
    ...     handler(15, None)
    ... except Terminated:
    ...     handler(15, None)  # the second signal lets the clearing up go on
    ...     print("cleared up")
    cleared up
    """

    def __init__(self) -> None:
        self._raised = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if not self._raised:
            self._raised = True
            raise Terminated

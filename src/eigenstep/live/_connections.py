"""Connections of the page: as many as the process can hold, none of which waits for ever."""

import asyncio
import sys
import time
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

# A connection may be silent for so long, before its question and while an answer is not taken up.
SILENT_SECONDS = 15
MOST_CONNECTIONS, FEWEST_CONNECTIONS = 1000, 8
# File descriptors that are left for the record's files and the libraries'.
DESCRIPTORS_KEPT = 64
# Between two lines that say that there are none.
TOLD_SECONDS = 60


class BoundedConnection(H11Protocol):
    """A connection that is ended when it is silent for long, or when there are too many."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._heard, self._left = self.loop.time(), 0
        self._timer = self.loop.call_later(SILENT_SECONDS / 3, self._look)
        if len(self.connections) > most_connections():
            known = [each for each in self.connections if isinstance(each, BoundedConnection)]
            max(known, key=BoundedConnection.silence).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self._heard = self.loop.time()
        super().on_response_complete()

    def silence(self) -> float:
        """For how many seconds the other side has left this one waiting."""
        is_answered = self.cycle is None or self.cycle.response_complete
        return self.loop.time() - self._heard if is_answered else 0.0

    def _look(self) -> None:
        left = self.transport.get_write_buffer_size()
        if left < self._left:  # an answer is being taken up, however slowly
            self._heard = self.loop.time()
        self._left = left
        if self.silence() > SILENT_SECONDS:
            self.transport.abort()
        else:
            self._timer = self.loop.call_later(SILENT_SECONDS / 3, self._look)


def most_connections() -> int:
    """How many there may be: a thousand, or as many as there are file descriptors for."""
    try:
        import resource
    except ModuleNotFoundError:  # where there is no such limit
        return MOST_CONNECTIONS
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(min(MOST_CONNECTIONS, soft - DESCRIPTORS_KEPT), FEWEST_CONNECTIONS)


class TellsOnce:
    """Handles what an event loop complains about: that there are no file descriptors is said in a line."""

    def __init__(self) -> None:
        self._told = -float("inf")

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        # asyncio listens again a second after it had no descriptor, also where the server has ended since.
        if isinstance(context.get("exception"), ValueError) and "descriptor: -1" in str(context["exception"]):
            return
        if "out of system resource" not in context.get("message", ""):
            loop.default_exception_handler(context)
        elif time.monotonic() - self._told > TOLD_SECONDS:
            self._told = time.monotonic()
            print(
                "eigenstep: no file descriptor is left for another connection; the page goes on with those"
                " that it has",
                file=sys.stderr,
                flush=True,
            )

"""From a folder to a page in the browser, until Ctrl-C or SIGTERM."""

import contextlib
import errno
import gc
import os
import socket
import sys
import threading
import webbrowser
from pathlib import Path

import uvicorn

from eigenstep.live._app import build_app
from eigenstep.live._connections import BoundedConnection
from eigenstep.live._run_folder import RunsFolder
from eigenstep.machine import Terminated
from eigenstep.spelling import printable

HOST, FIRST_PORT, PORTS = "127.0.0.1", 8266, 50
# Ten thousand runs are millions of objects, which Python's collector would visit again and again.
OBJECTS_A_COLLECTION = 100_000


def serve(folder: str | Path, port: int | None = None, open_page: bool = True) -> None:
    """Serve the live page on a folder of runs to this machine's own browsers, until Ctrl-C.

    Parameters
    ----------
    folder : str | Path
        Holds run folders at any depth; may be empty as yet, or a run folder itself.
    port : int | None
        Default: the first free one from 8266 on.
    open_page : bool
        Open the page in a browser, where there is a desktop.

    Raises
    ------
    NotADirectoryError
        If there is no such folder.
    ValueError
        For a port that cannot be.
    OSError
        For one that is taken.

    Examples
    --------
    >>> serve("no-such-folder")
    Traceback (most recent call last):
        ...
    NotADirectoryError: there is no folder no-such-folder: expected a folder of runs, which may be empty
    """
    folder = Path(folder)
    if port is not None and not 1 <= port <= 65535:
        raise ValueError(f"expected a port from 1 to 65535, got {port}")
    if not folder.is_dir():
        raise NotADirectoryError(
            f"there is no folder {folder}: expected a folder of runs, which may be empty"
        )
    listener = listen(port)
    address = f"http://{HOST}:{listener.getsockname()[1]}/"
    gc.freeze()
    gc.set_threshold(OBJECTS_A_COLLECTION)
    server = page_server(folder)
    print(f"live page on {printable(folder)}: {address}  (Ctrl-C ends it)", flush=True)
    if open_page and _has_desktop():
        threading.Timer(0.5, webbrowser.open, [address]).start()
    with contextlib.suppress(KeyboardInterrupt, Terminated):
        server.run(sockets=[listener])
    print("the live page has ended")


def _import_what_judges() -> None:
    """What else would be imported when it is first used, when there may be no file descriptor for it."""
    import scipy.optimize
    import scipy.stats  # noqa: F401

    from eigenstep import advice, analysis, record
    from eigenstep.analysis import tracking, verdicts

    for package in (advice, analysis, record, tracking, verdicts):
        for name in package.__all__:
            getattr(package, name)


def page_server(folder: Path) -> uvicorn.Server:
    """A server of the page on a folder of runs; `run(sockets=[listen(port)])` starts it.

    Examples
    --------
    >>> import tempfile
    >>> server = page_server(Path(tempfile.mkdtemp()))
    >>> type(server).__name__, server.should_exit
    ('Server', False)
    """
    _import_what_judges()
    config = uvicorn.Config(
        build_app(RunsFolder(folder)),
        http=BoundedConnection,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
        ws="none",
    )
    return uvicorn.Server(config)


def listen(port: int | None) -> socket.socket:
    """A socket on this machine alone, at a port or at the first free one. Raises OSError if it is taken.

    Examples
    --------
    >>> socket = listen(None)
    >>> socket.getsockname()[0]
    '127.0.0.1'
    >>> socket.close()
    """
    for candidate in [port] if port is not None else range(FIRST_PORT, FIRST_PORT + PORTS):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, candidate))
            listener.listen(128)
            return listener
        except OSError as error:
            listener.close()
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            why = "is in use" if error.errno == errno.EADDRINUSE else "may not be used by this user"
    if port is not None:
        raise OSError(f"port {port} {why}; use another --port, or leave it out to take a free one")
    raise OSError(f"no free port from {FIRST_PORT} to {FIRST_PORT + PORTS - 1}; name one with --port")


def _has_desktop() -> bool:
    """Without one, the browser that is found may be one that takes over the terminal."""
    return sys.platform in ("darwin", "win32") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )

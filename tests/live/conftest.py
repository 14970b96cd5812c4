"""A real server on a folder of runs."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from eigenstep.live import listen, page_server


@contextmanager
def serving(folder: Path, port: int = 0) -> Iterator[str]:
    listener = listen(port)
    server = page_server(folder)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        server.should_exit = server.force_exit = True
        thread.join()


@pytest.fixture(scope="session")
def serve() -> Callable:
    """`with serve(folder) as address`"""
    return serving

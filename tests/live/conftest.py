"""A real server on a folder of runs."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from eigenstep.live import Analyst, RunsFolder, listen, page_server


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


@pytest.fixture
def look(tmp_path, monkeypatch):
    """`look()`: the one run in tmp_path as the page has it, read and judged now."""
    for name in ("LOOK_SECONDS", "LOOKS_APART"):
        monkeypatch.setattr(f"eigenstep.live._run_folder.{name}", 0)
    folder = RunsFolder(tmp_path)

    def found():
        folder.refresh()
        (entry,) = folder.entries.values()
        Analyst(folder).judge(entry)
        return entry

    return found

"""Many connections, silent ones, clients that go away, and no file descriptors."""

import http.client
import json
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

pytestmark = pytest.mark.slow

# In a process of its own, so that what it prints is seen, and its limits are its own.
SERVER = """
import contextlib, resource, sys
from pathlib import Path
from eigenstep.live import _connections, listen, page_server
descriptors, _connections.SILENT_SECONDS = int(sys.argv[2]), float(sys.argv[3])
resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
listener = listen(0)
print(listener.getsockname()[1], flush=True)
with contextlib.suppress(KeyboardInterrupt):
    page_server(Path(sys.argv[1])).run(sockets=[listener])
"""


class Page:
    def __init__(self, folder, descriptors: int, silent: float) -> None:
        command = [sys.executable, "-c", SERVER, str(folder), str(descriptors), str(silent)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def ask(self, question: dict) -> dict:
        address = f"http://127.0.0.1:{self.port}/changes"
        with urlopen(Request(address, json.dumps(question).encode(), method="POST"), timeout=20) as reply:
            return json.load(reply)

    def end(self) -> str:
        """What it has complained about."""
        self.process.send_signal(signal.SIGINT)
        _, complaints = self.process.communicate(timeout=20)
        return complaints


@pytest.fixture
def page(tmp_path, writer):
    started = []
    writer(tmp_path / "run").append(5)

    def start(descriptors: int = 1024, silent: float = 60) -> Page:
        started.append(Page(tmp_path, descriptors, silent))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()


def is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize(
    "beginning", [b"", b"GET / HT", b"POST /changes HTTP/1.1\r\n"], ids=["nothing", "a line", "a head"]
)
def test_a_connection_that_asks_nothing_is_closed(page, beginning):
    connection = page(silent=0.3).connect()
    connection.sendall(beginning)
    assert is_closed(connection)


def test_a_question_that_does_not_end_is_refused(page):
    served = page()
    connection = served.connect()
    connection.settimeout(30)
    connection.sendall(b"POST /changes HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 100\r\n\r\n{")
    assert b" 408 " in connection.recv(100)


def test_the_longest_silent_connection_makes_room_for_a_new_one(page):
    served = page(descriptors=96)  # of which 64 are kept
    connections = []
    for _ in range(40):
        connections.append(served.connect())
        time.sleep(0.01)
    assert is_closed(connections[0])
    assert served.ask({})["table"]["cards"]
    connections[-1].sendall(b"GET /page/words.js HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
    assert b" 200 " in connections[-1].recv(100)
    assert "Traceback" not in served.end()


def test_the_page_goes_on_without_a_file_descriptor_and_shows_what_it_knew(page, tmp_path, writer):
    served = page()
    before = served.ask({})["table"]["cards"]
    kept = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)

    def ask() -> list[dict]:
        kept.request("POST", "/changes", b"{}")
        return json.load(kept.getresponse())["table"]["cards"]

    ask()
    used = len(list(Path(f"/proc/{served.process.pid}/fd").iterdir()))
    resource.prlimit(served.process.pid, resource.RLIMIT_NOFILE, (used, 1024))
    waiting = [served.connect() for _ in range(20)]  # which the system takes and the process cannot
    for _ in range(4):
        time.sleep(0.5)  # in which the folder is looked at
        told = ("state", "problem", "records", "loss")
        assert [[card[name] for name in told] for card in ask()] == [
            [card[name] for name in told] for card in before
        ]
    for connection in waiting:
        connection.close()
    resource.prlimit(served.process.pid, resource.RLIMIT_NOFILE, (used + 50, 1024))
    writer(tmp_path / "later").append(5)
    deadline = time.monotonic() + 20
    while len(served.ask({})["table"]["cards"]) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    complaints = served.end()
    assert "Traceback" not in complaints
    assert complaints.count("no file descriptor is left") == 1


def test_clients_that_go_away_leave_no_traceback(page):
    served = page()
    head = b"POST /changes HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 100\r\n\r\n"
    for part in (b"", head[:20], head, head + b"{", head + b"{}" + b" " * 98, b"\x00\xff\r\n\r\n"):
        for how in (socket.SHUT_WR, socket.SHUT_RDWR, None):
            connection = served.connect()
            connection.sendall(part)
            if how is None:  # a reset
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            else:
                connection.shutdown(how)
            connection.close()
    large = served.connect()
    large.sendall(b"GET /page/plotly.js HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
    large.recv(1000)
    large.close()
    assert served.ask({})["table"]["cards"]
    assert "Traceback" not in served.end()


@pytest.mark.parametrize("number", ["9" * 500, "-" + "9" * 500, "1e999", "NaN"])
def test_a_number_that_is_none_is_no_fault_of_the_servers(page, number):
    served = page()
    served.ask({})
    question = f'{{"run": "run", "source": "metrics", "axis": "step", "from": {number}, "to": {number}}}'
    head = f"POST /rows HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(question)}\r\n\r\n"
    connection = served.connect()
    connection.sendall((head + question).encode())
    status = connection.recv(100).split()[1]
    assert status == (b"400" if number.strip("-").isdigit() else b"200")
    assert served.end() == ""

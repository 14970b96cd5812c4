import re
import signal
import subprocess
import sys
import urllib.request

import pytest

from eigenstep.cli import main
from eigenstep.live import FIRST_PORT, HOST, listen


def test_the_socket_is_this_machines_own(tmp_path):
    listener = listen(0)
    assert listener.getsockname()[0] == HOST == "127.0.0.1"
    listener.close()


def test_without_a_port_the_first_free_one_is_taken():
    first, second = listen(None), listen(None)
    ports = [listener.getsockname()[1] for listener in (first, second)]
    for listener in (first, second):
        listener.close()
    assert FIRST_PORT <= ports[0] < ports[1]


def test_a_port_in_use_is_refused_in_a_line(tmp_path, capsys):
    taken = listen(0)
    port = taken.getsockname()[1]
    assert main(["view", str(tmp_path), "--port", str(port), "--no-open"]) == 2
    taken.close()
    error = capsys.readouterr().err
    assert (
        error == f"eigenstep: port {port} is in use; use another --port, or leave it out to take a free one\n"
    )


@pytest.mark.parametrize("port", ["0", "-1", "70000"])
def test_a_port_that_cannot_be_is_refused_in_a_line(tmp_path, capsys, port):
    assert main(["view", str(tmp_path), "--port", port, "--no-open"]) == 2
    assert "expected a port from 1 to 65535" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_refused_in_a_line(tmp_path, capsys):
    assert main(["view", str(tmp_path / "nowhere"), "--no-open"]) == 2
    assert "there is no folder" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_serves_an_empty_folder_until_it_is_interrupted(tmp_path):
    command = [sys.executable, "-m", "eigenstep", "view", str(tmp_path), "--no-open"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+/", line)[0]
        assert b"Eigenstep" in urllib.request.urlopen(address, timeout=10).read()
        process.send_signal(signal.SIGINT)
        output, error = process.communicate(timeout=10)
    finally:
        process.kill()
    assert process.returncode == 0
    assert output.strip() == "the live page has ended"
    assert error == ""

"""What is served, to whom, and what is not."""

import http.client
import json
import os
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest


@pytest.fixture(scope="module")
def address(tmp_path_factory, serve, writer):
    folder = tmp_path_factory.mktemp("runs")
    writer(folder / "sweep" / "a").append(30)
    writer(folder / "b").append(3).finish()
    (folder / "secret.txt").write_text("secret")
    with serve(folder) as address:
        yield address


@pytest.fixture
def ask(address):
    def ask(method, path, body=None, **headers):
        connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.putrequest(method, path, skip_host="host" in headers)
        text = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        for name, value in (headers | {"content-length": str(len(text))}).items():
            connection.putheader(name, value)
        connection.endheaders(text)
        reply = connection.getresponse()
        content = reply.read()
        connection.close()
        return reply, content

    return ask


def test_the_page_may_run_its_own_scripts_only_and_ask_this_server_only(ask):
    reply, content = ask("GET", "/")
    assert reply.status == 200
    policy = dict(part.split(" ", 1) for part in reply.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert b"<script>" not in content
    assert b"//" not in content.replace(b"<!--", b"")  # no address of another place
    assert reply.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "[::1]", "0.0.0.0"]
)
def test_another_host_name_is_refused(ask, host):
    for method, path in (("GET", "/"), ("POST", "/changes")):
        reply, content = ask(method, path, {}, host=host)
        assert reply.status == 400
        assert b"sweep" not in content


@pytest.mark.parametrize("host", ["localhost", "localhost:1234", "127.0.0.1:80"])
def test_this_machines_names_are_served(ask, host):
    assert ask("GET", "/", host=host)[0].status == 200


def test_another_sites_page_is_refused(ask):
    assert ask("POST", "/changes", {}, origin="https://evil.example")[0].status == 403
    assert ask("POST", "/changes", {}, origin="null")[0].status == 403
    assert ask("POST", "/changes", {}, origin="http://[::1")[0].status == 403
    assert ask("POST", "/changes", {}, origin="http://localhost:8266")[0].status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/page/../secret.txt",
        "/page/%2e%2e%2fsecret.txt",
        "/secret.txt",
        "/page/",
        "/page/_app.py",
        "/page//etc/passwd",
    ],
)
def test_no_other_file_is_served(ask, path):
    reply, content = ask("GET", path)
    assert reply.status == 404
    assert b"secret" not in content


def test_runs_are_known_by_name_and_no_path_leads_elsewhere(ask):
    asked = {"runs": {"../b": {}, "/etc": {}, "nothing": {}, "sweep/a": {}}}
    _, content = ask("POST", "/changes", asked)
    assert list(json.loads(content)["runs"]) == ["sweep/a"]
    for name in ("../b", "/etc", 3, None):
        question = {"run": name, "source": "metrics", "axis": "step", "from": 0, "to": 1}
        assert ask("POST", "/rows", question)[1] == b'{"rows":null}'


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"3", b"\xff"])
def test_a_question_that_is_no_object_is_refused(ask, body):
    assert ask("POST", "/changes", body)[0].status == 400


@pytest.mark.parametrize(
    "asked",
    [
        {"runs": []},
        {"runs": {"sweep/a": 5}},
        {"table": "x"},
        {"session": {}},
        {"runs": {"b": {"generation": {}}}},
    ],
)
def test_a_question_that_makes_no_sense_is_that_of_who_knows_nothing(ask, asked):
    reply, content = ask("POST", "/changes", asked)
    assert reply.status == 200
    assert {card["name"] for card in json.loads(content)["table"]["cards"]} == {"b", "sweep/a"}


def test_too_long_a_question_is_refused(ask):
    assert ask("POST", "/changes", b" " * (1 << 21))[0].status == 413


def test_a_page_from_an_earlier_server_begins_anew(ask):
    _, content = ask(
        "POST",
        "/changes",
        {"session": "earlier", "table": 10**6, "runs": {"b": {"generation": 1, "metrics": 99}}},
    )
    reply = json.loads(content)
    assert len(reply["table"]["cards"]) == 2
    assert reply["runs"]["b"]["reset"]


@pytest.mark.parametrize("asked", [{}, {"source": "x"}, {"from": "a"}, {"axis": None}, {"to": []}])
def test_a_question_for_rows_that_makes_no_sense_is_refused(ask, asked):
    whole = {"source": "metrics", "axis": "step", "from": 0, "to": 10}
    question = {"run": "b"} | (whole | asked if asked else {})
    assert ask("POST", "/rows", question)[0].status == 400


def test_a_file_that_the_browser_has_is_not_sent_again(ask):
    reply, content = ask("GET", "/page/plotly.js")
    assert len(content) > 10**6
    again, nothing = ask("GET", "/page/plotly.js", if_none_match=reply.headers["etag"])
    assert (again.status, nothing) == (304, b"")


def test_nothing_else_can_be_asked(ask):
    for method, path in (("PUT", "/"), ("DELETE", "/changes"), ("GET", "/changes"), ("GET", "/docs")):
        assert ask(method, path)[0].status in (404, 405)


def test_a_question_that_is_too_deep_is_refused(ask):
    assert ask("POST", "/changes", b"[" * 5000 + b"]" * 5000)[0].status == 400


@pytest.mark.slow
def test_half_a_character_in_a_foreign_folder_does_not_hide_the_other_runs(tmp_path, serve, writer):
    writer(tmp_path / "good").append(3)
    writer(tmp_path / os.fsdecode(b"caf\xe9")).append(3)
    odd = writer(tmp_path / "odd").append(3)
    (odd.path / "config.yaml").write_text(json.dumps({"loss": "\ud800"}))
    with serve(tmp_path) as address:
        asked = json.dumps({"table": 0, "runs": {"odd": {}, "caf\\xe9": {}}}).encode()
        with urlopen(Request(f"{address}changes", asked, method="POST")) as reply:
            content = json.load(reply)
    assert {row["name"] for row in content["table"]["cards"]} == {"good", "odd", "caf\\xe9"}
    assert set(content["runs"]) == {"odd", "caf\\xe9"}
    assert not any("problem" in run for run in content["runs"].values())

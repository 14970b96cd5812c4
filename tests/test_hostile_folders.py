"""One run folder that is broken or hostile harms only itself, whatever reads it."""

import json
import os
import shutil
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import pytest
from markupsafe import escape

from eigenstep.live import Analyst, RunsFolder, listen, page_server
from eigenstep.report import write_report
from eigenstep.training import train

# Of the address space of a process that is given such a folder.
MEMORY = 16 * 2**30
# Larger than any record, and next to nothing on the disk.
SPARSE_BYTES = 100 * 2**30

# By name, what is done to a file, and to which of a run's files that makes sense.
SMALL = ("config.yaml", "summary.json", "prediction.json", "spectrum/eigenvalues.json")
LARGE = ("metrics.jsonl", "spectrum/eigenvalues.bin", "spectrum/projections.bin", "spectrum/probe.npy")
EVERY = (*SMALL, *LARGE, "probes.jsonl", "timings.jsonl")


def spoil(run: Path, name: str, how: Callable[[Path], None]) -> None:
    path = run / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    how(path)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, SPARSE_BYTES)


def folder(path: Path) -> None:
    path.mkdir()


def link_out(path: Path) -> None:
    elsewhere = path.parent.parent.parent / "elsewhere.txt"
    elsewhere.write_text('{"secret": 1}\n')
    path.symlink_to(elsewhere)


def link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def deep(path: Path) -> None:
    path.write_text('{"a": ' * 50_000 + "1" + "}" * 50_000 + "\n")


def less_deep(path: Path) -> None:
    path.write_text('{"a": ' * 400 + "1" + "}" * 400 + "\n")


def hexadecimal(path: Path) -> None:
    path.write_text(f"steps: 0x{'f' * 20_000}\nseed: 0x{'f' * 20_000}\n")


def aliases(path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 12)]
    path.write_text("\n".join(lines))


def merges(path: Path) -> None:
    lines = ["a0: &a0 {x: 1}"]
    for level in range(1, 12):
        lines.append(f"a{level}: &a{level}\n  <<: [{', '.join([f'*a{level - 1}'] * 10)}]")
    path.write_text("\n".join(lines))


def alias_of_itself(path: Path) -> None:
    path.write_text("a: &a [*a]\nmonitor: &m {layer: *m}\n")


def gammas(path: Path) -> None:
    many = [1.0] * 200_000
    path.write_text(json.dumps({"gamma": many, "start_scales": many, "half_times": many, "centred": True}))


def wide_rows(path: Path) -> None:
    columns = [["step", "<i8", []], ["time", "<f8", []], ["cross_correlation", "<f8", [2**27]]]
    path.write_text(json.dumps({"columns": columns}))


def words_for_numbers(path: Path) -> None:
    columns = [["step", "S8", []], ["time", "<f8", []], ["cross_correlation", "U4", [4]]]
    path.write_text(json.dumps({"columns": columns}))


def many_names(path: Path) -> None:
    path.write_text(
        "".join(
            json.dumps(
                {"step": line, "time": line, "loss": 1} | {f"n{line}_{name}": 1 for name in range(900)}
            )
            + "\n"
            for line in range(100)
        )
    )


def long_line(path: Path) -> None:
    path.write_text('{"step": 0, "text": "' + "x" * 5_000_000 + '"}\n')


def huge_header(path: Path) -> None:
    header = "{'descr': '|u1', 'fortran_order': False, 'shape': (1000000, 1000000, 1000, 3), }"
    header = header.ljust(117) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode())


def not_a_number(path: Path) -> None:
    path.write_text('{"state": NaN, "rises": [Infinity], "gamma": [NaN], "step": -Infinity, "steps": NaN}\n')


# Where a file is to be, what is none.
FILES = (pipe, endless, sparse, folder, link_out)
KINDS: list[tuple[str, Callable[[Path], None]]] = [
    *((name, how) for name in EVERY for how in (pipe, endless, sparse, folder, link_out, link_to_itself)),
    *((name, how) for name in (*SMALL, "metrics.jsonl") for how in (deep, less_deep, not_a_number)),
    *(("config.yaml", how) for how in (hexadecimal, aliases, merges, alias_of_itself)),
    ("prediction.json", gammas),
    ("spectrum/eigenvalues.json", wide_rows),
    ("spectrum/eigenvalues.json", words_for_numbers),
    ("metrics.jsonl", many_names),
    ("metrics.jsonl", long_line),
    ("spectrum/probe.npy", huge_header),
]
NAMES = [f"{how.__name__} as {name}" for name, how in KINDS]


@pytest.fixture(scope="module")
def model_run(tmp_path_factory, writer):
    """A run that has a file of each name."""
    run = writer(tmp_path_factory.mktemp("model") / "run").append(30)
    run.writer.write_probe(np.zeros((20, 4, 4, 3), np.uint8))
    (run.path / "config.yaml").write_text("steps: 60\nloss: simclr\n")
    run.finish()
    return run.path


@pytest.fixture
def spoilt(tmp_path, model_run):
    """`spoilt(name, how)`: a folder of two runs, `good`, and `bad` with one file spoilt."""

    def make(name: str, how) -> Path:
        runs = tmp_path / "runs"
        for each in ("good", "bad"):
            shutil.copytree(model_run, runs / each)
        spoil(runs / "bad", name, how)
        return runs

    return make


@pytest.mark.slow
@pytest.mark.parametrize(("name", "how"), KINDS, ids=NAMES)
def test_the_page_shows_every_run_and_the_error_in_the_place_of_the_bad_one(spoilt, monkeypatch, name, how):
    monkeypatch.setattr("eigenstep.live._run_folder.TABLE_SECONDS", 0)
    folder = RunsFolder(spoilt(name, how))
    for _ in range(20):  # each look reads for a short time, on a loaded machine not both
        folder.refresh()
        cards = {card["name"]: card for card in json.loads(folder.table(0))["cards"]}
        if "unread" not in {card["state"] for card in cards.values()}:
            break
    assert set(cards) == {"good", "bad"}
    assert (cards["good"]["state"], cards["good"]["problem"]) == ("finished", "")
    assert cards["bad"]["state"] != "unread"
    for entry in folder.entries.values():
        Analyst(folder).judge(entry)
    cards = {card["name"]: card for card in json.loads(folder.table(0))["cards"]}
    assert cards["good"]["verdict"]
    if how in FILES:
        told = [cards["bad"]["problem"], *cards["bad"]["notes"]]
        known = name not in ("timings.jsonl", "spectrum/probe.npy")  # which the table does not read
        assert any(name in line for line in told) == known


@pytest.mark.slow
@pytest.mark.parametrize(("name", "how"), KINDS, ids=NAMES)
def test_a_report_of_both_has_the_good_one_and_names_what_is_wrong_with_the_other(spoilt, name, how):
    runs = spoilt(name, how)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        page = write_report(runs).read_text()
    words = page.split("<script")[0]
    assert ">good</a>" in words
    if "Not shown" in words:
        (line,) = {text for each in told if "leaves the run out" in (text := str(each.message))}
        assert name in line
        assert "\n" not in line
        told_there = line.removesuffix("; the report leaves the run out").replace(f"{runs}/bad/", "")
        assert str(escape(told_there)) in words
    else:
        assert how not in (*FILES, link_to_itself)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "how"), KINDS, ids=NAMES)
def test_every_question_of_a_page_is_answered(spoilt, name, how):
    server, listener = page_server(spoilt(name, how)), listen(0)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/"

        def ask(what: str, asked: dict) -> dict:
            with urlopen(
                Request(address + what, json.dumps(asked).encode(), method="POST"), timeout=60
            ) as reply:
                return json.load(reply)

        told = ask("changes", {"runs": {"good": {"cloud": {}}, "bad": {"cloud": {}}}})
        assert set(told["runs"]) == {"good", "bad"}
        assert "problem" not in told["runs"]["good"]
        assert told["runs"]["good"]["cloud"]["frames"]
        rows = ask("rows", {"run": "good", "source": "metrics", "axis": "step", "from": 0, "to": 9})
        assert "rows" in rows
    finally:
        server.should_exit = True
        thread.join()


OF_TRAINING = [
    (name, how)
    for name, how in KINDS
    if name in ("config.yaml", "metrics.jsonl", "spectrum/eigenvalues.bin", "spectrum/eigenvalues.json")
]
OF_WEIGHTS = [
    (f"checkpoints/{checkpoint}/{name}", how)
    for checkpoint in ("step_00000021", "step_00000022")
    for name in ("backbone.safetensors", "optimizer.pt", "state.json")
    for how in FILES
]


# One process for all, since it takes seconds to start. A command that hangs is told as such.
COMMANDS = """
import contextlib, io, json, resource, signal, sys, traceback
from eigenstep.cli import main

class Hangs(BaseException):
    pass

def hangs(*_):
    raise Hangs

memory, good, *cases = json.loads(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
signal.signal(signal.SIGALRM, hangs)
for bad in cases:
    embed = ["embed", bad, "--out", bad + ".npz", "--limit", "8"]
    compare = ["compare", bad, good, "--images", "32", "--resamples", "2", "--json"]
    resume = ["train", "--config", good + "/config.yaml", "--out", bad, "--resume", "--quiet"]
    for command in (embed, compare, ["report", bad], resume):
        said, code = io.StringIO(), None
        signal.alarm(60)
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            try:
                code = main(command)
            except BaseException as error:
                traceback.print_exc()
        signal.alarm(0)
        print(json.dumps([bad, command[0], code, said.getvalue()]), flush=True)
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory, small_config):
    config = small_config(steps=22)
    run = tmp_path_factory.mktemp("trained") / "run"
    train(config, run)
    return run


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory, trained):
    """Exit code and standard error of each command for each kind of spoilt run, by both."""
    runs = tmp_path_factory.mktemp("spoilt")
    cases = {}
    for number, (name, how) in enumerate(OF_TRAINING + OF_WEIGHTS):
        case = runs / str(number) / "bad"
        shutil.copytree(trained, case)
        spoil(case, name, how)
        cases[str(case)] = f"{how.__name__} as {name}"
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS, json.dumps([MEMORY, str(trained), *cases])],
        capture_output=True,
        text=True,
        timeout=1500,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = [json.loads(line) for line in done.stdout.splitlines()]
    return {(cases[case], command): (code, said) for case, command, code, said in told}


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("command", ["embed", "compare", "report", "train"])
@pytest.mark.parametrize(
    "case", [f"{how.__name__} as {name}" for name, how in OF_TRAINING + OF_WEIGHTS], ids=str
)
def test_each_command_does_its_work_or_says_in_a_line_what_is_wrong(outcomes, case, command):
    code, said = outcomes[case, command]
    assert code in (0, 2), said
    assert "Traceback" not in said
    assert said.count("eigenstep: ") == len(said.splitlines())
    if code == 2:
        assert case.rpartition("/")[2].rpartition(" ")[2] in said

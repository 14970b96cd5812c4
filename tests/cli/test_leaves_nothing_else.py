"""What a command does beside what it was asked for: nothing at home, in caches, or online."""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import eigenstep
from eigenstep.cli import main

# Tells of every connection and look-up that Python makes; those of libraries' own code are seen by strace.
AUDITED = """
import sys
def tell(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.connect"):
        if not isinstance(arguments[-1], str):  # the address of a socket of this machine is a path
            print("ONLINE", event, arguments, file=sys.stderr)
sys.addaudithook(tell)
from eigenstep.cli import main
for line in sys.argv[1:]:
    if code := main(line.split()):
        sys.exit(f"{code} by {line}")
"""
TRAIN = (
    "train --data data --steps 4 --batch-size 8 --threads 1 --device cpu --images.size 16"
    " --checkpoint.every 2 --probes.every 2 --probes.neighbours 5 --logger.kinds csv tensorboard --out new"
)
PREDICT = "predict --data data --images.size 8 --out predicted"
# Each command with what it is to leave.
COMMANDS = {
    "version": set(),
    "recipes": set(),
    "images data --sheet sheet.png --overwrite": {"sheet.png"},
    TRAIN: {"new"},
    PREDICT: {"predicted"},
    "probe run": {"run/probes.json"},
    "embed run --out new.parquet": {"new.parquet"},
    "embed run --out new.npz": {"new.npz"},
    "export run --out new.onnx": {"new.onnx", "new.onnx.md"},
    "export run --format timm --out new.safetensors": {"new.safetensors", "new.safetensors.md"},
    "compare a.npy b.npy --out compared": {"compared"},
    "spectrum a.npy --plot new.png": {"new.png"},
    "report run": {"run/report.html"},
}
# Those that load training and its libraries, and those that do not, each in one process.
HEAVY = [
    line for line in COMMANDS if line.split()[0] in ("images", "train", "predict", "probe", "embed", "export")
]
LIGHT = [line for line in COMMANDS if line not in HEAVY]
# Where libraries are told to be, and whether they run in a test, in which some keep quiet.
TOLD = re.compile(r"(XDG_|HF_|MPL|ORT_|TORCH|WANDB|MLFLOW).*|CI|GITHUB_ACTIONS|TF_BUILD|DO_NOT_TRACK")


@pytest.fixture
def rows() -> None:
    """Files of embeddings `a.npy` and `b.npy`."""
    for seed, name in enumerate(("a.npy", "b.npy")):
        np.save(name, np.random.default_rng(seed).normal(size=(60, 6)))


def entries(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.slow
@pytest.mark.parametrize("lines", [HEAVY, LIGHT], ids=["heavy", "light"])
def test_commands_leave_what_they_were_asked_for(lines, run, rows, tmp_path, tmp_path_factory):
    home, temporary = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("temporary")
    kept = {name: value for name, value in os.environ.items() if not TOLD.fullmatch(name)}
    environment = kept | {"HOME": str(home), "TMPDIR": str(temporary), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", AUDITED, *lines]
    trace = temporary / "trace"
    if shutil.which("strace"):
        command = ["strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg", "-o", str(trace), *command]
    before = entries(tmp_path)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "ONLINE" not in done.stderr
    if trace.exists():
        assert "AF_INET" not in trace.read_text()
        trace.unlink()
    asked_for = set().union(*(COMMANDS[line] for line in lines))
    left = entries(tmp_path) - before
    assert {
        path for path in left if not any(path.startswith(f"{asked}/") for asked in asked_for)
    } == asked_for
    # The library that reads folders of images keeps a table of each, as its own documentation says.
    tables = ".cache/huggingface/datasets"
    reads_folder = lines is HEAVY
    others = {path for path in entries(home) if not f"{tables}/".startswith(f"{path}/")}
    assert {path for path in others if not (reads_folder and path.startswith(f"{tables}/"))} == set()
    # torch makes the folder in which it would keep what it compiles.
    assert {path for path in entries(temporary) if not path.startswith("torchinductor_")} == set()
    assert not any(path.is_file() for path in temporary.rglob("*"))


@pytest.mark.slow
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o027, 0o002])
def test_all_that_is_written_has_the_mode_that_the_umask_says(umask, run, rows, tmp_path):
    before, made = os.umask(umask), {tmp_path / path for path in entries(tmp_path)}
    try:
        for line in COMMANDS:
            assert main(line.split()) == 0
    finally:
        os.umask(before)
    written = {tmp_path / path for path in entries(tmp_path)} - made
    assert {path.name for path in written} >= {
        "backbone.safetensors",
        "optimizer.pt",
        "metrics.csv",
        "new.onnx",
    }
    wrong = {
        str(path.relative_to(tmp_path)): oct(stat.S_IMODE(path.stat().st_mode))
        for path in written
        if stat.S_IMODE(path.stat().st_mode) != (0o777 if path.is_dir() else 0o666) & ~umask
    }
    assert wrong == {}


def test_nothing_sets_the_umask_of_the_process():
    """Not for an instant: what another thread writes then would have the mode of that instant."""
    sources = Path(eigenstep.__file__).parent.rglob("*.py")
    assert [str(path) for path in sources if "os.umask(" in path.read_text()] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "switch", ["ORT_DISABLE_TELEMETRY", "HF_UPDATE_DOWNLOAD_COUNTS", "HF_HUB_DISABLE_TELEMETRY"]
)
def test_what_a_user_has_said_of_telemetry_stands(switch):
    code = f"import os, eigenstep; print(os.environ[{switch!r}])"
    for said in ("0", "1"):
        environment = os.environ | {switch: said}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == said

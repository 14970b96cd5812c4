"""A run goes on from what a fault has left of it, and says what is missing."""

import json
import re
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from eigenstep.cli import main
from eigenstep.encoders import find_checkpoints, load_checkpoint, take_newest
from eigenstep.images import ImagesConfig
from eigenstep.record import read_record
from eigenstep.training import TrainConfig, dump_config, train

OPTIONS = "--images.patches 16 --images.size 8 --batch-size 4 --steps 6 --threads 1 --record.every 1 --quiet"


def config():
    plain = TrainConfig()
    return replace(
        plain,
        steps=6,
        batch_size=4,
        threads=1,
        images=ImagesConfig(size=8, patches=16),
        record=replace(plain.record, every=1, probe=4),
        checkpoint=replace(plain.checkpoint, every=2),
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "run"
    train(config(), out)
    return out


def cut(share):
    return lambda path: path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


def flipped(share):
    def flip(path):
        content = bytearray(path.read_bytes())
        content[int(share * (len(content) - 1))] ^= 4
        path.write_bytes(content)

    return flip


def a_folder(path):
    path.unlink()
    path.mkdir()


WAYS = {
    "removed": lambda path: path.unlink(),
    "empty": cut(0),
    "half": cut(0.5),
    "all but its end": cut(0.99),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "text": lambda path: path.write_text("hello"),
    "a list": lambda path: path.write_text("[1, 2]"),
    "flipped at its start": flipped(0.0),
    "flipped in its middle": flipped(0.5),
    "flipped at its end": flipped(1.0),
    "a folder": a_folder,
}
FILES = ["backbone.safetensors", "projector.safetensors", "optimizer.pt", "state.json"]
# Bits of a file of JSON that are another number or word of the same meaning are no damage.
HARMLESS = {("state.json", "flipped in its middle")}
EACH = [(name, way) for name in FILES for way in WAYS if (name, way) not in HARMLESS]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "way"), EACH)
def test_of_a_damaged_checkpoint_the_one_before_is_taken_and_the_end_is_the_same(whole, name, way, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    newest = find_checkpoints(out / "checkpoints")[-1]
    WAYS[way](newest / name)
    with pytest.warns(UserWarning, match=rf"{newest}.*{re.escape(name)}.*an earlier checkpoint") as told:
        train(config(), out, resume=True)
    assert len(told) == 1
    assert "\n" not in str(told[0].message)
    equal(out, whole)
    assert (out / "checkpoints" / f"damaged_{newest.name}").is_dir()


def equal(run, whole):
    found, wanted = read_record(run), read_record(whole)
    np.testing.assert_array_equal(found.eigenvalues, wanted.eigenvalues)
    np.testing.assert_array_equal(found.metrics["loss"], wanted.metrics["loss"])
    ends = [load_checkpoint(find_checkpoints(each / "checkpoints")[-1]).weights for each in (run, whole)]
    for part, tensors in ends[1].items():
        assert all(torch.equal(ends[0][part][name], tensor) for name, tensor in tensors.items())


def test_where_no_checkpoint_can_be_read_one_line_says_what_to_do(whole, tmp_path, capsys):
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    for checkpoint in find_checkpoints(out / "checkpoints"):
        (checkpoint / "backbone.safetensors").write_bytes(b"")
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    assert main(["train", "--out", str(out), "--resume", "--quiet"]) == 2
    told = capsys.readouterr().err.strip()
    assert told.startswith(f"eigenstep: no checkpoint in {out / 'checkpoints'} can be read (")
    assert "--overwrite" in told
    assert "\n" not in told
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()} == before


def shortened(path):
    """Without its last two rows or lines."""
    if path.suffix == ".jsonl":
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-2]))
    else:
        layout = json.loads(path.with_suffix(".json").read_text())["columns"]
        size = np.dtype([(name, kind, tuple(shape)) for name, kind, shape in layout]).itemsize
        path.write_bytes(path.read_bytes()[: -2 * size])


RECORD = ["metrics.jsonl", "spectrum/eigenvalues.bin"]


@pytest.mark.slow
@pytest.mark.parametrize("name", RECORD)
def test_a_tail_that_is_gone_is_told_and_marked(whole, name, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    shutil.rmtree(out / "checkpoints" / "step_00000006")
    # The record of step 4's checkpoint lacks step 3, the last one before it.
    for path in (
        out / "metrics.jsonl",
        out / "spectrum" / "eigenvalues.bin",
        out / "spectrum" / "projections.bin",
    ):
        shortened(path)
    shortened(out / name)
    with pytest.warns(UserWarning, match="1 measurements before step 4 are missing"):
        train(config(), out, resume=True)
    record = read_record(out)
    assert record.metrics["step"].tolist()[-3:] == [4, 5, 6]
    assert record.metrics["missing"][np.isfinite(record.metrics["missing"])].tolist() == [1]
    whole_losses = read_record(whole).metrics["loss"]
    np.testing.assert_array_equal(record.metrics["loss"][-3:], whole_losses[-3:])


@pytest.mark.slow
@pytest.mark.parametrize("name", [*RECORD, "timings.jsonl", "spectrum/projections.bin"])
@pytest.mark.parametrize("damage", [flipped(0.3), lambda path: path.write_bytes(b"\0\n" + path.read_bytes())])
def test_a_damaged_row_or_line_does_not_make_a_run_unresumable(whole, name, damage, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    shutil.rmtree(out / "checkpoints" / "step_00000006")
    damage(out / name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        train(config(), out, resume=True)
    record = read_record(out)
    assert record.problems == ()
    assert record.metrics["step"].tolist()[-3:] == [4, 5, 6]
    assert record.eigenvalues["step"].tolist()[-3:] == [4, 5, 6]


@pytest.mark.slow
def test_a_full_disk_ends_the_command_in_one_line_with_the_code_to_try_again(tmp_path):
    program = (
        "import resource, sys\n"
        "from eigenstep.cli import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))\n"
        "sys.exit(main(sys.argv[2:]))"
    )
    command = ["train", *OPTIONS.split(), "--checkpoint.every", "3", "--out", str(tmp_path / "run")]
    # Enough for the configuration, and not for all lines of the record.
    lines = len(dump_config(TrainConfig())) + 700

    def attempt(limit, *more):
        return subprocess.run(
            [sys.executable, "-c", program, str(limit), *command, *more], capture_output=True, text=True
        )

    ended = attempt(lines)
    assert ended.returncode == 75, ended.stderr
    (told,) = ended.stderr.strip().splitlines()
    assert re.fullmatch(
        rf"eigenstep: {tmp_path / 'run'}/\S+ cannot be read or written \(File too large\); when it can,"
        r" (begin anew: no checkpoint was due before|--resume goes on from \S+)",
        told,
    )
    assert attempt(10**9, "--resume").returncode == 0
    assert read_record(tmp_path / "run").metrics["step"].tolist() == list(range(7))


@pytest.mark.parametrize("error", [OSError(5, "Input/output error", "here"), MemoryError()])
def test_a_checkpoint_that_cannot_be_read_just_now_is_not_damaged(whole, error, tmp_path, monkeypatch):
    out = tmp_path / "run"
    shutil.copytree(whole, out)

    def failing(*given, **options):
        raise error

    monkeypatch.setattr(torch, "load", failing)
    with pytest.raises(type(error)):
        take_newest(out / "checkpoints")
    monkeypatch.undo()
    assert take_newest(out / "checkpoints")[0].step == 6

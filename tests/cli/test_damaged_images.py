import io
import json
import tarfile
from pathlib import Path

import pytest

from eigenstep.cli import main

SHORT = ["--steps", "6", "--batch-size", "4", "--images.size", "16", "--threads", "1", "--out", "run"]
TRAIN = ["train", "--data", "data", *SHORT]


@pytest.fixture
def archive(tmp_path, encoded):
    """An archive of ten images, of which the header of the fourth is damaged."""
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "a.tar"
    with tarfile.open(path, "w") as file:
        for row in range(10):
            member = tarfile.TarInfo(f"{row}.png")
            member.size = len(encoded(row))
            file.addfile(member, io.BytesIO(encoded(row)))
    with tarfile.open(path) as file:
        damaged = file.getmembers()[3].offset
    content = bytearray(path.read_bytes())
    content[damaged] ^= 1
    path.write_bytes(content)
    return path


@pytest.mark.slow
def test_what_a_damaged_archive_has_lost_is_refused_or_told_by_every_command(archive, refused, capsys):
    assert "a.tar is damaged" in (error := refused(TRAIN))
    assert "--images.broken pass" in error
    assert not Path("run").exists()
    assert main([*TRAIN, "--images.broken", "pass", "--images.workers", "0"]) == 0
    told = next(line for line in capsys.readouterr().out.splitlines() if "damaged" in line)
    images = json.loads(Path("run/summary.json").read_text())["images"]
    assert (images["used"], images["damaged"]) == (8, 1)  # the first epoch is two batches of four
    assert told == f"1 damaged places were passed over: {images['damaged_names'][0]}"
    assert main(["embed", "run", "--out", "a.npy"]) == 0
    assert f"1 broken image was left out: {images['damaged_names'][0]}" in capsys.readouterr().out


@pytest.mark.slow
def test_the_option_that_is_named_is_one_that_the_command_has(archive, refused, tmp_path):
    assert main(["train", "--data", "photos", "--images.patches", "16", *SHORT]) == 0
    assert "use --broken pass" in refused(["embed", "run", "--data", "data", "--out", "a.npy"])
    assert main(["embed", "run", "--data", "data", "--out", "a.npy", "--broken", "pass"]) == 0

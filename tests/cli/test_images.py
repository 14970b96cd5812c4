import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eigenstep.cli import main
from eigenstep.images import ImagesConfig, inspect_images

OPTIONS = ["--images.size", "8", "--images.workers", "0"]


@pytest.fixture
def zoo(tmp_path) -> str:
    """A folder `zoo` of 2 splits and 3 classes: 24 images used, 2 broken, 1 passed over, 1 in both splits."""
    generator = np.random.default_rng(0)
    for split, count in (("train", 5), ("test", 3)):
        for name in ("ape", "bee", "a class with a long name and [brackets]"):
            for number in range(count):
                path = tmp_path / "zoo" / split / name / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(generator.integers(0, 256, (9, 12, 3), dtype=np.uint8)).save(path)
    zoo = tmp_path / "zoo"
    (zoo / "train" / "ape" / "copy.png").write_bytes((zoo / "test" / "bee" / "1.png").read_bytes())
    for number in (4, 5):
        (zoo / "train" / "bee" / f"{number}.png").write_text("no image")
    (zoo / "notes.txt").write_text("")
    return "zoo"


def test_all_is_told_in_lines_of_the_terminals_width(zoo, capsys):
    assert main(["images", zoo, *OPTIONS]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    lines = [" ".join(line.split()) for line in output.out.splitlines()]
    assert "zoo: 26 images in 2 splits" in lines
    assert "27 found = 24 used + 2 broken + 1 passed over" in lines
    assert "sizes 12×9, all" in lines
    assert "formats PNG RGB" in lines
    text = " ".join(lines)
    assert "classes 3: ape (6), bee (6), a class with a long name and [brackets] (5)" in text
    assert "2: its content is of no known format of images: train/bee/4.png, train/bee/5.png" in text
    assert "1 no image (.txt): notes.txt" in text
    assert "LEAK: 1 of 9 images of test are in train too" in text
    assert "1 of these are in more than one class" in text
    assert "train/ape/copy.png (ape) = test/bee/1.png (bee)" in text
    assert "8×8 pixels, 3 channels of uint8; the images of train take 3.2 KiB" in text
    assert "15 images, and 256 make a batch by default: set --batch-size 15 or less" in text
    assert "What might surprise" not in text
    assert max(map(len, output.out.splitlines())) <= 80


@pytest.mark.slow
@pytest.mark.parametrize("width", [40, 80, 120])
def test_everything_fits_into_the_terminals_width(zoo, capsys, monkeypatch, width):
    monkeypatch.setattr("eigenstep.terminal.console._width", width)
    assert main(["images", zoo, *OPTIONS, "--all"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines()[2:])) <= max(width, 46)


def test_json_is_all_that_is_printed_and_says_what_the_function_does(zoo, capsys):
    assert main(["images", zoo, *OPTIONS, "--json"]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    found = json.loads(output.out, parse_constant=pytest.fail)
    assert found == json.loads(json.dumps(inspect_images(zoo, ImagesConfig(size=8, workers=0)).as_json()))
    assert found["counts"]["used"] == 24
    assert found["duplicates"]["named"][0][0]["name"] == "train/ape/copy.png"


def test_a_limit_is_told(zoo, capsys):
    assert main(["images", zoo, *OPTIONS, "--limit", "13"]) == 0
    output = " ".join(capsys.readouterr().out.split())
    assert "13 of them, spread over all, were looked at (--limit)" in output
    assert "+ 13 not looked at" in output


def test_all_names_every_broken_image(zoo, capsys):
    for number in range(9):
        Path(zoo, "train", "bee", f"x{number}.png").write_text("no image")
    for option, named in (([], False), (["--all"], True)):
        assert main(["images", zoo, *OPTIONS, *option]) == 0
        assert ("x7.png" in capsys.readouterr().out) == named


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_a_sheet_is_written_once(zoo, refused, capsys, kind):
    sheet = Path(f"sheet.{kind}")
    assert main(["images", zoo, *OPTIONS, "--sheet", str(sheet)]) == 0
    assert capsys.readouterr().out.endswith(f"sheet: {sheet}\n")
    with Image.open(sheet) as picture:
        assert picture.format == {"png": "PNG", "jpg": "JPEG"}[kind]
        assert picture.width > 3 * 100
    before = sheet.read_bytes()
    (Path(zoo) / "train" / "ape" / "0.png").unlink()
    assert f"{sheet} exists; use --overwrite" in refused(["images", zoo, "--sheet", str(sheet)])
    assert sheet.read_bytes() == before
    assert main(["images", zoo, *OPTIONS, "--sheet", str(sheet), "--overwrite"]) == 0
    assert sheet.read_bytes() != before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "unknown data set 'nowhere'"),
        (["empty"], "empty holds no images: it is empty"),
        (["junk"], "junk: none of its 1 images can be decoded, for example a.png"),
        (["zoo", "--limit", "0"], "expected --limit to be at least 1, got 0"),
        (["zoo", "--sheet", "a.gif"], "expected a sheet's name that ends in .png, .jpg, .jpeg, got a.gif"),
        (["zoo", "--sheet", "nowhere/a.png"], "there is no folder nowhere"),
        (["zoo", "--images.show", "4"], "set --images.show"),
        (["zoo", "--images.sise", "4"], "did you mean --images.size?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_looked_at_is_refused_in_one_line(zoo, refused, capsys, arguments, message):
    Path("empty").mkdir()
    Path("junk").mkdir()
    Path("junk/a.png").write_text("no image")
    told = refused(["images", *arguments])
    assert message in told


@pytest.mark.slow
def test_the_command_stands_among_the_others(run_in_shell):
    listed = " ".join(run_in_shell("eigenstep --help").replace("│", " ").split())
    assert "images Look at every image of a data set" in listed
    shown = run_in_shell("eigenstep images --help")
    for option in ("--images.range", "--images.take", "--sheet", "--all", "--json", "--limit"):
        assert option in shown

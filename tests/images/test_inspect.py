"""A look at a data set tells what training would find, and nothing that is not so."""

import io
import json
import sys
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import tifffile
import torch
from PIL import Image

from eigenstep.images import ImagesConfig, contact_sheet, inspect_images, open_images, pictures

sys.path.insert(0, str(Path(__file__).parent))
from odd_inputs import CASES

SIZE = 8
GENERATOR = np.random.default_rng(0)
# One image of 196 million pixels takes as long as all others.
CASES_HERE = [name for name in CASES if "14,000" not in name]


def noise(*shape: int, high: int = 256, dtype: str = "uint8") -> np.ndarray:
    return GENERATOR.integers(0, high, shape or (SIZE, SIZE, 3)).astype(dtype)


def save(path: Path, values: np.ndarray, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tif":
        tifffile.imwrite(path, values, photometric="minisblack", **options)
    elif path.suffix == ".npy":
        np.save(path, values)
    else:
        Image.fromarray(values).save(path, **options)
    return path


def encoded(values: np.ndarray, kind: str = "png") -> bytes:
    content = io.BytesIO()
    Image.fromarray(values).save(content, kind)
    return content.getvalue()


def look(folder: Path, tiles: bool = False, limit: int | None = None, **options):
    config = {"size": SIZE, "workers": 0, **options}
    return inspect_images(str(folder), ImagesConfig(**config), limit=limit, tiles=tiles)


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES_HERE)
def test_what_is_found_is_what_training_finds(name, folder):
    expected = CASES[name](folder)
    options = dict(expected.options)
    data = str(folder / options.pop("data", ""))
    config = ImagesConfig(size=SIZE, stream="never", workers=0, **options)
    found = inspect_images(data, config)
    opened = open_images(data, config, seed=0, batch_size=1, device=torch.device("cpu"))
    facts = opened.facts()
    split = next(each for each in found.splits if each.name == found.stored.split)
    assert (split.used, split.broken) == (facts["used"], facts["broken"])
    assert [f"{each} ({why})" for each, why in split.broken_names] == facts["broken_names"]
    others = sum(each.count for each in found.splits) - split.count
    assert found.counts["passed_over"] == sum(facts["passed_over"].values()) - others
    assert (found.stored.pixels.channels, found.stored.pixels.dtype) == (facts["channels"], facts["dtype"])
    assert found.stored.bytes == (split.used + split.broken) * opened.probe(1).nbytes
    assert {*found.notes, *found.stored.pixels.notes} == set(facts["notes"])
    assert split.sizes.smaller == facts["enlarged"]
    assert split.with_gaps == facts["with_gaps"]
    counts = found.counts
    assert counts["found"] == sum(number for kind, number in counts.items() if kind != "found")


def test_sizes_channels_and_values_are_those_of_numpy(folder):
    images = [noise(GENERATOR.integers(5, 40), GENERATOR.integers(5, 40), 3) // 2 + 7 for _ in range(9)]
    images += [noise(6, 9, 3, high=5000, dtype="uint16")]
    for number, values in enumerate(images):
        if values.dtype == np.uint8:
            save(folder / f"{number}.png", values)
        else:
            save(folder / f"{number}.tif", values, planarconfig="contig")
    (split,) = look(folder).splits
    sizes = sorted(((each.shape[1], each.shape[0]) for each in images), key=lambda size: size[0] * size[1])
    areas = [width * height for width, height in sizes]
    found = split.sizes
    assert [w * h for w, h in (found.smallest, found.median, found.largest)] == [areas[0], areas[4], areas[9]]
    assert found.different == len(set(sizes))
    aspects = [width / height for width, height in sizes]
    assert (found.narrowest, found.widest) == (min(aspects), max(aspects))
    assert found.long == sum(not 0.5 <= aspect <= 2 for aspect in aspects)
    assert found.smaller == sum(min(size) < SIZE for size in sizes)
    assert split.channels == {3: 10}
    assert split.formats == {"PNG RGB": 9, "TIFF 3 × uint16": 1}
    for dtype in ("uint8", "uint16"):
        flat = np.concatenate([each.reshape(-1) for each in images if each.dtype == dtype])
        assert split.values[dtype][1:] == (flat.min(), flat.max())


def test_equal_pixels_are_duplicates_whatever_encodes_them(folder):
    images = [noise() for _ in range(5)]
    for number, values in enumerate(images):
        save(folder / f"{number}.png", values)
    save(folder / "same file.png", images[0])
    save(folder / "same pixels.bmp", images[0])
    save(folder / "less compressed.png", images[3], compress_level=0)
    save(folder / "other.png", 255 - images[1])
    save(folder / "turned.png", images[1].transpose(1, 0, 2))
    (folder / "junk.png").write_text("junk")
    (folder / "more junk.png").write_text("junk")
    found = look(folder).duplicates
    groups = {}  # a slow twin
    for path in sorted(folder.iterdir()):
        if "junk" not in path.name:
            groups.setdefault(np.asarray(Image.open(path)).tobytes(), []).append(path.name)
    several = [names for names in groups.values() if len(names) > 1]
    assert [[member.name for member in group] for group in found.named] == several
    assert (found.groups, found.images) == (2, 3)
    assert (found.shared, found.contradictory) == ([], 0)


def test_images_of_the_same_values_in_another_form_are_no_duplicates(folder):
    grey = noise(SIZE, SIZE)
    save(folder / "a.png", grey)
    save(folder / "b.png", np.repeat(grey[..., None], 3, axis=2))
    save(folder / "c.tif", grey.astype(np.uint16))
    save(folder / "of another shape.png", grey.reshape(4, 16))
    assert look(folder).duplicates.groups == 0


@pytest.mark.parametrize("kind", ["files", "tables", "tars", "zips"])
def test_images_of_one_split_in_another_are_told_with_their_names_and_classes(kind, folder, write_tars):
    images = [noise() for _ in range(6)]
    rows = {
        "train": [(0, "a"), (1, "b"), (2, "a"), (0, "a")],
        "test": [(3, "a"), (1, "b"), (2, "b"), (4, "a"), (0, "a"), (0, "a"), (0, "a")],
    }
    for split, entries in rows.items():
        if kind == "tables":
            column = [encoded(images[image]) for image, _ in entries]
            labels = pa.array([label for _, label in entries])
            parquet.write_table(pa.table({"i": column, "label": labels}), folder / f"{split}.parquet")
        elif kind == "tars":
            samples = [
                (f"{row}", {"png": encoded(images[image]), "cls": label.encode()})
                for row, (image, label) in enumerate(entries)
            ]
            write_tars({f"{split}-0.tar": samples}, "data")
        elif kind == "zips":
            with zipfile.ZipFile(folder / f"{split}.zip", "w") as archive:
                for row, (image, label) in enumerate(entries):
                    archive.writestr(f"{label}/{row}.png", encoded(images[image]))
        else:
            for row, (image, label) in enumerate(entries):
                save(folder / split / label / f"{row}.png", images[image])
    found = look(folder).duplicates
    assert found.shared == [("test", 5, "train")]
    assert (found.groups, found.images, found.contradictory) == (3, 6, 1)
    told = sorted(sorted((member.split, member.label) for member in group) for group in found.named)
    wanted = [
        sorted((split, label) for split, entries in rows.items() for image, label in entries if image == each)
        for each in range(3)
    ]
    assert told == sorted(wanted)
    for group in found.named:
        assert len({(member.split, member.name) for member in group}) == len(group)


@pytest.mark.parametrize("kind", ["table", "tars"])
def test_broken_images_are_named_with_reasons_and_the_numbers_add_up(kind, data_of):
    data = data_of("tars" if kind == "tars" else "table", 20, broken={4, 11})
    found = look(data)
    passed = 20 if kind == "tars" else 0  # the files of their labels
    counts = {"used": 18, "broken": 2, "passed_over": passed, "not_looked_at": 0}
    assert found.counts == {"found": 20 + passed, **counts}
    (split,) = found.splits
    assert split.classes == {"0": 7, "1": 7, "2": 6}
    assert [("4" in name, "11" in name) for name, _ in split.broken_names] == [(True, False), (False, True)]
    assert {reason for _, reason in split.broken_names} == {"its content is of no known format of images"}


@pytest.mark.parametrize("kind", ["table", "tars"])
def test_a_limit_looks_at_images_that_are_spread_over_all(kind, data_of):
    data = data_of("tars" if kind == "tars" else "table", 40, broken=set(range(0, 20, 4)))
    found = look(data, limit=10)
    counts = found.counts
    assert (counts["used"], counts["broken"], counts["not_looked_at"]) == (5, 5, 30)
    assert counts["found"] == sum(number for name, number in counts.items() if name != "found")


def test_facts_are_counted(folder):
    grey = noise(SIZE, SIZE)
    save(folder / "constant.png", np.full((SIZE, SIZE, 3), (1, 2, 3), np.uint8))
    save(folder / "grey.png", np.repeat(grey[..., None], 3, axis=2))
    almost = np.repeat(grey[..., None], 3, axis=2)
    almost[5, 5, 2] ^= 1
    save(folder / "almost.png", almost)
    save(folder / "alpha.png", noise(SIZE, SIZE, 4))
    frames = [Image.fromarray(noise()) for _ in range(3)]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    (split,) = look(folder).splits
    counts = (split.constant, split.grey_in_colours, split.transparent, split.animated, split.paged)
    assert counts == (1, 1, 1, 1, 0)


def test_values_of_floats_are_the_finite_ones_and_none_is_null_in_json(folder):
    save(folder / "a.npy", np.array([[0.5, np.nan], [-3, np.inf]], np.float32))
    found = look(folder)
    assert found.splits[0].values["float32"] == (1, -3, 0.5)
    assert found.splits[0].with_gaps == 1
    save(folder / "a.npy", np.full((4, 4), np.nan, np.float64))
    tree = json.loads(json.dumps(look(folder, range=(0, 1)).as_json()), parse_constant=pytest.fail)
    assert tree["splits"][0]["values"]["float64"] == {"images": 1, "low": None, "high": None}


RGB = noise()
ADVICE = {
    "smaller than the 64 pixels of --images.size": ({"size": 64}, RGB, "a.png"),
    "the median image has 32 pixels": ({}, noise(32, 32, 3), "a.png"),
    "with one side more than twice as long": ({}, noise(8, 20, 3), "a.png"),
    "grey in three equal channels; --images.channels 1": ({}, np.repeat(noise(8, 8, 1), 3, 2), "a.png"),
    "of one value everywhere": ({}, np.full((8, 8, 3), 7, np.uint8), "a.png"),
    "those outside of 0 to 50 become black or white": ({"range": (0, 50)}, RGB, "a.png"),
    "with an alpha channel": ({}, noise(8, 8, 4), "a.png"),
    "in files of several pages": ({}, noise(5, 8, 8), "a.tif"),
}


@pytest.mark.parametrize("line", ADVICE)
def test_what_would_surprise_is_told_where_it_is_so(line, folder):
    options, values, name = ADVICE[line]
    save(folder / name, values)
    if name.endswith(".tif"):
        with tifffile.TiffWriter(folder / name) as file:
            for page in values:
                file.write(page)
    assert sum(each.startswith(line) or line in each for each in look(folder, **options).advice) == 1


def test_usual_images_surprise_nobody(folder):
    for number in range(6):
        save(folder / f"{'ab'[number % 2]}" / f"{number}.png", noise())
    found = look(folder)
    assert (found.advice, found.refusal, found.damage, found.stored.pixels.notes) == ([], None, [], ())


def test_very_different_sizes_and_one_class_are_told(folder):
    save(folder / "train" / "a" / "1.png", noise())
    save(folder / "train" / "a" / "2.png", noise(64, 64, 3))
    save(folder / "test" / "a" / "1.png", noise())
    save(folder / "test" / "b" / "2.png", noise())
    advice = look(folder).advice
    assert sum("shorter sides of 8 to 64 pixels" in line for line in advice) == 1
    assert [line for line in advice if "class" in line] == [
        "all labels of train are one class, a: probes need two"
    ]


def test_twelve_bits_in_sixteen_are_told_once(folder):
    save(folder / "a.tif", noise(SIZE, SIZE, high=4096, dtype="uint16"))
    found = look(folder)
    told = [*found.stored.pixels.notes, *found.advice]
    assert sum("--images.range 0 4095" in line for line in told) == 1


def test_channels_that_differ_are_refused_with_what_to_set_and_looked_at(folder):
    save(folder / "a.png", noise())
    save(folder / "b.tif", noise(SIZE, SIZE, 5), planarconfig="contig")
    found = look(folder)
    assert found.stored is None
    assert "differ in their channels (1 of 3, 1 of 5); set --images.channels" in found.refusal
    assert found.counts["used"] == 2
    found = look(folder, channels=5)
    assert found.refusal is None
    assert found.splits[0].broken_names == [("a.png", "it has 3 channels, expected 5")]


@pytest.mark.parametrize(
    ("options", "told"),
    [({"split": "dev"}, "--images.split train"), ({"broken": "refuse"}, "--images.broken refuse")],
)
def test_options_by_which_training_refuses_are_told(options, told, folder):
    save(folder / "a.png", noise())
    (folder / "b.png").write_text("junk")
    assert told in look(folder, **options).refusal


def test_how_images_are_kept_is_told(folder, write_tars):
    save(folder / "a.png", noise())
    assert look(folder).stored.in_memory
    assert not look(folder, stream="always").stored.in_memory
    tars = write_tars({"a.tar": [("x", {"png": encoded(noise())})]})
    assert not look(tars).stored.in_memory


def test_nothing_usable_is_an_error_of_one_line(folder):
    (folder / "a.png").write_text("junk")
    with pytest.raises(ValueError, match=r"none of its 1 images can be decoded, for example a\.png"):
        look(folder)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["table", "tars"])
def test_processes_see_what_one_sees(kind, data_of):
    data = data_of("tars" if kind == "tars" else "table", 600, broken={3, 400})
    seen = []
    counts = []
    for workers in (0, 2):
        found = inspect_images(
            str(data),
            ImagesConfig(size=SIZE, workers=workers),
            lambda done, total: counts.append((done, total)),
        )
        seen.append(found.as_json())
    assert seen[0] == seen[1]
    assert counts[-1] == (600, 600)


def test_a_sheet_shows_images_as_they_are_with_what_they_are_called(folder):
    for name in "ab":
        for number in range(20):
            save(folder / name / f"{number:02}.png", noise())
    (folder / "a" / "05.png").write_text("junk")
    found = look(folder, tiles=True)
    assert [len(line) for line in found.tiles] == [12, 8, 12, 8]
    assert [{tile.text for tile in line} for line in found.tiles] == [
        {"a", "a/05.png"},
        {"a"},
        {"b"},
        {"b"},
    ]
    side = found.tiles[0][0].values.shape[0]
    first = Image.open(folder / "a" / "00.png").resize((side, side), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(found.tiles[0][0].values, np.asarray(first))
    sheet = np.asarray(contact_sheet(found.tiles, "a title"))
    assert _holds(sheet, np.asarray(first))
    (broken,) = [tile for line in found.tiles for tile in line if tile.reason]
    assert broken.reason == "its content is of no known format of images"
    whole = [
        [tile._replace(reason=None, values=found.tiles[1][0].values) for tile in line] for line in found.tiles
    ]
    assert not np.array_equal(sheet, np.asarray(contact_sheet(whole, "a title")))


def test_broken_images_have_a_line_of_their_own_where_they_were_not_chosen(folder):
    for number in range(300):
        save(folder / f"{number:03}.png", noise())
    (folder / "001.png").write_text("junk")
    tiles = look(folder, tiles=True).tiles
    assert [len(line) for line in tiles] == [12] * 8 + [1]
    assert (tiles[-1][0].text, tiles[0][1].text) == ("001.png", "003.png")


def test_of_many_classes_the_sheet_shows_some_of_each(folder):
    for number in range(150):
        save(folder / f"{number % 30:02}" / f"{number}.png", noise())
    tiles = [tile.text for line in look(folder, tiles=True).tiles for tile in line]
    assert Counter(tiles) == {f"{number:02}": 3 for number in range(30)}


def test_deep_images_of_many_channels_are_shown_as_pictures_shows_them(folder):
    for number in range(4):
        save(folder / f"{number}.tif", noise(16, 16, 5, high=60000, dtype="uint16"), planarconfig="contig")
    save(folder / "other.png", noise())
    tiles = look(folder, tiles=True).tiles
    batch = pictures(np.stack([tile.values for tile in tiles[0][:4]]), (5, 1, 2))
    sheet = np.asarray(contact_sheet(tiles, "", (5, 1, 2)))
    assert all(_holds(sheet, picture) for picture in batch)


def _holds(sheet: np.ndarray, picture: np.ndarray) -> bool:
    """Whether a picture is somewhere on a sheet."""
    height, width = picture.shape[:2]
    ys, xs = np.nonzero((sheet[:-height, :-width] == picture[0, 0]).all(axis=2))
    return any(
        np.array_equal(sheet[y : y + height, x : x + width], picture) for y, x in zip(ys, xs, strict=True)
    )

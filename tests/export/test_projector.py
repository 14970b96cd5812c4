"""The folder for TensorBoard's projector, read as TensorBoard itself reads it."""

import csv
import io

import numpy as np
import pyarrow.parquet as parquet
import pytest
from google.protobuf import text_format
from PIL import Image
from tensorboard.plugins.projector import projector_plugin
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from eigenstep.export import embed

pytestmark = pytest.mark.slow


@pytest.fixture
def write(write_run, tmp_path, labelled_folder):
    """Writes the folder, and gives it with the rows of a table of the same images."""

    def write_both(**options):
        run = write_run()
        embed(run, tmp_path / "table.parquet", str(labelled_folder), thumbnails=64)
        embed(run, tmp_path / "projector", str(labelled_folder), viewer="tensorboard", **options)
        return tmp_path / "projector", parquet.read_table(tmp_path / "table.parquet").to_pydict()

    return write_both


def described(folder):
    return text_format.Parse((folder / "projector_config.pbtxt").read_text(), ProjectorConfig()).embeddings


def test_the_tensors_are_the_features_and_embeddings_row_by_row(write):
    folder, rows = write()
    entries = described(folder)
    assert [entry.tensor_name for entry in entries] == ["features", "embedding"]
    for entry in entries:
        tensor = np.fromfile(folder / entry.tensor_path, dtype="float32").reshape(entry.tensor_shape)
        assert np.array_equal(tensor, np.array(rows[entry.tensor_name], np.float32))


def test_what_is_known_of_a_point_stands_in_its_line_names_first(write):
    folder, rows = write()
    with (folder / described(folder)[0].metadata_path).open(newline="") as file:
        lines = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert list(lines[0]) == ["class", "label", "index", "image"]
    assert [line["class"] for line in lines] == rows["class_name"]
    assert [int(line["index"]) for line in lines] == rows["index"]
    assert [line["image"] for line in lines] == rows["path"]


@pytest.mark.parametrize("side", [64, 5])
def test_the_sheets_tiles_are_the_thumbnails_in_order(write, side):
    folder, rows = write(thumbnails=side)
    sprite = described(folder)[0].sprite
    width, height = sprite.single_image_dim
    sheet = np.asarray(Image.open(folder / sprite.image_path))
    columns = sheet.shape[1] // width  # as the projector counts them
    assert (width, height) == ((20, 20) if side == 64 else (5, 5))
    for place, index in enumerate(rows["index"]):
        row, column = divmod(place, columns)
        tile = sheet[row * height : (row + 1) * height, column * width : (column + 1) * width]
        whole = Image.open(io.BytesIO(rows["image"][place]["bytes"]))
        expected = whole if side == 64 else whole.resize((5, 5), Image.Resampling.BOX)
        assert np.array_equal(tile, np.asarray(expected)), index


def test_a_sheet_is_never_larger_than_the_projector_takes(write, monkeypatch):
    monkeypatch.setattr("eigenstep.export._projector.LARGEST_SHEET", 50)
    folder, _ = write()
    assert described(folder)[0].sprite.single_image_dim == [8, 8]  # six columns of tiles within 50 pixels
    assert max(Image.open(folder / "sprite.png").size) == 48


def test_a_folder_is_replaced_on_demand_and_others_files_never(write, tmp_path, labelled_folder):
    folder, _ = write()
    again = (tmp_path / "run", folder, str(labelled_folder))
    with pytest.raises(FileExistsError, match="projector exists; use --overwrite"):
        embed(*again, viewer="tensorboard")
    embed(*again, viewer="tensorboard", limit=4, overwrite=True)
    assert described(folder)[0].tensor_shape[0] == 4
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"holds more than the projector's files \(notes.txt\)"):
        embed(*again, viewer="tensorboard", overwrite=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="other exists and is no folder of the projector"):
        embed(again[0], tmp_path / "other", again[2], viewer="tensorboard", overwrite=True)
    assert (tmp_path / "other" / "notes.txt").read_text() == "mine"


def test_more_points_than_are_shown_are_refused_before_any_is_written(write, monkeypatch, tmp_path):
    monkeypatch.setattr("eigenstep.export._projector.MOST_POINTS", 20)
    with pytest.raises(ValueError, match="shows 20 points at most, got 36 images; set --limit 20"):
        write()
    assert not (tmp_path / "projector").exists()


def test_tensorboards_own_server_gives_the_features(write):
    """Its plugin tells binary tensors from text by trying."""
    folder, rows = write()
    entry = described(folder)[0]
    with pytest.raises(UnicodeDecodeError):
        projector_plugin._read_tensor_tsv_file(str(folder / entry.tensor_path))
    read = projector_plugin._read_tensor_binary_file(
        str(folder / entry.tensor_path), list(entry.tensor_shape)
    )
    assert np.array_equal(read, np.array(rows["features"], np.float32))

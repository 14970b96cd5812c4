"""Tables for viewers, read by what the viewers say that they read."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import torch
from PIL import Image
from sklearn.metrics.pairwise import cosine_distances

from eigenstep import encoders
from eigenstep.export import VIEWERS, embed
from eigenstep.training import load_images

PLAIN = ["class_name", "label", "index", "path"]


@pytest.fixture
def write(write_run, tmp_path, labelled_folder, monkeypatch):
    monkeypatch.setattr("eigenstep.images.opened._in_order.BLOCK", 8)

    def write_table(**options):
        embed(write_run(), tmp_path / "all.parquet", str(labelled_folder), **options)
        return parquet.read_table(tmp_path / "all.parquet")

    return write_table


@pytest.mark.slow
def test_embedding_atlas_gets_images_places_and_neighbours(write):
    """Its documentation: images as {bytes, path}, neighbours as {ids, distances}, ids being row numbers."""
    table = write(viewer="atlas", neighbours=4)
    last = ["image_hash", "features", "embedding"]
    assert table.column_names == [*PLAIN, "image", "x", "y", "z", "neighbours", *last]
    assert table.schema.field("image").type == pa.struct({"bytes": pa.binary(), "path": pa.string()})
    rows = table.to_pydict()
    features = np.array(rows["features"])
    distances = cosine_distances(features.astype(np.float64))
    np.fill_diagonal(distances, np.inf)
    for row, found in enumerate(rows["neighbours"]):
        assert row not in found["ids"]
        assert len(set(found["ids"])) == 4
        assert found["distances"] == sorted(found["distances"])
        np.testing.assert_allclose(found["distances"], np.sort(distances[row])[:4], atol=1e-6)
        np.testing.assert_allclose(found["distances"], distances[row, found["ids"]], atol=1e-6)


@pytest.mark.slow
def test_places_are_the_principal_components_of_the_features(write):
    rows = write(map_name="principal").to_pydict()
    features = np.array(rows["features"])
    left, singular, _ = np.linalg.svd(features - features.mean(axis=0), full_matrices=False)
    for axis, name in enumerate("xyz"):
        expected = left[:, axis] * singular[axis]
        sign = np.sign(expected @ rows[name])
        np.testing.assert_allclose(rows[name], sign * expected, atol=1e-4 * singular[0])


@pytest.mark.slow
@pytest.mark.parametrize("side", [64, 8])
def test_thumbnails_are_the_images_as_the_run_stores_them(write, settings, labelled_folder, side):
    rows = write(thumbnails=side).to_pydict()
    stored = load_images(str(labelled_folder), settings.images).images.permute(0, 2, 3, 1).numpy()
    for image, path, expected in zip(rows["image"], rows["path"], stored, strict=True):
        assert image["path"] == path
        shown = Image.open(io.BytesIO(image["bytes"]))
        assert shown.format == "PNG"
        if side == 8:
            expected = Image.fromarray(expected).resize((8, 8), Image.Resampling.BOX)
        assert np.array_equal(np.asarray(shown), np.asarray(expected))


@pytest.mark.slow
def test_class_names_stand_beside_their_numbers(write, tmp_path, labelled_folder):
    rows = write().to_pydict()
    assert rows["class_name"] == [["blue", "green", "red"][label] for label in rows["label"]]
    embed(tmp_path / "run", tmp_path / "all.npz", str(labelled_folder))
    assert np.load(tmp_path / "all.npz")["class_name"].tolist() == rows["class_name"]


@pytest.mark.slow
@pytest.mark.parametrize("viewer", sorted(set(VIEWERS) - {"tensorboard"}))
def test_rows_and_description_are_those_of_the_plain_table(write, tmp_path, labelled_folder, viewer):
    table = write(viewer=viewer)
    embed(tmp_path / "run", tmp_path / "plain.parquet", str(labelled_folder))
    plain = parquet.read_table(tmp_path / "plain.parquet")
    assert table.select(plain.column_names).equals(plain)
    assert table.schema.metadata == plain.schema.metadata
    assert parquet.read_metadata(tmp_path / "all.parquet").num_row_groups == 5
    assert not list(tmp_path.glob(".*"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("out", "options", "message"),
    [
        ("a.npz", {"viewer": "atlas"}, r"a \.parquet file for viewers, thumbnails, .* got .*a\.npz"),
        ("a.npy", {"neighbours": 3}, r"a \.parquet file for viewers"),
        ("a.parquet", {"viewer": "tensorboard"}, r"opens a folder: expected a name without a suffix"),
        ("a", {"viewer": "tensorboard", "map_name": "umap"}, "makes its own map"),
        ("a.parquet", {"viewer": "lens"}, "one of atlas, spotlight, .* as viewer, got 'lens'"),
        ("a.parquet", {"thumbnails": 0}, "--thumbnails: expected at least 1, got 0"),
        ("a.parquet", {"neighbours": -1}, "--neighbours: expected at least 1, got -1"),
        ("a.parquet", {"map_name": "globe"}, "one of principal, umap as map, got 'globe'"),
    ],
    ids=lambda value: str(value),
)
def test_what_a_viewer_does_not_take_is_refused_and_nothing_is_written(
    write_run, tmp_path, labelled_folder, out, options, message
):
    run = write_run()
    with pytest.raises(ValueError, match=message):
        embed(run, tmp_path / out, str(labelled_folder), **options)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.slow
def test_a_map_whose_library_is_missing_is_refused_in_one_line(write, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs the package umap-learn; pip install 'eigenstep\[map\]'"):
        write(map_name="umap")


@pytest.mark.slow
def test_features_that_are_not_finite_are_refused_and_leave_nothing(write, tmp_path, monkeypatch):
    encode = encoders.encode

    def spoilt(*arguments):
        features, embedding = encode(*arguments)
        features[0] = torch.nan
        return features, embedding

    monkeypatch.setattr("eigenstep.export._embed.encode", spoilt)
    with pytest.raises(ValueError, match=r"finite features .* got NaN or infinity in 5 rows"):
        write(map_name="principal")
    assert not list(tmp_path.glob("*.parquet"))

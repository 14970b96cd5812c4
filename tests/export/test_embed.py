import json

import numpy as np
import pyarrow.parquet as parquet
import pytest
import torch
from PIL import Image

from eigenstep.encoders import load_encoder
from eigenstep.export import embed
from eigenstep.training import load_images


def columns(path):
    return {
        name: np.array(values) if name in ("features", "embedding") else values
        for name, values in parquet.read_table(path).to_pydict().items()
    }


@pytest.mark.slow
def test_every_image_of_a_folder_has_its_row_in_order(write_run, tmp_path, labelled_folder):
    run = write_run()
    written = embed(run, tmp_path / "all.parquet", str(labelled_folder))
    rows = columns(tmp_path / "all.parquet")
    assert (written.count, written.labelled) == (35, True)
    assert written.broken == ["train/green/05.png (its content is of no known format of images)"]
    assert rows["index"] == [place for place in range(36) if place != 17]
    names = [f"train/{name}/{number:02d}.png" for name in ("blue", "green", "red") for number in range(12)]
    assert rows["path"] == [name for name in names if name != "train/green/05.png"]
    assert rows["label"] == [0] * 12 + [1] * 11 + [2] * 12
    assert len(set(rows["image_hash"])) == 35
    encoder = load_encoder(run)
    with torch.no_grad():
        features, embeddings = encoder(encoder.prepare([labelled_folder / path for path in rows["path"]]))
    np.testing.assert_allclose(rows["features"], features, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(rows["embedding"], embeddings, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_the_columns_are_float32_vectors_and_the_file_tells_where_it_comes_from(
    write_run, tmp_path, labelled_folder
):
    run = write_run(best=5)
    embed(run, tmp_path / "all.parquet", str(labelled_folder), "best", split="test")
    schema = parquet.read_schema(tmp_path / "all.parquet")
    assert [str(schema.field(name).type) for name in ("features", "embedding")] == [
        "fixed_size_list<element: float>[256]",
        "fixed_size_list<element: float>[5]",
    ]
    assert json.loads(schema.metadata[b"eigenstep"]) == {
        "run": str(run),
        "checkpoint": "best_00000005",
        "data": str(labelled_folder),
        "split": "test",
        "class_names": ["blue", "green", "red"],
    }
    assert parquet.read_metadata(tmp_path / "all.parquet").num_rows == 15


@pytest.mark.slow
def test_blocks_give_what_all_images_at_once_give(write_run, tmp_path, labelled_folder, monkeypatch):
    run = write_run()
    embed(run, tmp_path / "once.parquet", str(labelled_folder))
    seen = []
    monkeypatch.setattr("eigenstep.images.opened._in_order.BLOCK", 5)
    embed(
        run,
        tmp_path / "blocks.parquet",
        str(labelled_folder),
        progress=lambda done, total: seen.append((done, total)),
    )
    once, blocks = columns(tmp_path / "once.parquet"), columns(tmp_path / "blocks.parquet")
    assert parquet.read_metadata(tmp_path / "blocks.parquet").num_row_groups == 8
    assert seen == [(done, 36) for done in (*range(5, 36, 5), 36)]
    for name in once:
        if name in ("features", "embedding"):
            np.testing.assert_allclose(blocks[name], once[name], rtol=1e-4, atol=1e-5)
        else:
            assert blocks[name] == once[name]


@pytest.mark.slow
def test_numpy_files_hold_the_same(write_run, tmp_path, labelled_folder):
    run = write_run()
    for suffix in ("parquet", "npz", "npy"):
        embed(run, tmp_path / f"all.{suffix}", str(labelled_folder))
    rows = columns(tmp_path / "all.parquet")
    arrays = np.load(tmp_path / "all.npz", allow_pickle=False)
    for name in ("index", "image_hash", "path", "label", "features", "embedding"):
        assert np.array_equal(arrays[name], rows[name])
    assert arrays["features"].dtype == np.float32
    assert np.array_equal(np.load(tmp_path / "all.npy", allow_pickle=False), rows["features"])


@pytest.mark.slow
def test_the_runs_own_photographs_are_embedded_where_no_data_is_named(write_run, tmp_path, settings):
    run = write_run()
    written = embed(run, tmp_path / "own.parquet")
    rows = columns(tmp_path / "own.parquet")
    assert (written.count, written.labelled) == (40, False)
    assert "label" not in rows
    assert rows["path"] == [None] * 40
    encoder = load_encoder(run)
    with torch.no_grad():
        features, _ = encoder(encoder.prepare(load_images("photos", settings.images, settings.seed).images))
    np.testing.assert_allclose(rows["features"], features, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_limit_takes_the_first_images(write_run, tmp_path, labelled_folder):
    run = write_run()
    for limit in (4, 19):
        embed(run, tmp_path / f"{limit}.parquet", str(labelled_folder), limit=limit)
        expected = [place for place in range(limit) if place != 17]
        assert columns(tmp_path / f"{limit}.parquet")["index"] == expected


@pytest.mark.slow
def test_images_without_labels_have_no_column_of_them(write_run, tmp_path):
    (tmp_path / "flat").mkdir()
    for number in range(3):
        Image.new("RGB", (9, 9), (50 * number, 0, 0)).save(tmp_path / "flat" / f"{number}.png")
    run = write_run()
    assert not embed(run, tmp_path / "flat.npz", str(tmp_path / "flat")).labelled
    assert "label" not in np.load(tmp_path / "flat.npz")


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["parquet", "npz"])
def test_a_file_is_whole_or_as_it_was(write_run, tmp_path, labelled_folder, monkeypatch, suffix):
    run, out = write_run(), tmp_path / f"all.{suffix}"
    out.write_text("before")
    monkeypatch.setattr("eigenstep.images.opened._in_order.BLOCK", 5)

    def stop(done, total):
        if done > 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed(run, out, str(labelled_folder), overwrite=True, progress=stop)
    assert out.read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == [out.name, "run"]


@pytest.mark.slow
def test_a_data_set_of_which_nothing_can_be_decoded_is_refused(write_run, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_text("x")
    with pytest.raises(ValueError, match=r"none of its 1 images can be decoded, for example a\.png"):
        embed(write_run(), tmp_path / "all.npz", str(tmp_path / "broken"))
    assert not (tmp_path / "all.npz").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("out", "options", "message"),
    [
        ("all.csv", {}, r"a name that ends in \.parquet, \.npz, \.npy, got .*all\.csv"),
        ("there.npz", {}, r"there\.npz exists; use --overwrite"),
        ("all.npz", {"data": "cifar"}, r"unknown data set 'cifar'.*Did you mean cifar10"),
        ("all.npz", {"split": "dev"}, r"has no split 'dev'; set --images.split to one of train, test"),
        ("all.npz", {"device": "abacus"}, "device 'abacus' cannot be used here"),
        ("all.npz", {"checkpoint": "7"}, "has no checkpoint '7'"),
    ],
)
def test_what_cannot_be_embedded_is_refused_and_nothing_is_written(
    write_run, tmp_path, labelled_folder, out, options, message
):
    run = write_run()
    (tmp_path / "there.npz").write_text("before")
    with pytest.raises((ValueError, OSError), match=message):
        embed(run, tmp_path / out, **{"data": str(labelled_folder)} | options)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "there.npz"]
    assert (tmp_path / "there.npz").read_text() == "before"

from pathlib import Path

import datasets
import huggingface_hub
import numpy as np
import pytest

from eigenstep.images import ImagesConfig, load_images

SHARED = Path(__file__).parents[3] / "shared" / "data"


def load(folder, **options):
    return load_images(str(folder), ImagesConfig(size=16, **options))


def pixels(noise, *seeds):
    return np.stack([noise(16, 16, 3, seed=seed) for seed in seeds]).transpose(0, 3, 1, 2)


def test_the_only_column_of_images_is_found_whatever_its_name(write_parquet, encoded, noise):
    records = [{"bytes": encoded(seed), "path": None} for seed in range(3)]
    folder = write_parquet({"y": [0, 1, 2], "snapshot": records}, images=["snapshot"])
    assert np.array_equal(load(folder).images.numpy(), pixels(noise, 0, 1, 2))


@pytest.mark.slow
def test_of_two_columns_of_images_one_has_to_be_named(write_parquet, encoded, noise):
    columns = {name: [{"bytes": encoded(seed), "path": None}] for seed, name in enumerate(["left", "right"])}
    folder = write_parquet(columns | {"y": [0]}, images=["left", "right"])
    for name in (None, "y", "lef"):
        with pytest.raises(ValueError, match=rf"image columns \(left, right\), got {name}$"):
            load(folder, column=name)
    assert np.array_equal(load(folder, column="right").images.numpy(), pixels(noise, 1))


def test_a_table_without_images_is_refused_with_its_columns(write_parquet):
    folder = write_parquet({"x": [1], "y": [2]}, images=[])
    with pytest.raises(ValueError, match="has no column of images; its columns are x, y"):
        load(folder)


def test_images_are_found_where_the_file_no_longer_describes_itself(write_parquet, encoded, noise):
    folder = write_parquet({"img": [{"bytes": encoded(4), "path": "a.png"}], "y": [1]}, images=["img"])
    path = next(folder.iterdir())
    import pyarrow.parquet as parquet

    parquet.write_table(parquet.read_table(path).replace_schema_metadata(None), path)
    assert np.array_equal(load(folder).images.numpy(), pixels(noise, 4))


def test_rows_without_a_readable_image_are_named_by_their_place(write_parquet, encoded):
    records = [
        {"bytes": encoded(), "path": None},
        None,
        {"bytes": b"junk", "path": "junk.png"},
        {"bytes": None, "path": "gone.png"},
        {"bytes": b"", "path": None},
    ]
    found = load(write_parquet({"img": records}, images=["img"]))
    assert len(found) == 1
    assert [name.split(" (")[0] for name in found.broken] == ["image 1", "image 2", "image 3", "image 4"]
    assert "junk.png" in found.broken[1]


@pytest.mark.slow
def test_splits_are_taken_from_the_files_names(write_parquet, encoded, noise):
    for seed, split in enumerate(["train", "validation"]):
        records = [{"bytes": encoded(seed), "path": None}]
        folder = write_parquet({"img": records}, images=["img"], split=split)
    assert np.array_equal(load(folder, split="validation").images.numpy(), pixels(noise, 1))
    with pytest.raises(ValueError, match=r"no split 'test'; set --images.split to one of train, validation"):
        load(folder, split="test")


@pytest.mark.parametrize("name", ["cifar10", "nobody/nothing"])
def test_without_a_network_a_name_on_the_hub_is_refused_in_one_line(monkeypatch, name):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(
        ValueError, match=rf"there is no folder {name}, and the Hugging Face hub gave"
    ) as refused:
        load(name)
    assert "\n" not in str(refused.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "column", "stored", "split"),
    [("cifar10", "img", 32, "test"), ("imagenette96", "image", 96, "validation")],
)
def test_real_data_sets_are_read_as_the_datasets_library_decodes_them(name, column, stored, split):
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"{name} is not there: expected its Parquet files in ../shared/data/{name}")
    found = load_images(str(folder), ImagesConfig(size=stored, limit=50, split=split))
    reference = datasets.load_dataset(str(folder), split=f"{split}[:50]")
    assert (len(found), found.broken, found.enlarged) == (50, [], 0)
    for image, expected in zip(found.images, reference[column], strict=True):
        assert np.array_equal(image.permute(1, 2, 0).numpy(), np.asarray(expected.convert("RGB")))

"""Embeddings that a file holds in parts, by names, in batches or as records, are read as one array."""

import re

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from eigenstep.embeddings import open_rows

VALUES = torch.from_numpy(np.random.default_rng(0).normal(size=(50, 3)))
LABELS = torch.arange(50) % 3
NAMES = [f"img{row:02}" for row in range(50)]
BATCHES, LABEL_BATCHES = list(VALUES.split(8)), list(LABELS.split(8))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "z.pt"


def read(path, column=None):
    return torch.cat(list(open_rows(path, column).blocks(7)))


@pytest.mark.parametrize(
    ("content", "taken"),
    [
        (BATCHES, "7 batches one after another"),
        (list(VALUES.split(10)), "5 batches one after another"),
        ([batch.numpy() for batch in BATCHES], "7 batches one after another"),
        ({"epoch": 3, "features": BATCHES}, "7 batches one after another"),
        ([batch[..., None, None] for batch in BATCHES], "7 batches .*; 50×3×1×1 without axes of length one"),
        (list(VALUES), "50 vectors in the file's order"),
        (dict(zip(NAMES, VALUES, strict=True)), "50 vectors by their names, img00 to img49"),
        (dict(enumerate(VALUES[:, None])), "50 vectors by their names, 0 to 49"),
        (dict(zip(NAMES, VALUES.numpy(), strict=True)), "50 vectors by their names, img00 to img49"),
        (dict(zip(NAMES, VALUES.tolist(), strict=True)), "50 vectors by their names, img00 to img49"),
        (VALUES.tolist(), ""),
        (np.asfortranarray(VALUES.numpy()), ""),
        (VALUES.numpy().astype(">f8"), ""),
    ],
    ids=str,
)
def test_parts_of_one_width_are_rows_in_order(path, content, taken):
    torch.save(content, path)
    assert torch.equal(read(path), VALUES)
    rows = open_rows(path)
    assert (rows.count, rows.dim) == (50, 3)
    assert re.fullmatch(taken, rows.taken)


@pytest.mark.parametrize(
    "content",
    [
        [{"z": z, "label": y} for z, y in zip(BATCHES, LABEL_BATCHES, strict=True)],
        [{"z": z, "label": y} for z, y in zip(VALUES.split(10), LABELS.split(10), strict=True)],
        [{"z": z, "label": int(y)} for z, y in zip(VALUES, LABELS, strict=True)],
        [{"z": z, "label": y} for z, y in zip(VALUES.split(1), LABELS.split(1), strict=True)],
        {name: {"z": z, "label": y} for name, z, y in zip(NAMES, VALUES, LABELS, strict=True)},
        {"z": VALUES.numpy(), "label": LABELS.numpy(), "names": np.array(NAMES)},
    ],
    ids=["batches", "equal batches", "records", "batches of one", "named records", "arrays"],
)
def test_labels_stay_beside_their_rows(path, content):
    torch.save(content, path)
    rows = open_rows(path)
    assert rows.column == "z"
    assert torch.equal(rows.whole(), VALUES)
    np.testing.assert_array_equal(rows.labels()[0], LABELS.numpy())


def test_pairs_of_embeddings_and_labels_are_named_by_their_places(path):
    torch.save(list(zip(BATCHES, LABEL_BATCHES, strict=True)), path)
    rows = open_rows(path)
    assert torch.equal(rows.whole(), VALUES)
    np.testing.assert_array_equal(rows.labels("1")[0], LABELS.numpy())


def test_the_names_of_vectors_are_a_column(tmp_path, path):
    vectors = dict(zip(NAMES, VALUES, strict=True))
    torch.save(vectors, path)
    save_file({name: vector.clone() for name, vector in vectors.items()}, tmp_path / "z.safetensors")
    np.savez(tmp_path / "z.npz", **{name: vector.numpy() for name, vector in vectors.items()})
    for each in (path, tmp_path / "z.safetensors", tmp_path / "z.npz"):
        rows = open_rows(each)
        assert torch.equal(rows.whole(), VALUES)
        assert rows.labels("id")[0].tolist() == NAMES
        assert "50 vectors by their names, img00 to img49" in rows.taken


def test_a_batch_is_to_be_had_by_its_place(path):
    torch.save(BATCHES, path)
    assert torch.equal(read(path, "2"), BATCHES[2])


def test_two_tensors_of_one_length_may_be_two_views_and_are_not_joined(path):
    torch.save([VALUES, 2 * VALUES], path)
    with pytest.raises(ValueError, match="several columns of vectors; name one as column: 0"):
        open_rows(path)


@pytest.mark.parametrize(
    "content",
    [
        {"train": {"z": VALUES, "y": LABELS}, "test": {"z": VALUES[:9], "y": LABELS[:9]}},
        {f"protein{row}": torch.rand(5 + row, 3) for row in range(4)},
        (VALUES, VALUES + 1, VALUES + 2),
        [VALUES, VALUES[:, :2]],
    ],
    ids=["splits", "sequences", "layers", "widths"],
)
def test_matrices_under_names_of_their_own_are_not_joined(path, content):
    torch.save(content, path)
    with pytest.raises(ValueError, match="several columns of vectors; name one as column"):
        open_rows(path)


@pytest.mark.filterwarnings("ignore:Validating sparse tensor invariants")
def test_tensors_that_are_not_dense_are_not_joined(path):
    torch.save([VALUES.to_sparse()] * 3, path)
    with pytest.raises(ValueError, match=r"expected a column of vectors.* of values that are not dense"):
        open_rows(path)


def test_columns_of_whole_numbers_are_no_vectors(path):
    torch.save({"label": LABELS, "place": LABELS + 1}, path)
    with pytest.raises(ValueError, match="expected a column of vectors"):
        open_rows(path)


@pytest.mark.parametrize("kind", ["list", "names", "numbers"])
def test_a_vector_of_another_length_is_named_with_its_row(path, kind):
    vectors = [*VALUES[:9], VALUES[9, :2], *VALUES[10:]]
    named = " (img09)" if kind == "names" else ""
    contents = {
        "list": vectors,
        "names": dict(zip(NAMES, vectors, strict=True)),
        "numbers": [vector.tolist() for vector in vectors],
    }
    torch.save(contents[kind], path)
    with pytest.raises(ValueError) as refused:
        read(path)
    assert str(refused.value) == f"{path}: row 9{named} has 2 numbers, and others have 3"


def test_an_array_is_not_unpickled_by_numpy_and_an_object_is_not_at_all(tmp_path, path):
    class Trap:
        def __reduce__(self):
            return open, (str(tmp_path / "sprung"), "w")

    torch.save({"z": np.array([Trap(), 1], object)}, path)
    with pytest.raises(ValueError, match="holds Python objects, which are not loaded"):
        open_rows(path)
    assert not (tmp_path / "sprung").exists()
    torch.save({"z": VALUES.numpy(), "when": np.array("2020-01-01", "M8[D]"), "loss": np.float32(3)}, path)
    assert torch.equal(read(path), VALUES)

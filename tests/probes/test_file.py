import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import torch
from safetensors.torch import save_file

from eigenstep.probes import knn_probe, logistic_probe, probe_file, ridge_probe

GENERATOR = np.random.default_rng(0)
LABELS = GENERATOR.integers(0, 3, 60)
ROWS = (GENERATOR.normal(size=(60, 5)) + LABELS[:, None] * [1, 0, 0, 1, 0]).astype(np.float32)


def write(path, rows, labels):
    if path.suffix == ".npz":
        np.savez(path, embedding=rows, label=labels)
    elif path.suffix in (".pt", ".pth"):
        torch.save({"embedding": torch.from_numpy(rows), "label": torch.from_numpy(labels)}, path)
    elif path.suffix == ".safetensors":
        save_file({"embedding": torch.from_numpy(rows), "label": torch.from_numpy(labels)}, path)
    else:
        parquet.write_table(pa.table({"embedding": rows.tolist(), "label": labels}), path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".npz", ".pt", ".pth", ".safetensors", ".parquet"])
def test_files_of_any_kind_are_probed_as_their_arrays_are(tmp_path, suffix):
    train = write(tmp_path / f"train{suffix}", ROWS[:40], LABELS[:40])
    test = write(tmp_path / f"test{suffix}", ROWS[40:], LABELS[40:])
    found = probe_file(train, test, neighbours=7)
    arrays = [torch.from_numpy(part) for part in (ROWS[:40], LABELS[:40], ROWS[40:], LABELS[40:])]
    assert found.accuracies["embedding"] == {
        "knn": knn_probe(*arrays, k=7).accuracy,
        "ridge": ridge_probe(*arrays).accuracy,
        "logistic": logistic_probe(*arrays).accuracy,
    }
    assert (found.train, found.test, found.unlabelled, found.classes) == (40, 20, 0, [0, 1, 2])
    assert found.split == str(test)


def test_without_a_test_file_every_fifth_row_of_each_class_is_judged(tmp_path):
    path = write(tmp_path / "rows.npz", ROWS, LABELS)
    held_out = np.zeros(60, dtype=bool)
    for name in range(3):
        held_out[np.flatnonzero(name == LABELS)[1::5]] = True
    parts = [torch.from_numpy(each[mask]) for mask in (~held_out, held_out) for each in (ROWS, LABELS)]
    found = probe_file(path, kinds=("ridge",))
    assert found.accuracies == {"embedding": {"ridge": ridge_probe(*parts).accuracy}}
    assert (found.train, found.test) == (60 - held_out.sum(), held_out.sum())
    assert found.split == f"every fifth row of each class of {path}"


@pytest.mark.parametrize(
    ("labels", "kind", "classes", "unlabelled"),
    [
        (["cat", "dog", None] * 20, None, ["cat", "dog"], 20),
        ([1.0, 7.0, None] * 20, None, [1, 7], 20),
        ([1.0, 7.0, float("nan")] * 20, None, [1, 7], 20),
        ([True, False, None] * 20, None, [False, True], 20),
        ([-1, 1, 2] * 20, pa.int32(), [-1, 1, 2], 0),
        ([2**63 + 5, 3, 5] * 20, pa.uint64(), [3, 5, 2**63 + 5], 0),
    ],
    ids=["words", "floats with gaps", "floats with NaN", "bools", "minus one", "large"],
)
def test_labels_are_integers_or_words_and_rows_without_one_take_no_part(
    tmp_path, labels, kind, classes, unlabelled
):
    table = pa.table({"z": ROWS.tolist(), "y": pa.array(labels, kind)})
    parquet.write_table(table, tmp_path / "rows.parquet")
    found = probe_file(tmp_path / "rows.parquet", kinds=("knn",), label="y")
    assert found.classes == classes
    assert found.unlabelled == unlabelled
    assert found.train + found.test == 60 - unlabelled
    assert list(found.accuracies) == ["z"]


def test_minus_one_is_no_label_where_embed_has_written_it(tmp_path):
    description = '{"data": "photos", "split": "train"}'
    labels = np.where(LABELS == 0, -1, LABELS)
    np.savez(
        tmp_path / "rows.npz", features=ROWS, embedding=ROWS[:, :2], label=labels, description=description
    )
    found = probe_file(tmp_path / "rows.npz", kinds=("knn",))
    assert (found.classes, found.unlabelled) == ([1, 2], (LABELS == 0).sum())
    assert list(found.accuracies) == ["features", "embedding"]


def test_what_cannot_be_probed_is_refused_by_its_path(tmp_path):
    path = write(tmp_path / "rows.npz", ROWS, LABELS)
    for rows, labels, message in (
        (ROWS, LABELS + 0.5, r"expected label with a class, an integer or a word, of each of the 60 rows"),
        (ROWS, LABELS[:59], r"of each of the 60 rows of embedding, got int64 of shape \(59,\)"),
        (ROWS, np.zeros(60, int), "rows of|embedding: expected at least two classes"),
        (ROWS, np.arange(60), "expected a class with two labelled rows"),
        (
            np.full_like(ROWS, np.nan),
            LABELS,
            "embedding: expected finite numbers throughout, found .* in rows 0, 1, 2",
        ),
    ):
        write(path, rows, labels)
        with pytest.raises(ValueError, match=message) as refused:
            probe_file(path)
        assert str(refused.value).startswith(str(path))
    np.save(tmp_path / "rows.npy", ROWS)
    with pytest.raises(ValueError, match="has no labels: no column 'label'; it has 60×5 of float32"):
        probe_file(tmp_path / "rows.npy")
    write(path, ROWS, LABELS)
    words = write(tmp_path / "words.parquet", ROWS, LABELS.astype(str))
    with pytest.raises(ValueError, match=r"words.parquet: expected labels as in .*rows.npz, got <U1"):
        probe_file(path, words)

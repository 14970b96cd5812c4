import datasets
import pytest
from datasets import ClassLabel, Features, Image, Value

from eigenstep.images import ImagesConfig, find_source

FINE = ClassLabel(names=["a", "b"])
# What stands in a column of this kind.
VALUES = {"int64": [5, 7], "uint8": [2, 3], "float32": [0.5, 1.5], "string": ["dog", "cat"]}


@pytest.fixture
def described(tmp_path, png):
    """`described({"y": FINE})`: a folder of a table with two images and these columns."""

    def write(columns):
        values = {name: [1, 0] if kind is FINE else VALUES[kind.dtype] for name, kind in columns.items()}
        images = {"img": [{"bytes": png(row), "path": None} for row in range(2)]}
        table = datasets.Dataset.from_dict(images | values, Features({"img": Image(), **columns}))
        (tmp_path / "described").mkdir()
        table.to_parquet(tmp_path / "described" / "train.parquet")
        return str(tmp_path / "described")

    return write


def meaning(labels):
    return [labels.names[number] if labels.names else number for number in labels.numbers.tolist()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("columns", "label", "expected"),
    [
        ({"y": FINE}, None, ["b", "a"]),
        ({"y": FINE, "id": Value("int64"), "caption": Value("string")}, None, ["b", "a"]),
        ({"y": FINE, "id": Value("int64")}, "id", [5, 7]),
        ({"id": Value("int64"), "score": Value("float32")}, None, [5, 7]),
        ({"caption": Value("string")}, None, ["dog", "cat"]),
        ({"wide": Value("uint8")}, None, [2, 3]),
    ],
)
def test_the_column_of_labels_is_found(columns, label, expected, described):
    labels = find_source(described(columns)).labels(ImagesConfig(label=label))
    assert meaning(labels) == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("columns", "label", "message"),
    [
        ({"fine": FINE, "coarse": FINE}, None, r"--images\.label to name .* \(fine, coarse\), got None"),
        ({"id": Value("int64"), "name": Value("string")}, None, r"\(id, name\), got None"),
        ({"y": FINE}, "z", r"\(y\), got z"),
        ({"y": FINE}, "img", r"\(y\), got img"),
        ({"score": Value("float32")}, None, "has no column of labels; its columns are img, score"),
    ],
)
def test_which_column_is_meant_has_to_be_plain(columns, label, message, described):
    with pytest.raises(ValueError, match=message):
        find_source(described(columns)).labels(ImagesConfig(label=label))

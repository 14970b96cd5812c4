import pytest
from datasets import ClassLabel, Features, Image, Value

from eigenstep.images._columns import label_column
from eigenstep.training import ImagesConfig

FINE = ClassLabel(names=["a", "b"])


@pytest.mark.parametrize(
    ("columns", "label", "expected"),
    [
        ({"y": FINE}, None, "y"),
        ({"y": FINE, "id": Value("int64"), "caption": Value("string")}, None, "y"),
        ({"y": FINE, "id": Value("int64")}, "id", "id"),
        ({"id": Value("int64"), "score": Value("float32")}, None, "id"),
        ({"caption": Value("string")}, None, "caption"),
        ({"wide": Value("uint8")}, None, "wide"),
    ],
)
def test_the_column_of_labels_is_found(columns, label, expected):
    features = Features({"img": Image(), **columns})
    assert label_column("data", features, ImagesConfig(label=label)) == expected


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
def test_which_column_is_meant_has_to_be_plain(columns, label, message):
    with pytest.raises(ValueError, match=message):
        label_column("data", Features({"img": Image(), **columns}), ImagesConfig(label=label))

import numpy as np
import pytest
from sklearn.preprocessing import LabelEncoder

from eigenstep.images import read_labels


def test_numbers_stay_as_they_are():
    labels = read_labels("data", [4, 0, 7])
    assert labels.numbers.tolist() == [4, 0, 7]
    assert labels.numbers.dtype == np.int64
    assert (labels.classes, labels.names) == (8, None)


def test_described_classes_keep_their_names_and_number():
    labels = read_labels("data", [1, 0], names=["a", "b", "c"])
    assert (labels.numbers.tolist(), labels.names, labels.classes) == ([1, 0], ["a", "b", "c"], 3)
    assert labels.number(2) == 2


def test_text_is_numbered_as_by_scikit_learn_over_all_splits():
    here, there = ["dog", "ape", "dog", "10", "9"], ["cat", "ape"]
    encoder = LabelEncoder().fit(here + there)
    labels = read_labels("data", here, [there])
    assert labels.numbers.tolist() == encoder.transform(here).tolist()
    assert labels.names == encoder.classes_.tolist()
    assert labels.classes == 5
    assert [labels.number(value) for value in here] == labels.numbers.tolist()


def test_other_splits_are_not_read_for_numbers():
    def fail():
        pytest.fail("another split was read")
        yield

    assert read_labels("data", [1, 2], [fail()]).classes == 3


def test_numbers_that_are_far_apart_are_classes_in_their_order_over_all_splits():
    labels = read_labels("data", [2**63, 7, -1, 10**6, None], [[10**9], [7, -3]])
    assert labels.numbers.tolist() == [3, 0, -1, 1, -1]
    assert (labels.names, labels.classes) == (["7", "1000000", "1000000000", str(2**63)], 4)
    assert [labels.number(value) for value in (7, 10**9, -1, None)] == [0, 2, -1, -1]


@pytest.mark.parametrize(
    ("values", "stay"),
    [
        ([0, 999], True),
        ([0, 1000], False),
        (list(range(0, 1500, 9)), True),
        (list(range(0, 1500, 11)), False),
    ],
)
def test_small_numbers_and_such_as_lie_close_stay_as_they_are(values, stay):
    labels = read_labels("data", values)
    assert (labels.numbers.tolist() == values, labels.names is None) == (stay, stay)
    assert labels.classes == (max(values) + 1 if stay else len(values))


def test_a_split_of_few_large_numbers_keeps_them_where_all_splits_have_enough():
    labels = read_labels("data", [4000, 9], [range(5000)])
    assert (labels.numbers.tolist(), labels.names) == ([4000, 9], None)


def test_numbers_among_text_are_names_too():
    labels = read_labels("data", [7, "dog"])
    assert (labels.names, labels.number(7)) == (["7", "dog"], 0)


def test_what_has_no_label_is_minus_one():
    for values in ([None, 1, -1, -7], [None, "a"]):
        labels = read_labels("data", values)
        assert [number >= 0 for number in labels.numbers] == [value in (1, "a") for value in values]
        assert set(labels.numbers[labels.numbers < 0]) == {-1}
        assert labels.number(None) == -1


@pytest.mark.parametrize("values", [[], [None, None], [-1, -1]])
def test_labels_of_nothing_are_refused(values):
    with pytest.raises(ValueError, match=rf"none of the split's {len(values)} images has a label"):
        read_labels("data", values)

import math

import numpy as np
import pytest

from eigenstep.analysis import Landmark, loss_standing, place_loss
from eigenstep.losses import CLIPLoss, NegativeCosineSimilarity, NTXentLoss
from eigenstep.record import FollowedRun, RecordWriter, read_record

MARKS = [
    Landmark("chance", 5.55, "all are alike"),
    Landmark("copies of one column", 2.0, "columns are one"),
    Landmark("floor", 0.35, "partners are one"),
]


def test_the_way_is_from_chance_to_the_floor():
    found = place_loss([5.5, 4.9], MARKS)
    assert found.share == pytest.approx(0.125)
    assert found.sentence == "4.90: 12 % of the way from chance, 5.55, to the floor, 0.35"
    assert found.short == "12 % from chance to the floor"


@pytest.mark.parametrize(
    ("others", "start"), [((), "nothing learned"), (("chance",), "chance"), (("copies of one column",), None)]
)
def test_a_way_begins_at_chance_or_where_nothing_is_learned(others, start):
    marks = [Landmark("floor", 0.0, ""), *(Landmark(name, 8.0, "") for name in others)]
    if start != "chance" and start is not None:
        marks.append(Landmark(start, 8.0, ""))
    found = place_loss([2.0], marks)
    assert found.share == (0.75 if start else None)


@pytest.mark.parametrize(("value", "said"), [(6.0, "above chance"), (0.2, "below the floor")])
def test_a_loss_beyond_the_ends_is_told(value, said):
    assert place_loss([value], MARKS).short == said


def test_without_a_floor_the_distance_to_chance_is_told():
    assert place_loss([5.0], MARKS[:1]).sentence == "5.00: 0.55 below chance, 5.55"


@pytest.mark.parametrize("losses", [[], [math.nan]])
def test_nothing_is_said_without_a_loss_or_landmarks(losses):
    assert place_loss(losses, MARKS) is None
    assert place_loss([1.0], []) is None


def test_losses_that_are_not_finite_are_passed_over():
    assert place_loss([4.9, math.nan], MARKS) == place_loss([4.9], MARKS)


def test_a_loss_stays_where_five_measurements_in_a_row_agree_to_four_digits():
    assert place_loss([5.5504, 5.5496] * 2 + [5.5504], MARKS).stays_on == MARKS[0]
    assert place_loss([5.5506] + 4 * [5.55], MARKS).stays_on is None
    assert place_loss(4 * [5.55], MARKS).stays_on is None
    assert place_loss([9.0] + 5 * [2.0], MARKS).stays_on == MARKS[1]


def test_to_stay_at_the_floor_is_no_fault():
    found = place_loss(5 * [0.35], MARKS[::2])
    assert found.stays_on is None
    assert found.sentence.endswith("no fault")


def test_a_state_whose_value_is_zero_is_found_too():
    marks = [Landmark("chance", 2.0, ""), Landmark("constant embeddings", 0.0, "all are one")]
    assert place_loss(5 * [4e-4], marks).stays_on == marks[1]
    assert place_loss(5 * [6e-4], marks).stays_on is None


@pytest.mark.parametrize("share", [0.82, 0.94])
def test_a_simclr_run_that_looks_saturated_is_told_to_be_no_fault(share):
    chance, floor = (mark.value for mark in NTXentLoss(0.5).landmarks(256, 128))
    found = place_loss([chance - share * (chance - floor)], NTXentLoss(0.5).landmarks(256, 128))
    assert found.share == pytest.approx(share)
    assert found.sentence.endswith("no fault")
    assert "fault" not in place_loss([chance - 0.79 * (chance - floor)], MARKS).sentence


def test_near_a_floor_that_a_collapse_has_too_nothing_is_called_faultless():
    marks = NegativeCosineSimilarity().landmarks(256, 128)
    assert "fault" not in place_loss([-0.97], marks).sentence
    assert place_loss(5 * [-1.0], marks).stays_on.name == "constant embeddings"


def test_chance_of_one_process_alone_is_named():
    marks = CLIPLoss(gather_distributed=True).landmarks(1024, 128, processes=4)
    found = place_loss(5 * [5.545], marks)  # log 256
    assert found.short == "stays on chance in one process's batch"
    assert found.sentence.endswith("each process sees its own 256 pairs only")


def test_a_record_is_placed_by_what_it_holds(tmp_path):
    writer = RecordWriter(tmp_path / "run", 2)
    rows = {"cross_correlation": np.ones(2), "covariance": np.ones(2)}
    writer.append(0, 0.0, rows, loss=4.9)
    assert loss_standing(read_record(writer.path)) is None
    writer.write_landmarks("SimCLR", [(mark.name, mark.value, mark.says) for mark in MARKS], pairs=128)
    expected = place_loss([4.9], MARKS)
    assert loss_standing(read_record(writer.path)) == expected
    followed = FollowedRun(writer.path, "run")
    followed.refresh()
    assert loss_standing(followed.record()) == expected


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{}",
        f'{{"landmarks": [{{"name": "chance", "value": 1{"0" * 400}, "says": ""}}]}}',
        '{"landmarks": [{"name": "chance", "value": NaN, "says": ""}]}',
        '{"landmarks": [{"name": "chance"}]}',
        '{"landmarks": [{"name": 1, "value": 2, "says": ""}]}',
    ],
)
def test_a_file_that_holds_no_landmarks_is_told(tmp_path, content):
    writer = RecordWriter(tmp_path / "run", 2)
    (writer.path / "landmarks.json").write_text(content)
    with pytest.raises(ValueError, match=r"landmarks\.json holds no landmarks"):
        read_record(writer.path)

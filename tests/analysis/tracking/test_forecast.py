import numpy as np
import pytest

from eigenstep.analysis.tracking import Estimate, Growth, Upcoming, forecast_next

SMOOTH = Growth(-4.6, 0.1, 0.0, 0.001)


def mode(low, value, high, growth=SMOOTH, number=2):
    return Upcoming(number, growth, Estimate(value, low, high), plateau=1.0, plateau_spread=0.0)


def test_a_mode_that_can_be_told_is_expected_with_step_and_time():
    found = forecast_next([mode(140.0, 146.0, 152.0)], 100.0, planned_time=300.0, step_at=lambda t: 1000 * t)
    assert (found.state, found.mode) == ("expected", 2)
    assert found.half_time == (146.0, 140.0, 152.0)
    assert found.step == (146e3, 140e3, 152e3)
    assert found.sentence == (
        "Mode 3 is expected to reach half of its plateau at step 146,000 (140,000 to 152,000), "
        "t = 146 (140 to 152)."
    )


def test_a_mode_that_may_come_before_the_end_is_not_ruled_out():
    found = forecast_next([mode(140.0, 160.0, 180.0)], 100.0, planned_time=150.0)
    assert found.state == "expected"
    assert found.sentence.endswith("after the planned end at step 150.")


@pytest.mark.parametrize(
    ("waiting", "words"),
    [
        ([mode(140.0, 146.0, 152.0)], "mode 3 would come at step 146 (140 to 152)"),
        ([mode(140.0, 900.0, 9e3)], "the next would come at step 140 at the earliest"),
        ([mode(np.inf, np.inf, np.inf)], "no eigenvalue that is not learned grows"),
    ],
)
def test_no_further_mode_is_expected_if_none_can_come_before_the_end(waiting, words):
    found = forecast_next(waiting, 100.0, planned_time=130.0)
    assert found.state == "none within the planned run"
    assert found.sentence == f"No further mode is expected by the planned end at step 130: {words}."


def test_one_candidate_that_may_come_in_time_keeps_the_question_open():
    found = forecast_next(
        [mode(140.0, 900.0, 9e3), mode(110.0, 500.0, 5e3, number=3)], 100.0, planned_time=130.0
    )
    assert found.state == "not yet to be told"


def test_while_a_mode_is_rising_those_that_may_wait_for_it_are_not_ruled_out():
    waiting = [mode(np.inf, np.inf, np.inf, Growth(-9.0, -0.1, 0.01, 0.1))]
    assert forecast_next(waiting, 100.0, planned_time=130.0).state == "none within the planned run"
    assert forecast_next(waiting, 100.0, planned_time=130.0, rising=1).state == "not yet to be told"


@pytest.mark.parametrize(
    ("waiting", "why"),
    [
        (mode(110.0, 150.0, 400.0), "mode 3 may come at any time from step 110 to step 400."),
        (mode(110.0, 150.0, 4e6), "mode 3 may come at any time from step 110 on."),
        (mode(-np.inf, np.inf, np.inf, None), "there are too few records."),
        (mode(120.0, np.inf, np.inf, Growth(-9.0, -0.1, 0.2, 0.1)), "does not grow at present."),
    ],
)
def test_what_cannot_be_told_is_said_to_be_so_and_why(waiting, why):
    found = forecast_next([waiting], 100.0, planned_time=300.0)
    assert (found.state, found.half_time, found.step) == ("not yet to be told", None, None)
    assert found.sentence.startswith("When the next mode will rise cannot be said yet: ")
    assert found.sentence.endswith(why)


def test_after_the_end_of_the_run_no_mode_comes():
    found = forecast_next([mode(140.0, 146.0, 152.0)], 130.0, planned_time=130.0)
    assert found.state == "none within the planned run"
    assert found.sentence == (
        "No further mode: the planned run has ended at step 130; "
        "mode 3 would have come at step 146 (140 to 152), about 16 steps more."
    )
    assert found.steps_more == 16.0


def test_a_run_that_has_ended_says_how_many_steps_more_to_two_digits():
    waiting = [mode(350.0, 380.0, 420.0, number=4)]
    found = forecast_next(waiting, 300.0, planned_time=300.0)
    assert found.sentence == (
        "No further mode: the planned run has ended at step 300; "
        "mode 5 would have come at step 380 (350 to 420), about 80 steps more."
    )
    later = forecast_next(waiting, 300.0, planned_time=300.0, step_at=lambda time: 15.43 * time)
    assert later.steps_more == pytest.approx(80 * 15.43)
    assert later.sentence.endswith("about 1,200 steps more.")
    assert forecast_next(waiting, 299.0, planned_time=300.0).steps_more is None


def test_a_mode_that_still_grew_at_the_end_is_told_even_if_its_time_is_not():
    waiting = [mode(140.0, 900.0, 9e3)]
    found = forecast_next(waiting, 130.0, planned_time=130.0)
    assert found.steps_more is None
    assert found.sentence == (
        "No further mode: the planned run has ended at step 130; "
        "mode 3 still grew, and might have come at any time from step 140 on."
    )


def test_when_every_mode_is_learned_none_is_left():
    assert forecast_next([], 100.0).state == "none within the planned run"
    assert forecast_next([], 100.0, rising=4).state == "not yet to be told"
    assert "Mode 5 is rising" in forecast_next([], 100.0, rising=4).sentence


def test_without_an_end_nothing_is_ruled_out():
    assert forecast_next([mode(1e6, np.inf, np.inf)], 100.0).state == "not yet to be told"


@pytest.mark.parametrize(
    "unsure",
    [
        Growth(-9.0, 0.1, 0.0, 0.1),  # unsteady, and far below its plateau
        Growth(-4.0, 0.1, 0.0, 0.5),  # not a line
    ],
)
def test_unsteady_growth_is_not_told_however_short_its_interval(unsure):
    assert not mode(140.0, 146.0, 152.0, unsure).told


def test_a_mode_near_half_of_a_plateau_that_is_not_known_is_not_told():
    near = Upcoming(0, Growth(-0.5, 0.1, 0.0, 0.001), Estimate(105.0, 104.0, 106.0), 2.0, 0.8)
    assert not near.told

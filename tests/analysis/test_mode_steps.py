import numpy as np
import pytest

from eigenstep.analysis import mode_steps, modes_told, sooner


def test_the_kth_to_rise_is_the_step_at_which_k_modes_had_been_learned(forge):
    found = mode_steps(forge("run", [80.0, 30.0, 120.0]))
    np.testing.assert_allclose(found.steps, [30, 80, 120], atol=0.2)
    assert (found.step(0), found.step(4)) == (None, None)
    assert found.seconds is None
    assert found.second(1) is None


@pytest.mark.parametrize("rate", [0.01, 3.0])
def test_steps_do_not_depend_on_the_learning_rate(forge, rate):
    np.testing.assert_allclose(mode_steps(forge("run", [40.0, 90.0], rate=rate)).steps, [40, 90], atol=0.2)


def test_seconds_are_those_of_all_processes_that_trained(forge):
    # Half a second a step; from step 100 on another process whose clock begins anew, a quarter of one a step.
    clock = [0.5 * step for step in range(100)] + [0.25 * (step - 99) for step in range(100, 300)]
    found = mode_steps(forge("run", [60.0, 140.0], seconds=clock))
    by_hand = [0.5 * 60, 0.5 * 99 + 0.25 * (140 - 99)]
    np.testing.assert_allclose(found.seconds, by_hand, atol=0.1)


def test_a_clock_that_stops_before_the_modes_come_tells_no_seconds(forge):
    record = forge("run", [60.0, 140.0], seconds=[0.5 * step for step in range(300)])
    lines = (record.path / "timings.jsonl").read_text().splitlines()[:100]
    (record.path / "timings.jsonl").write_text("\n".join(lines) + "\n")
    from eigenstep.record import read_record

    assert mode_steps(read_record(record.path)).seconds is None


def test_a_run_that_learned_nothing_has_no_steps(forge):
    assert len(mode_steps(forge("run", [], steps=4))) == 0


def test_the_modes_told_are_powers_of_two_and_all_in_common():
    for first in range(20):
        for second in range(20):
            told = modes_told(first, second, 7)
            end = max(first, second) or 7
            by_hand = {k for k in (1, 2, 4, 8, 16) if k <= end} | ({min(first, second)} - {0})
            assert told == sorted(by_hand)


def test_how_many_times_sooner_is_the_first_over_the_second():
    assert sooner(620.0, 155.0) == 4.0
    assert sooner(10.0, 20.0) == 0.5
    assert [sooner(None, 2.0), sooner(2.0, None), sooner(2.0, 0.0)] == [None, None, None]

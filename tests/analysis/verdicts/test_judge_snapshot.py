import numpy as np
import pytest

from eigenstep.analysis.verdicts import judge_snapshot


@pytest.mark.parametrize("scale", [1e-14, 1.0, 1e14])
def test_an_even_spectrum_is_full_at_any_scale(scale):
    verdict = judge_snapshot(scale * np.linspace(2, 1, 50))
    assert verdict.state == "full"
    assert not verdict.alarm


@pytest.mark.parametrize("count", [1, 5, 12, 13, 40])
def test_equal_eigenvalues_count_as_the_directions_that_carry_the_variance(count):
    verdict = judge_snapshot([*np.ones(count), *np.full(128 - count, 1e-5)])
    assert verdict.evidence["directions"] == count
    assert (verdict.state == "dimensional collapse") == (count < 12.8)


def test_directions_that_are_empty_are_a_dimensional_collapse_however_many_are_left():
    assert judge_snapshot([*np.ones(70), *np.zeros(30)]).state == "dimensional collapse"
    assert judge_snapshot([*np.ones(80), *np.zeros(20)]).state == "full"


def test_directions_for_which_there_are_no_rows_are_not_empty():
    assert judge_snapshot([*np.ones(19), *np.zeros(81)], rows=20).state == "full"


def test_the_trace_tells_what_leading_eigenvalues_carry():
    assert judge_snapshot(np.ones(8), dim=512, trace=8.01).evidence["directions"] == 8
    more = judge_snapshot(np.ones(8), dim=512, trace=100.0)
    assert (more.state, more.evidence["directions_above"]) == ("full", 8)
    assert "more than 8 of 512 directions" in more.sentence


def test_one_direction_of_all_embeddings_is_a_complete_collapse_unless_their_mean_is_just_far_off():
    assert judge_snapshot([1.0, *np.full(15, 1e-4)], cosine_concentration=0.9999).state == "complete collapse"
    far = judge_snapshot(np.ones(16), cosine_concentration=0.9999)
    assert far.state == "full"
    assert "mean is far from zero (mean cosine 0.9999)" in far.sentence


def test_equal_embeddings_are_a_complete_collapse():
    assert judge_snapshot(np.zeros(16)).state == "complete collapse"

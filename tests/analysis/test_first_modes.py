from hypothesis import given
from hypothesis import strategies as st

from eigenstep.analysis import moment_of, stand_out


def by_hand(modes, learned, apart):
    """The moments as docs/faster.md says, the slow way: every one that will do, the best last."""
    if not any(learned):
        last = len(learned) - 1
        return (last, modes) if learned and apart(last, modes) else (None, modes)
    will_do = [
        (-count, place) for place, count in enumerate(learned) if count >= modes and apart(place, count)
    ]
    return (max(will_do)[1], -max(will_do)[0]) if will_do else (None, modes)


@given(st.integers(1, 5), st.lists(st.integers(0, 6), max_size=8), st.randoms(use_true_random=False))
def test_fewest_modes_that_stand_out_at_the_last_moment(modes, learned, random):
    table = [[random.random() < 0.6 for _ in range(8)] for _ in learned]
    found = moment_of(modes, learned, lambda place, count: table[place][count])
    assert (found.place, found.modes) == by_hand(modes, learned, lambda place, count: table[place][count])
    is_usual = found.place is not None and any(learned) and found.modes == modes
    assert bool(found.note) != is_usual


def test_why_there_is_no_moment_is_said():
    always, never = (lambda place, count: True), (lambda place, count: False)
    assert moment_of(3, [0, 1], always).note == "at most 1 mode learned at the moments kept"
    assert moment_of(1, [0, 1], never).note == "the first mode does not stand out at the moments kept"
    assert moment_of(2, [0, 0], never).note == (
        "no rise was seen, and the first 2 modes do not stand out at the end"
    )
    assert moment_of(2, [None, None], always) == moment_of(2, [0, 0], always)
    assert moment_of(2, [0, 0], always).note == "no rise was seen"


def test_modes_stand_out_by_twice_the_next_ones_variance():
    assert stand_out([2.0, 1.0], 1)
    assert not stand_out([1.99, 1.0], 1)
    assert not stand_out([2.0, 1.0], 2)  # there is no next one
    assert not stand_out([0.0, 0.0], 1)

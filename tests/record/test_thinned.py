import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eigenstep.record import Thinned, stride_for


@pytest.mark.slow
@given(st.lists(st.integers(1, 300), min_size=1, max_size=20), st.integers(2, 40))
def test_a_reader_told_only_what_is_new_has_what_a_reader_who_begins_now_is_told(growth, most):
    rows, known = Thinned(most), {}
    for count in np.cumsum(growth):
        rows.extend(int(count), lambda indices: [10 * index for index in indices])
        seen = max(known, default=-1) + 1
        new = rows.since(seen)
        assert all(index >= seen for index, _ in new)
        known = {index: row for index, row in known.items() if index % rows.stride == 0} | dict(new)
        assert known == dict(rows.since(0))
        assert set(known) == {*range(0, int(count), rows.stride), int(count) - 1}
        assert len(known) <= most + 1


@pytest.mark.slow
@given(st.integers(1, 10**6), st.integers(2, 5000))
def test_no_more_rows_are_left_out_than_need_be(count, most):
    stride = stride_for(count, most)
    assert len(range(0, count, stride)) <= most
    assert stride == 1 or len(range(0, count, stride // 2)) > most


def test_rows_that_cannot_be_read_at_once_are_read_the_next_time():
    rows = Thinned(8)
    rows.extend(5, lambda indices: [])
    assert rows.since(0) == []
    rows.extend(5, list)
    assert [row for _, row in rows.since(0)] == [0, 1, 2, 3, 4]

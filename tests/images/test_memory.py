import pytest

from eigenstep.images import fits_memory


@pytest.mark.parametrize(
    ("available", "processes", "fits"), [(3750, 1, True), (3749, 1, False), (7500, 2, True), (7499, 2, False)]
)
def test_images_of_all_processes_may_take_four_fifths_of_what_is_available(
    available, processes, fits, monkeypatch
):
    monkeypatch.setattr("eigenstep.images._stored.available_memory", lambda: available)
    assert fits_memory(10, 10, processes) == fits  # 3000 bytes each


def test_where_nothing_tells_the_memory_everything_fits(monkeypatch):
    monkeypatch.setattr("eigenstep.images._stored.available_memory", lambda: None)
    assert fits_memory(10**9, 1000)

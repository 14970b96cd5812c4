import pytest

from eigenstep.images import Pixels, fits_memory


@pytest.mark.parametrize(
    ("available", "processes", "fits"), [(3750, 1, True), (3749, 1, False), (7500, 2, True), (7499, 2, False)]
)
def test_images_of_all_processes_may_take_four_fifths_of_what_is_available(
    available, processes, fits, monkeypatch
):
    monkeypatch.setattr("eigenstep.images._memory.available_memory", lambda: available)
    assert fits_memory(10, 10, processes) == fits  # 3000 bytes each


@pytest.mark.parametrize(
    ("pixels", "need"),
    [(Pixels(), 3000), (Pixels(12), 12000), (Pixels(12, "uint16"), 24000), (Pixels(1, "float32"), 4000)],
)
def test_memory_is_counted_by_channels_and_depth(pixels, need, monkeypatch):
    for available, fits in ((need / 0.79, True), (need / 0.81, False)):
        monkeypatch.setattr(
            "eigenstep.images._memory.available_memory", lambda available=available: available
        )
        assert fits_memory(10, 10, pixels=pixels) == fits


def test_where_nothing_tells_the_memory_everything_fits(monkeypatch):
    monkeypatch.setattr("eigenstep.images._memory.available_memory", lambda: None)
    assert fits_memory(10**9, 1000)

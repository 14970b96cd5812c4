import pytest
import torch

from eigenstep.spectrum.moments import EmbeddingWindow, default_window


def test_the_last_samples_are_kept_in_order_whatever_the_batches():
    window, seen = EmbeddingWindow(10), []
    for n in (3, 1, 7, 4, 10, 2, 9):
        batch = torch.randn(2, n, 3)
        seen.append(batch)
        window.update(*batch)
        assert torch.equal(window.rows(), torch.cat(seen, dim=1)[:, -10:])


def test_memory_is_bounded_by_the_window_and_a_batch():
    window = EmbeddingWindow(10)
    for _ in range(50):
        window.update(torch.zeros(4, 2))
    assert window.count < 10 + 4
    assert sum(block.numel() for block in window._blocks) == window.count * 2


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_embeddings_keep_their_type_and_are_copied(dtype):
    z = torch.ones(4, 2, dtype=dtype, requires_grad=True)
    window = EmbeddingWindow(8)
    window.update(z)
    with torch.no_grad():
        z.zero_()
    assert window.rows().dtype == dtype
    assert bool((window.rows() == 1).all())
    assert not window.rows().requires_grad


def test_updating_never_asks_the_device_for_a_value():
    """A tensor on the meta device has no values: whatever needed one would raise."""
    window = EmbeddingWindow(6)
    for n in (4, 4, 9):
        window.update(*torch.zeros(2, n, 3, device="meta"))
    assert window.rows().shape == (2, 6, 3)


def test_a_window_that_was_stored_and_loaded_goes_on():
    window, loaded = EmbeddingWindow(5), EmbeddingWindow(5)
    window.update(torch.randn(4, 2))
    loaded.load_state_dict(window.state_dict())
    z = torch.randn(3, 2)
    for one in (window, loaded):
        one.update(z)
    assert torch.equal(window.rows(), loaded.rows())
    window.clear()
    loaded.load_state_dict(window.state_dict())
    assert loaded.count == 0


def test_the_default_window_is_bounded_in_numbers_and_holds_a_usual_batch():
    assert [default_window(dim) for dim in (16, 512, 1024, 8192)] == [16384, 512, 256, 256]

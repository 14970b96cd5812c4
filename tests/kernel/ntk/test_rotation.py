import pytest
import torch

from eigenstep.kernel.ntk import Rotation, UnexpectedRank


def of_rank(rank, count=20, outputs=8, channels=5, positions=3, seed=0):
    """Gradients (b, K, c_out, T) that reach each channel along `rank` directions."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(channels, outputs, rank, generator=torch.Generator().manual_seed(9)).double()
    values = torch.randn(count, rank, channels, positions, generator=generator).double()
    return torch.einsum("ckr,brct->bkct", directions, values)


def inner(gradients):
    """Sums over outputs of products, for each channel: what a kernel is made of."""
    return torch.einsum("bkct,akcs->abcts", gradients, gradients)


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_sums_over_outputs_stay_as_they_are(rank):
    gradients = of_rank(rank)
    rotation = Rotation.of(gradients)
    assert rotation.rank == rank
    later = of_rank(rank, seed=1)
    along = rotation(later).view(20, 5, rank, 3).transpose(1, 2)
    torch.testing.assert_close(inner(along), inner(later), rtol=1e-9, atol=1e-9)


def test_nothing_is_gained_where_directions_are_many_or_samples_few():
    assert Rotation.of(of_rank(5)) is None
    assert Rotation.of(of_rank(1)[:, :1]) is None
    assert Rotation.of(of_rank(1)[:2]) is None


def test_a_channel_that_was_never_reached_gets_its_directions_later():
    gradients, later = of_rank(2), of_rank(2, seed=1)
    gradients[:, :, 3] = 0
    gradients[:, :, 4, :] = gradients[:, :, 4, :1] * 0
    rotation = Rotation.of(gradients)
    both = torch.cat((gradients, later))
    along = torch.cat((rotation(gradients), rotation(later))).view(40, 5, 2, 3).transpose(1, 2)
    torch.testing.assert_close(inner(along), inner(both), rtol=1e-9, atol=1e-9)


def test_gradients_that_are_the_same_everywhere_are_seen():
    # Random signs over an even number of positions may add up to nothing.
    gradients = of_rank(1, positions=1).expand(-1, -1, -1, 16).contiguous()
    gradients[:10, :, 2] = 0
    rotation = Rotation.of(gradients[:10])
    along = torch.cat((rotation(gradients[:10]), rotation(gradients[10:])))
    torch.testing.assert_close(along.square().sum(), gradients.square().sum())


def test_more_directions_than_expected_are_refused():
    rotation = Rotation.of(of_rank(2))
    with pytest.raises(UnexpectedRank):
        rotation(of_rank(3, seed=1))

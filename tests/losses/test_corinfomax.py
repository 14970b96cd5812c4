import pytest
import torch

from eigenstep.losses import CorInfoMaxLoss, corinfomax_loss


def batches(count, n=16, d=4):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, n, d, generator=generator, dtype=torch.float64).unbind() for _ in range(count)]


@pytest.mark.parametrize("memory", [0.01, 0.6])
def test_the_covariance_remembers_what_was_before(memory):
    """The authors' recursion, view by view, over four batches."""
    loss = CorInfoMaxLoss(4, memory=memory, eps=0.02)
    state = {view: (torch.zeros(4).double(), torch.eye(4).double()) for view in range(2)}
    for pair in batches(4):
        found = loss.terms(*pair)["information"]
        expected = 0.0
        for view, z in enumerate(pair):
            unit = z / z.norm(dim=1, keepdim=True)
            mean, covariance = state[view]
            mean = memory * mean + (1 - memory) * unit.mean(0)
            rows = unit - mean
            covariance = memory * covariance + (1 - memory) * rows.T @ rows / len(rows)
            state[view] = mean, covariance
            expected += -torch.linalg.slogdet(covariance + 0.02 * torch.eye(4).double()).logabsdet / 4
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


def test_in_evaluation_mode_nothing_is_remembered():
    (first, second), loss = batches(2), CorInfoMaxLoss(4, memory=0.5)
    loss(*first)
    moved = loss(*second)
    loss = CorInfoMaxLoss(4, memory=0.5)
    loss(*first)
    loss.eval()
    assert loss(*second) == loss(*second) == moved
    assert loss(*second) != CorInfoMaxLoss(4, memory=0.5)(*second)


def test_what_is_remembered_is_saved_and_loaded():
    (first, second), loss = batches(2), CorInfoMaxLoss(4, memory=0.5)
    loss(*first)
    resumed = CorInfoMaxLoss(4, memory=0.5)
    resumed.load_state_dict(loss.state_dict())
    assert torch.equal(resumed(*second), loss(*second))


def test_two_steps_leave_no_graph_of_the_first():
    loss = CorInfoMaxLoss(4, memory=0.5)
    for z_a, z_b in batches(2):
        z_a.requires_grad_()
        loss(z_a, z_b).backward()
        assert z_a.grad.abs().max() > 0
    assert not loss.covariance.requires_grad


def test_the_twin_is_the_first_step():
    (pair,) = batches(1)
    assert torch.equal(corinfomax_loss(*pair), CorInfoMaxLoss(4)(*pair))


def test_embeddings_of_another_dimension_are_refused():
    with pytest.raises(ValueError, match="expects embeddings of 3 dimensions, got 4; make it"):
        CorInfoMaxLoss(3)(*batches(1)[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 0}, "dim expects at least 1, got 0"),
        ({"dim": 3, "memory": 1.0}, "memory expects a number from 0 up to, not including, 1, got 1.0"),
        ({"dim": 3, "eps": 0.0}, "eps expects a positive number, got 0.0"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        CorInfoMaxLoss(**options)

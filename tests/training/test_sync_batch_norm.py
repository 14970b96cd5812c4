"""Batch norms that see the batches of both processes."""

import copy

import pytest
import timm
import torch
from torch import distributed as dist
from torch import nn

from eigenstep.training import SyncBatchNorm, synchronize_batch_norms

CPU = torch.device("cpu")


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, momentum=0.3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5),
        nn.BatchNorm1d(5, affine=False),
    ).double()  # fmt: skip


def joint(counts):
    """What one process gives for the joint batch: outputs, gradients, running statistics."""
    x = torch.randn(sum(counts), 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    model = network()
    y = model(x)
    (y.square() * torch.arange(1, 6)).mean().backward()
    return x, y, model


@pytest.mark.slow
@pytest.mark.parametrize("counts", [(4, 4), (2, 5)])
def test_two_processes_give_what_one_gives_for_the_joint_batch(two_ranks, counts):
    x, y, model = joint(counts)
    results = two_ranks("sync_batch_norm", {"x": x.split(counts)})
    outputs = torch.cat([result["y"] for result in results])
    torch.testing.assert_close(outputs, y, rtol=1e-12, atol=1e-12)
    for name, parameter in model.named_parameters():
        total = sum(result["gradients"][name] for result in results)
        torch.testing.assert_close(total, parameter.grad, rtol=1e-9, atol=1e-12)
    for result in results:
        for name, buffer in model.named_buffers():
            torch.testing.assert_close(result["buffers"][name], buffer, rtol=1e-12, atol=1e-12)


@pytest.mark.slow
def test_names_and_values_of_weights_stay(tmp_path):
    model = timm.create_model("resnet18", num_classes=0)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    synchronize_batch_norms(model, CPU)
    assert sum(isinstance(module, SyncBatchNorm) for module in model.modules()) == 20
    after = model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "test_efficientnet"])
def test_without_other_processes_nothing_changes(name):
    torch.manual_seed(0)
    model, x = timm.create_model(name, num_classes=0), torch.randn(3, 3, 64, 64)
    for training in (True, False):
        plain = copy.deepcopy(model.train(training))
        torch.manual_seed(1)  # of the paths that are dropped
        expected = plain(x)
        torch.manual_seed(1)
        torch.testing.assert_close(synchronize_batch_norms(model, CPU)(x), expected)


@pytest.fixture
def group(tmp_path):
    """This process as the only one of a group."""
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/met", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("order", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize(("affine", "mean"), [(True, 10), (False, 10), (True, 2000)])
def test_it_is_as_exact_as_torchs_own_and_keeps_the_order_of_memory(group, dtype, order, affine, mean):
    plain = nn.BatchNorm2d(6, affine=affine)
    if affine:
        nn.init.uniform_(plain.weight)
        nn.init.uniform_(plain.bias)
    # Values that every type holds.
    x, towards = ((3 * torch.randn(20, 6, 5, 7) + at).bfloat16().to(memory_format=order) for at in (mean, 0))

    def passed(norm, dtype):
        values = x.to(dtype, copy=True).requires_grad_()
        y = norm(values)
        y.backward(towards.to(dtype))
        gradients = [parameter.grad for parameter in norm.parameters()]
        assert y.dtype == values.grad.dtype == dtype
        assert y.is_contiguous(memory_format=order)
        assert values.grad.is_contiguous(memory_format=order)
        return y.detach(), values.grad, *gradients, norm.running_mean, norm.running_var

    exact = passed(copy.deepcopy(plain).double(), torch.float64)
    by_torch = passed(copy.deepcopy(plain), dtype)
    found = passed(synchronize_batch_norms(nn.Sequential(plain), CPU)[0], dtype)
    for mine, theirs, right in zip(found, by_torch, exact, strict=True):
        assert (mine - right).norm() <= 1.2 * (theirs - right).norm() + 1e-6 * right.norm()

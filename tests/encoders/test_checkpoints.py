import os

import pytest
import safetensors.numpy
import torch
from torch import nn

from eigenstep.encoders import (
    Checkpoint,
    all_finite,
    copy_weights,
    find_best,
    find_checkpoints,
    load_checkpoint,
    save_best,
    save_checkpoint,
)


class Killed(BaseException):
    """What stands for a process that ends here."""


@pytest.fixture
def trained():
    """`trained(seed)`: a network with running statistics, and an optimiser with a state."""

    def train(seed=0, kind=torch.optim.AdamW):
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
        optimizer = kind(network.parameters(), lr=0.1)
        for _ in range(3):
            network(torch.randn(5, 3, 3, 3)).square().sum().backward()
            optimizer.step()
        return network, optimizer

    return train


def save(folder, step, network, optimizer, keep=2):
    weights = copy_weights({"backbone": network[:2], "projector": network[2:]})
    return save_checkpoint(folder, Checkpoint(step, weights, {"optimizer": optimizer.state_dict()}), keep)


def load(path, network, optimizer):
    checkpoint = load_checkpoint(path)
    checkpoint.restore({"backbone": network[:2], "projector": network[2:]})
    optimizer.load_state_dict(checkpoint.optimizer["optimizer"])
    return checkpoint.step


def steps(folder):
    return [int(path.name.removeprefix("step_")) for path in find_checkpoints(folder)]


def test_weights_and_the_optimizers_state_come_back_bit_by_bit(tmp_path, trained):
    (network, optimizer), (other, other_optimizer) = trained(0), trained(1)
    path = save(tmp_path, 300, network, optimizer)
    assert path == tmp_path / "step_00000300"
    assert load(path, other, other_optimizer) == 300
    for expected, found in zip(network.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(found, expected)
    inputs = torch.randn(5, 3, 3, 3)
    for model, descent in ((network, optimizer), (other, other_optimizer)):
        descent.zero_grad()
        model(inputs).square().sum().backward()
        descent.step()
    for expected, found in zip(network.parameters(), other.parameters(), strict=True):
        assert torch.equal(found, expected)


def test_a_copy_of_the_weights_is_not_moved_by_training_on(trained):
    network, optimizer = trained()
    copy = copy_weights({"network": network})["network"]
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network(torch.randn(5, 3, 3, 3)).square().sum().backward()
    optimizer.step()
    assert not torch.equal(network[1].running_mean, before["1.running_mean"])
    assert copy.keys() == before.keys()
    assert all(torch.equal(copy[name], before[name]) for name in before)


def test_weights_load_without_torch_and_without_the_optimizer(tmp_path, trained):
    network, optimizer = trained()
    path = save(tmp_path, 1, network, optimizer)
    (path / "optimizer.pt").unlink()
    weights = safetensors.numpy.load_file(path / "backbone.safetensors")
    assert {name: tensor.tobytes() for name, tensor in weights.items()} == {
        name: tensor.numpy().tobytes() for name, tensor in network[:2].state_dict().items()
    }


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW])
def test_the_optimizers_state_loads_without_running_pickled_code(tmp_path, trained, kind):
    path = save(tmp_path, 1, *trained(kind=kind))
    assert torch.load(path / "optimizer.pt", weights_only=True)["optimizer"]["param_groups"]


@pytest.mark.slow
@pytest.mark.parametrize("keep", [1, 2, 4])
def test_the_latest_ones_are_kept(tmp_path, trained, keep):
    for step in (5, 10, 99_999_999, 15):
        save(tmp_path, step, *trained(), keep=keep)
    assert steps(tmp_path) == [5, 10, 15, 99_999_999][-keep:]
    assert len(list(tmp_path.iterdir())) == keep


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["3.weight", "1.running_var"])
def test_a_weight_that_is_not_finite_is_found(trained, name, value):
    network, _ = trained()
    assert all_finite(copy_weights({"network": network}))
    network.state_dict()[name].view(-1)[0] = value
    assert not all_finite(copy_weights({"network": network}))


def test_of_the_best_weights_one_is_kept_beside_the_latest(tmp_path, trained):
    network, optimizer = trained()
    for step in (1, 2, 3):
        save(tmp_path, step, network, optimizer)
    assert find_best(tmp_path) is None
    for step in (2, 30, 4):
        assert save_best(tmp_path, step, copy_weights({"backbone": network})) == find_best(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "best_00000004",
        "step_00000002",
        "step_00000003",
    ]
    weights = safetensors.numpy.load_file(find_best(tmp_path) / "backbone.safetensors")
    assert weights.keys() == network.state_dict().keys()


def test_a_checkpoint_without_its_optimizer_is_not_gone_on_from(tmp_path, trained):
    path = save(tmp_path, 1, *trained())
    (path / "optimizer.pt").unlink()
    with pytest.raises(FileNotFoundError, match=r"is not a checkpoint to go on from: it has no optimizer.pt"):
        load_checkpoint(path)


@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_a_write_that_ends_half_way_leaves_the_old_ones(tmp_path, trained, monkeypatch, call):
    network, optimizer = trained()
    path = save(tmp_path, 1, network, optimizer)
    expected = {name: tensor.clone() for name, tensor in network.state_dict().items()}

    def end(*_, **__):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(os, call, end)
        with pytest.raises(Killed):
            save(tmp_path, 2, *trained(1), keep=1)
    assert find_checkpoints(tmp_path) == [path]
    load(path, network, optimizer)
    assert all(torch.equal(network.state_dict()[name], expected[name]) for name in expected)


def test_what_a_killed_process_left_aside_is_no_checkpoint(tmp_path, trained):
    left = tmp_path / ".step_00000007.aside"
    left.mkdir()
    (left / "model.safetensors").write_bytes(b"torn")
    assert find_checkpoints(tmp_path) == []
    save(tmp_path, 7, *trained())
    assert steps(tmp_path) == [7]
    assert not left.exists()


def test_a_removal_that_ends_half_way_leaves_no_broken_checkpoint(tmp_path, trained, monkeypatch):
    save(tmp_path, 1, *trained())

    def end(*_, **__):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", lambda path, **_: end() if path.exists() else None)
        with pytest.raises(Killed):
            save(tmp_path, 2, *trained(), keep=1)
    assert steps(tmp_path) == [2]


def test_a_folder_that_is_not_there_has_no_checkpoints(tmp_path):
    assert find_checkpoints(tmp_path / "nowhere") == []

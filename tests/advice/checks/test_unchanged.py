"""Nothing is changed by checks."""

import pickle
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from eigenstep import check
from eigenstep.losses import BarlowTwinsLoss, CorInfoMaxLoss


def state_of(*modules, optimizer):
    """Everything that a step changes, as bytes."""
    kept = [torch.get_rng_state().numpy().tobytes(), pickle.dumps(random.getstate())]
    kept.append(pickle.dumps(np.random.get_state()))  # noqa: NPY002
    for module in modules:
        kept += [(name, value.numpy().tobytes()) for name, value in module.state_dict().items()]
        kept += [(name, each.training) for name, each in module.named_modules()]
        kept += [
            (name, each.grad.numpy().tobytes(), each.requires_grad)
            for name, each in module.named_parameters()
            if each.grad is not None
        ]
    for group in optimizer.param_groups:
        kept.append({name: value for name, value in group.items() if name != "params"})
    for each in optimizer.state.values():
        kept += [(name, np.asarray(value).tobytes()) for name, value in sorted(each.items())]
    return kept


@pytest.mark.parametrize("loss", [BarlowTwinsLoss(), CorInfoMaxLoss(16)], ids=["plain", "with memory"])
def test_weights_statistics_gradients_modes_and_random_states_stay(loss, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = nn.Sequential(nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 16))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    x = torch.randn(96, 8)
    loss(model(x[:48]), model(x[48:])).backward()
    optimizer.step()  # there is a state, and there are gradients
    model[1].eval()
    loader = DataLoader(
        TensorDataset(x, x + 0.5 * torch.randn(96, 8)),
        batch_size=32,
        shuffle=True,
        generator=torch.Generator().manual_seed(3),
    )
    before, drawn = state_of(model, loss, optimizer=optimizer), loader.generator.get_state()
    found = check(model, loader, loss, optimizer)
    assert found["finite"].state == "passed"
    assert state_of(model, loss, optimizer=optimizer) == before
    assert torch.equal(loader.generator.get_state(), drawn)
    assert not list(tmp_path.iterdir())


def test_what_batches_are_drawn_from_is_put_back():
    def drawn():
        for _ in range(3):
            x = torch.randn(32, 8) + random.random() + np.random.rand()  # noqa: NPY002
            yield x, x + 0.5 * torch.randn(32, 8)

    model = nn.Linear(8, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    before = state_of(model, optimizer=optimizer)
    check(model, drawn(), BarlowTwinsLoss(), optimizer)
    assert state_of(model, optimizer=optimizer) == before

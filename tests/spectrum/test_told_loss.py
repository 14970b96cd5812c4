"""A loop's loss is placed by what the monitor was told of it."""

import json
import math
import warnings

import pytest
import torch
from torch import nn

from eigenstep import watch
from eigenstep.analysis import loss_standing
from eigenstep.losses import VICRegLoss
from eigenstep.record import read_record
from eigenstep.spectrum import SpectrumMonitor

N, D = 16, 4


def draw(seed=0, n=N):
    return torch.randn(n, D, generator=torch.Generator().manual_seed(seed))


def marks(path):
    return {name: value for name, value, _ in read_record(path).landmarks}


def test_a_monitors_loss_is_placed_and_found_to_stay(tmp_path):
    chance = math.log(2 * N - 1)
    with SpectrumMonitor(tmp_path / "run", every=1, loss="ntxent", temperature=0.5) as monitor:
        for step in range(5):
            monitor.update(draw(step), draw(step), loss=chance)
        assert monitor.loss_standing.short == "stays on chance"
    record = read_record(tmp_path / "run")
    assert loss_standing(record) == monitor.loss_standing
    said = json.loads((tmp_path / "run" / "landmarks.json").read_text())
    assert [said[key] for key in ("loss", "pairs", "dim", "processes")] == ["ntxent", N, D, 1]
    resumed = SpectrumMonitor(tmp_path / "run", every=1, resume=True, loss="ntxent", temperature=0.5)
    resumed.update(draw(), draw(), loss=chance)
    assert resumed.loss_standing.short == "stays on chance"


def test_a_loss_itself_may_be_told(tmp_path):
    monitor = SpectrumMonitor(tmp_path / "run", every=1, loss=VICRegLoss(eps=0.04))
    monitor.update(draw(), draw(), loss=1.0)
    assert marks(tmp_path / "run")["constant embeddings"] == pytest.approx(20.0)


def test_without_a_loss_nothing_is_placed(tmp_path):
    monitor = SpectrumMonitor(tmp_path / "run", every=1)
    monitor.update(draw(), draw(), loss=1.0)
    assert monitor.loss_standing is None
    assert not (tmp_path / "run" / "landmarks.json").exists()


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"temperature": 0.5}, TypeError, "temperature.*need loss="),
        ({"batch_size": 4}, TypeError, "batch_size.*need loss="),
        ({"loss": torch.tensor(1.0)}, TypeError, "a loss of eigenstep.losses, .*got Tensor"),
        ({"loss": VICRegLoss}, TypeError, "got the class VICRegLoss itself"),
        ({"loss": VICRegLoss(), "mu": 1.0}, TypeError, "mu beside a loss"),
        ({"loss": "simclear"}, ValueError, "Did you mean simclr"),
        ({"loss": "clip", "queue": 4}, ValueError, "clip has no option queue"),
        ({"loss": "clip", "batch_size": 0}, ValueError, "batch_size to be a positive integer"),
    ],
)
def test_what_cannot_be_a_loss_is_refused_before_the_loop(tmp_path, options, error, said):
    with pytest.raises(error, match=said):
        SpectrumMonitor(tmp_path / "run", **options)


def watched(tmp_path, micro_batches, views=2, **options):
    model = nn.Linear(D, D)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, "", tmp_path / "run", every=1, optimizer=optimizer, loss="clip", **options) as found:
        for _ in range(micro_batches):
            loss = sum(model(draw(seed)).square().mean() for seed in range(views))
            loss.backward()
        found.log(loss=2.0)
        optimizer.step()
    return marks(tmp_path / "run")["chance"]


def test_watch_places_the_loss_of_a_steps_pairs(tmp_path):
    assert watched(tmp_path, 1) == pytest.approx(math.log(N))


def test_of_several_micro_batches_the_loss_sees_one(tmp_path):
    assert watched(tmp_path, 3, calls=2) == pytest.approx(math.log(N))


def test_a_batch_size_that_is_told_counts(tmp_path):
    assert watched(tmp_path, 3, calls=2, batch_size=100) == pytest.approx(math.log(100))


def test_rows_of_one_view_are_taken_for_pairs_with_a_warning(tmp_path):
    with pytest.warns(UserWarning, match=r"as that of 16 pairs.*batch_size="):
        assert watched(tmp_path, 1, views=1) == pytest.approx(math.log(N))
    with warnings.catch_warnings(action="error"):
        watched(tmp_path / "told", 1, views=1, batch_size=8)


def test_landmarks_that_fail_end_no_loop(tmp_path):
    class Broken:
        def landmarks(self, pairs, dim, processes):
            raise RuntimeError("no idea")

    monitor = SpectrumMonitor(tmp_path / "run", every=1, loss=Broken())
    with pytest.warns(UserWarning, match=r"where the loss stands.*no idea.*goes on"):
        monitor.update(draw(), draw(), loss=1.0)
    assert monitor.has_measured

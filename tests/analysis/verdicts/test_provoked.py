"""Small networks on handwritten digits that are made to collapse, beside those that are not."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from eigenstep.analysis.verdicts import ALARMS, judge, judge_spectra
from eigenstep.losses import BarlowTwinsLoss, NegativeCosineSimilarity, VICRegLoss
from eigenstep.record import read_record
from eigenstep.spectrum import SpectrumMonitor

DIM = 32


@pytest.fixture
def run(tmp_path):
    """`run(make_objective, rate)`: a run's record, and the spread of its embeddings at every step."""

    def train(make_objective, rate, scale=1.0, steps=200):
        torch.manual_seed(0)
        objective = make_objective()
        digits = torch.tensor(load_digits().data, dtype=torch.float32) / 16
        last = nn.Linear(128, DIM, bias=False)
        with torch.no_grad():
            last.weight.mul_(scale)
        encoder = nn.Sequential(nn.Linear(64, 128), nn.BatchNorm1d(128), nn.ReLU(), last)
        optimizer = torch.optim.SGD([*encoder.parameters(), *objective.parameters()], lr=rate, momentum=0.9)
        spreads = []
        with SpectrumMonitor(tmp_path / "run", every=5) as monitor:
            for _ in range(steps):
                batch = digits[torch.randint(len(digits), (128,))]
                views = [batch * (torch.rand_like(batch) > 0.3) + 0.1 * torch.randn_like(batch) for _ in "ab"]
                z_a, z_b = encoder(torch.cat(views)).chunk(2)
                loss = objective(z_a, z_b)
                monitor.update(z_a, z_b, loss=loss, learning_rate=rate)
                spreads.append(float(nn.functional.normalize(z_a.detach(), dim=1).std(0).mean()))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return read_record(tmp_path / "run"), np.array(spreads)

    return train


class SimSiam(nn.Module):
    def __init__(self, stop):
        super().__init__()
        self.stop = stop
        self.loss = NegativeCosineSimilarity()
        self.predictor = nn.Sequential(
            nn.Linear(DIM, DIM), nn.BatchNorm1d(DIM), nn.ReLU(), nn.Linear(DIM, DIM)
        )

    def forward(self, z_a, z_b):
        target_a, target_b = (z.detach() if self.stop else z for z in (z_a, z_b))
        return (self.loss(self.predictor(z_a), target_b) + self.loss(self.predictor(z_b), target_a)) / 2


def barlow_twins():
    return BarlowTwinsLoss(1.0, normalize="none", center=True)


def course(record):
    """The step and the verdict of each measurement."""
    curves = {
        name: record.metrics[key]
        for name, key in [
            ("loss", "loss"),
            ("mean_norm", "measures/mean_norm"),
            ("cosine_concentration", "measures/cosine_concentration"),
        ]
    }
    times, eigenvalues = record.eigenvalues["time"], record.eigenvalues["covariance"]
    return [
        (
            int(record.eigenvalues["step"][end - 1]),
            judge_spectra(
                times[:end], eigenvalues[:end], **{name: curve[:end] for name, curve in curves.items()}
            ).state,
        )
        for end in range(1, len(times) + 1)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("stop", [False, True])
def test_simsiam_collapses_without_stop_gradient_only(run, stop):
    record, spread = run(lambda: SimSiam(stop), 0.3)
    verdicts = course(record)
    assert verdicts[-1][1] == judge(record).state
    if stop:
        assert not {state for _, state in verdicts} & {*ALARMS}
        return
    onset = int(np.argmax(spread < spread[0] / 10))
    called = next(step for step, state in verdicts if state == "complete collapse")
    assert onset > 0
    assert abs(called - onset) <= 30
    assert verdicts[-1][1] == "complete collapse"


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1.0, 1e-2])
def test_barlow_twins_at_too_large_a_rate_explodes(run, scale):
    record, _ = run(barlow_twins, 0.1, scale, steps=60)
    step = next(step for step, state in course(record) if state == "exploding")
    finite = np.isfinite(record.metrics["loss"])
    assert step <= record.metrics["step"][finite][-1] + 10
    assert judge(record).state == "exploding"


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e-7])
def test_barlow_twins_at_a_good_rate_is_growing_from_any_start(run, scale):
    record, _ = run(barlow_twins, 0.005, scale)
    found = [state for _, state in course(record)]
    assert not {*found} & {*ALARMS}
    assert judge(record).state == "growing"


@pytest.mark.slow
@pytest.mark.parametrize("variance", [0.0, 25.0])
def test_vicreg_collapses_without_its_variance_term_only(run, variance):
    record, _ = run(lambda: VICRegLoss(mu_param=variance), 0.01)
    found = {state for _, state in course(record)}
    assert (found & {*ALARMS}) == (set() if variance else {"complete collapse"})

"""The metric beside the monitor, which follows the same embeddings by its own code."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

torchmetrics = pytest.importorskip("torchmetrics")

from eigenstep.integrations.torchmetrics import SpectrumMetric  # noqa: E402
from eigenstep.spectrum import SpectrumMonitor  # noqa: E402
from eigenstep.spectrum.measures import MEASURES  # noqa: E402

pytestmark = pytest.mark.slow


def batches(count=4, samples=32, dim=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    scales = 2.0 ** -torch.arange(dim)
    for _ in range(count):
        z_a = 3 + scales * torch.randn(samples, dim, generator=generator)
        yield z_a, z_a + 0.2 * torch.randn(samples, dim, generator=generator)


def monitored(tmp_path, pairs):
    with SpectrumMonitor(tmp_path / "run", every=1000, form="all") as monitor:
        for pair in pairs:
            monitor.update(*pair)
        return monitor.compute()


@pytest.mark.parametrize("views", [1, 2])
def test_every_measure_is_the_one_that_a_monitor_has(tmp_path, views):
    pairs = [pair[:views] for pair in batches()]
    expected = monitored(tmp_path, pairs).measures
    for name in MEASURES:
        metric = SpectrumMetric(name)
        for pair in pairs:
            metric.update(*pair)
        np.testing.assert_allclose(float(metric.compute()), expected[name], rtol=1e-10)


def test_a_collection_shares_what_is_kept_and_gives_each_measure(tmp_path):
    names = ("rank_me", "effective_rank", "modes_past_half")
    collection = torchmetrics.MetricCollection({name: SpectrumMetric(name) for name in names})
    for z_a, z_b in batches():
        collection.update(z_a, z_b)
    expected = monitored(tmp_path, batches()).measures
    for name, value in collection.compute().items():
        np.testing.assert_allclose(float(value), expected[name], rtol=1e-10)


def test_a_call_gives_the_batch_alone_and_adds_it_to_all(tmp_path):
    pairs = list(batches())
    metric = SpectrumMetric("effective_rank")
    values = [float(metric(*pair)) for pair in pairs]
    alone = monitored(tmp_path / "alone", pairs[2:3]).measures["effective_rank"]
    np.testing.assert_allclose(values[2], alone, rtol=1e-10)
    whole = monitored(tmp_path / "whole", pairs).measures["effective_rank"]
    np.testing.assert_allclose(float(metric.compute()), whole, rtol=1e-10)


def test_after_a_reset_what_came_before_is_forgotten():
    first, second = batches(count=2)
    metric, fresh = SpectrumMetric(), SpectrumMetric()
    metric.update(*first)
    metric.reset()
    metric.update(*second)
    fresh.update(*second)
    assert metric.compute() == fresh.compute()


def test_what_cannot_be_measured_is_told_in_one_line():
    with pytest.raises(ValueError, match=r"expected measure to be one of .* got 'rankme'"):
        SpectrumMetric("rankme")
    metric = SpectrumMetric()
    metric.update(torch.randn(8, 4))
    with pytest.raises(ValueError, match=r"expected embeddings of shape \(n, 4\), got \(8, 5\)"):
        metric.update(torch.randn(8, 5))
    with pytest.raises(ValueError, match="no embeddings seen yet"):
        SpectrumMetric().spectrum()


WORKER = """
import sys, torch
from torch import distributed
from eigenstep.integrations.torchmetrics import SpectrumMetric
rank, folder = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)
distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
pairs, found = torch.load(f"{folder}/pairs.pt"), []
for shares in ((pairs[:3], pairs[3:]), ((), pairs)):
    metric = SpectrumMetric("effective_rank")
    for pair in shares[rank]:
        metric.update(*pair)
    found.append(float(metric.compute()))
torch.save(found, f"{folder}/rank{rank}.pt")
distributed.barrier()
distributed.destroy_process_group()
"""


def test_two_processes_tell_what_one_does_also_if_one_of_them_has_nothing(tmp_path):
    pairs = list(batches(samples=24))
    torch.save(pairs, tmp_path / "pairs.pt")
    (tmp_path / "worker.py").write_text(WORKER)
    ranks = [
        subprocess.Popen(
            [sys.executable, str(tmp_path / "worker.py"), str(rank), str(tmp_path)],
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for rank in range(2)
    ]
    for process in ranks:
        _, error = process.communicate(timeout=240)
        assert process.returncode == 0, error[-3000:]
    expected = monitored(tmp_path, pairs).measures["effective_rank"]
    for rank in range(2):
        np.testing.assert_allclose(torch.load(tmp_path / f"rank{rank}.pt"), [expected] * 2, rtol=1e-10)

"""Embeddings of 8 bits, which torch neither promotes nor sums, are measured as the numbers they stand for."""

import numpy as np
import pytest
import torch
from torch import nn

import eigenstep
from eigenstep import SpectrumMonitor
from eigenstep.probes import knn_probe
from eigenstep.record import read_record
from eigenstep.spectrum import covariance_eigenvalues, measure_file
from eigenstep.spectrum.measures import effective_rank

KINDS = [torch.float8_e4m3fn, torch.float8_e5m2]


def rows(kind, seed=0, *shape):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*(shape or (64, 6)), generator=generator).to(kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["window", "sliding", "exponential", "all"])
def test_a_monitor_measures_them_as_their_float32(kind, form, tmp_path):
    records = []
    for name, cast in (("narrow", lambda z: z), ("wide", torch.Tensor.float)):
        with SpectrumMonitor(tmp_path / name, every=1, form=form) as monitor:
            for step in range(3):
                monitor.update(cast(rows(kind, step)), cast(rows(kind, step + 100)))
        records.append(read_record(tmp_path / name).eigenvalues)
    for name in ("cross_correlation", "covariance"):
        np.testing.assert_array_equal(records[0][name], records[1][name])
    assert len(records[0]) == 3


class Narrow(nn.Module):
    def forward(self, x):
        return x.to(torch.float8_e4m3fn)


@pytest.mark.parametrize(("shape", "options"), [((32, 4), {}), ((32, 5, 4), {"layout": "ntc"})])
@pytest.mark.parametrize("group", [0.5, torch.tensor(0.5)])
def test_a_layer_that_gives_them_is_watched_at_a_rate_that_is_a_number_or_a_tensor(
    shape, options, group, tmp_path
):
    model = nn.Sequential(nn.Linear(4, 6), Narrow())
    groups = [{"params": [model[0].weight], "lr": group}, {"params": [model[0].bias], "lr": 7.0}]
    optimizer = torch.optim.SGD(groups, lr=0.1, foreach=False)
    with eigenstep.watch(model, layers=["1"], out=tmp_path / "run", every=1, **options):
        for step in range(3):
            optimizer.zero_grad()
            model(rows(torch.float32, step, *shape)).float().square().mean().backward()
            optimizer.step()
    record = read_record(tmp_path / "run")
    assert np.isfinite(record.eigenvalues["covariance"]).all()
    np.testing.assert_allclose(record.eigenvalues["time"], [0.5, 1.0, 1.5])  # the first group's


@pytest.mark.parametrize("kind", KINDS)
def test_measures_files_and_probes_take_them(kind, tmp_path):
    z = rows(kind)
    assert effective_rank(z) == effective_rank(z.float())
    np.testing.assert_array_equal(covariance_eigenvalues(z, z), covariance_eigenvalues(z.float(), z.float()))
    torch.save(z, tmp_path / "narrow.pt")
    torch.save(z.float(), tmp_path / "wide.pt")
    found, expected = (measure_file(tmp_path / f"{name}.pt") for name in ("narrow", "wide"))
    assert found.spectrum.measures == expected.spectrum.measures
    labels = torch.arange(64) % 2
    narrow, wide = (knn_probe(each, labels, each, labels, k=3) for each in (z, z.float()))
    assert narrow.accuracy == wide.accuracy

"""Two processes that share a loop record what one process with the joint batch would."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from eigenstep.record import read_record
from eigenstep.spectrum import SpectrumMonitor, watch

pytestmark = pytest.mark.slow

FORMS = {
    "window": {},
    "sliding": {"form": "sliding", "window": 60},
    "exponential": {"form": "exponential", "half_life": 2.0},
    "all": {"form": "all"},
    "one-view": {"form": "all"},
    "two-encoders": {"form": "all"},
    "two-encoders-window": {},
}
STEPS = 5


def batches(n, seed):
    """Two views, far from zero."""
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(STEPS, 2, n, 6, generator=generator) + torch.linspace(0, 1e4, 6)
    return [list(pair) for pair in z]


def joint(pair, form):
    """The views of both ranks, one below the other."""
    z_a, z_b = [torch.cat(parts) for parts in zip(*pair, strict=True)]
    if form.startswith("two-encoders"):
        return [z_a, z_b[:, :4]]
    return [z_a] if form == "one-view" else [z_a, z_b]


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    images = torch.randn(2, 3, 2, 8, 6, generator=torch.Generator().manual_seed(3))
    job = {"batches": [batches(30, 0), batches(17, 1)], "forms": FORMS, "images": images}
    torch.save(job, folder / "job.pt")
    worker = Path(__file__).with_name("rank_worker.py")
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error", worker, str(rank), folder], stderr=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    try:
        errors = [process.communicate(timeout=120)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    files = [folder / f"rank{rank}.pt" for rank in range(2)]
    assert all(file.exists() for file in files), "\n".join(errors)
    return folder, job, [torch.load(file) for file in files]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_records_the_joint_batch_of_all_ranks(ranks, form, tmp_path):
    folder, job, said = ranks
    alone = SpectrumMonitor(tmp_path, every=2, **FORMS[form])
    if form == "sliding":  # each rank brings half of the window
        own = [
            torch.cat([torch.stack(batch) for batch in part[:4]], dim=1)[:, -30:] for part in job["batches"]
        ]
        alone.update(*torch.cat(own, dim=1))
    else:
        for pair in zip(*job["batches"], strict=True):
            alone.update(*joint(pair, form))
            if alone.step == 4:
                break
    expected = alone.compute()
    record = read_record(folder / form)
    assert record.metrics["step"].tolist() == [2, 4]
    np.testing.assert_allclose(
        record.eigenvalues["cross_correlation"][1], expected.cross_correlation, rtol=1e-9
    )
    assert record.metrics["count"][1] == expected.count
    for rank in said:
        np.testing.assert_allclose(rank[form][0], expected.cross_correlation, rtol=1e-9)


@pytest.mark.parametrize("form", ["window", "all"])
def test_computing_on_demand_gives_every_rank_the_same(ranks, form, tmp_path):
    _, job, said = ranks
    alone = SpectrumMonitor(tmp_path, every=2, **FORMS[form])
    for pair in zip(*job["batches"], strict=True):
        alone.update(*joint(pair, form))
    for rank in said:
        np.testing.assert_allclose(rank[form][1], alone.compute().cross_correlation, rtol=1e-9)


def test_ranks_that_resume_agree_on_the_step_even_if_only_one_sees_the_folder(ranks):
    folder, _, said = ranks
    assert said[0]["resumed"] == said[1]["resumed"] == [5, 5]
    assert not (folder / "elsewhere").exists()


@pytest.mark.parametrize("form", ["window", "all"])
def test_a_rank_without_embeddings_in_a_step_takes_part_in_measuring_it(ranks, form, tmp_path):
    folder, job, _ = ranks
    record = read_record(folder / f"gap-{form}")
    assert record.metrics["step"].tolist() == [1, 2, 3, 4]
    assert record.metrics["count"].tolist() == [47, 47, 30, 47]
    alone = SpectrumMonitor(tmp_path, every=1)
    alone.update(*job["batches"][0][2])
    found = record.eigenvalues["cross_correlation"][2]
    np.testing.assert_allclose(found, alone.last.cross_correlation, rtol=1e-9)


def test_a_network_under_ddp_is_recorded_once_as_one_process_would(ranks, tmp_path):
    folder, job, _ = ranks
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, "2", tmp_path, every=1, probe=torch.linspace(-1, 1, 24).reshape(4, 6)):
        for x_a, x_b in torch.cat(list(job["images"]), dim=2):
            optimizer.zero_grad()
            (model(x_a) - model(x_b)).square().mean().backward()
            optimizer.step()
    expected, found = read_record(tmp_path), read_record(folder / "ddp")
    for name in ("cross_correlation", "covariance"):
        np.testing.assert_allclose(found.eigenvalues[name], expected.eigenvalues[name], rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(
        np.abs(found.projections["points"]), np.abs(expected.projections["points"]), atol=1e-4
    )
    assert found.metrics["step"].tolist() == [1, 2, 3]
    assert found.summary["state"] == "finished"


@pytest.mark.parametrize("form", ["window", "all"])
def test_a_rank_without_embeddings_at_first_takes_part_all_the_same(ranks, form, tmp_path):
    folder, job, _ = ranks
    first, second = job["batches"]
    monitor = SpectrumMonitor(tmp_path, every=1, form=form)
    monitor.update(*first[0])
    for pair in zip(first[1:3], second[1:3], strict=True):
        monitor.update(*joint(pair, form))
    found, expected = (read_record(path).eigenvalues for path in (folder / f"nothing-{form}", tmp_path))
    np.testing.assert_allclose(found["cross_correlation"], expected["cross_correlation"], rtol=1e-9)


def test_a_folder_that_the_first_rank_cannot_open_is_told_in_all_ranks(ranks):
    _, _, said = ranks
    assert said[0]["opening"] == said[1]["opening"] == ["NotADirectoryError", 0]

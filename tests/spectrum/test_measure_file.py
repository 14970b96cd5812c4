import sys

import numpy as np
import pytest
import torch

from eigenstep.spectrum import (
    covariance_eigenvalues,
    cross_correlation_eigenvalues,
    measure_file,
)
from eigenstep.spectrum.measures import cosine_concentration, effective_rank, lidar, rank_me
from eigenstep.spectrum.moments import LeadingDirections

GENERATOR = np.random.default_rng(0)
FIRST = GENERATOR.normal(size=(3000, 12)) @ np.diag(np.arange(1, 13) ** -1.0) + 3
SECOND = FIRST + 0.3 * GENERATOR.normal(size=FIRST.shape)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    """Several blocks of a small file."""
    monkeypatch.setattr("eigenstep.spectrum._measure_file.NUMBERS_IN_BLOCK", 2**13)


@pytest.mark.parametrize("kind", [".npy", ".npz", ".pt", ".safetensors", ".parquet"])
def test_one_view_in_blocks_gives_what_all_rows_at_once_give(save, kind):
    found = measure_file(save(kind, z=FIRST)).spectrum
    z = torch.from_numpy(FIRST)
    np.testing.assert_allclose(found.covariance, covariance_eigenvalues(z, z), rtol=1e-9)
    assert found.measures["effective_rank"] == pytest.approx(effective_rank(FIRST))
    assert found.measures["rank_me"] == pytest.approx(rank_me(FIRST))
    assert found.measures["cosine_concentration"] == pytest.approx(cosine_concentration(FIRST))
    assert found.count == 3000


def test_two_views_are_two_columns_or_two_files_row_by_row(tmp_path, save):
    np.save(tmp_path / "a.npy", FIRST)
    np.save(tmp_path / "b.npy", SECOND)
    path = save(".npz", a=FIRST, b=SECOND)
    for found in (
        measure_file(tmp_path / "a.npy", second=tmp_path / "b.npy"),
        measure_file(path, "a", second_column="b"),
        measure_file(path, "a", second=path, second_column="b"),
        measure_file(path, "a", second=tmp_path / "b.npy"),
    ):
        expected = cross_correlation_eigenvalues(*map(torch.from_numpy, (FIRST, SECOND)), center=True)
        np.testing.assert_allclose(found.spectrum.cross_correlation, expected, rtol=1e-9)
        assert found.spectrum.measures["lidar"] == pytest.approx(lidar(np.stack([FIRST, SECOND], axis=1)))


def test_rows_that_are_not_finite_are_left_out_and_counted(save):
    holed = np.insert(FIRST, [5, 700], np.nan, axis=0)
    holed[2000, 3] = np.inf
    found = measure_file(save(".npy", z=holed)).spectrum
    assert (found.nonfinite, found.count) == (3, 2999)
    np.testing.assert_allclose(
        found.covariance, measure_file(save(".npy", z=np.delete(FIRST, 1998, axis=0))).spectrum.covariance
    )


@pytest.mark.parametrize("dim", [4, 40])
@pytest.mark.parametrize("finite", [0, 1])
def test_a_file_without_two_finite_rows_is_refused(save, dim, finite):
    values = np.full((9, dim), np.nan)
    values[:finite] = 1.0
    with pytest.raises(
        ValueError, match=f"got {finite} of 9; found missing or non-finite values in rows {finite}, "
    ):
        measure_file(save(".npy", z=values))


def test_fewer_rows_than_dimensions_have_as_many_directions_and_are_not_collapsed(save):
    values = GENERATOR.normal(size=(40, 5000)).astype(np.float32)
    found = measure_file(save(".npy", z=values))
    assert found.spectrum.covariance.shape == (5000,)
    z = torch.from_numpy(values)
    np.testing.assert_allclose(found.spectrum.covariance[:39], covariance_eigenvalues(z, z)[:39], rtol=1e-6)
    assert found.verdict.state == "full"


def test_of_many_dimensions_the_leading_eigenvalues_and_the_trace_are_found(save, monkeypatch):
    monkeypatch.setattr("eigenstep.spectrum._measure_file.LEADING_EIGENVALUES", 6)
    monkeypatch.setattr(
        "eigenstep.spectrum._measure_file.LeadingDirections",
        lambda count: LeadingDirections(count, largest_dense=10),
    )
    found = measure_file(save(".npy", z=FIRST))
    z = torch.from_numpy(FIRST)
    expected = covariance_eigenvalues(z, z)
    np.testing.assert_allclose(found.spectrum.covariance, expected[:6], rtol=1e-6)
    assert found.verdict.evidence["variance"] == pytest.approx(expected.sum())
    assert found.verdict.evidence["directions_above"] == 6
    assert "more than 6 of 12 directions" in found.verdict.sentence


@pytest.mark.parametrize(
    ("spectrum", "state"),
    [
        (np.ones(20), "full"),
        ([1, *np.full(19, 1e-8)], "dimensional collapse"),
        (np.zeros(20), "complete collapse"),
    ],
)
def test_the_verdict_is_that_of_one_moment(save, spectrum, state):
    values = GENERATOR.normal(size=(500, 20)) * np.sqrt(spectrum) + 1
    assert measure_file(save(".npy", z=values)).verdict.state == state


def test_progress_counts_rows_to_the_last(save):
    told = []
    measure_file(save(".npy", z=FIRST), progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (3000, 3000)
    assert len(told) > 3
    assert told == sorted(told)


def test_views_of_two_shapes_are_refused(tmp_path, save):
    np.save(tmp_path / "b.npy", SECOND[:-1])
    with pytest.raises(ValueError, match="two views of one shape, got 3000×12 and 2999×12"):
        measure_file(save(".npy", z=FIRST), second=tmp_path / "b.npy")


def test_more_dimensions_than_memory_holds_are_refused_before_anything_is_read(save, monkeypatch):
    monkeypatch.setattr("eigenstep.spectrum._measure_file.available_memory", lambda: 1000)
    with pytest.raises(
        ValueError, match="the covariance of 12 dimensions needs 0 GB, and 0 GB of memory are free"
    ):
        measure_file(save(".npy", z=FIRST))


def own_memory():
    """Bytes of this process that are not pages of files."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon"))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads its own memory from Linux's /proc")
@pytest.mark.parametrize("kind", [".npy", ".npz", ".pt", ".safetensors", ".parquet"])
def test_memory_does_not_grow_with_the_file(save, kind, monkeypatch):
    monkeypatch.setattr("eigenstep.spectrum._measure_file.NUMBERS_IN_BLOCK", 2**15)
    rows = np.random.default_rng(0).normal(size=(150_000, 64)).astype(np.float32)
    measure_file(save(kind, z=rows[:15_000]))  # what allocators keep for themselves, they have from now on
    path = save(kind, z=rows)
    size = path.stat().st_size
    assert size > 38e6
    before, held = own_memory(), []
    measure_file(path, progress=lambda done, total: held.append(own_memory()))
    assert len(held) > 200
    assert max(held) - before < size / 5

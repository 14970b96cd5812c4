"""Two encoders' embeddings, of two dimensions: singular values of their cross-covariance."""

import json

import numpy as np
import pytest
import torch

from eigenstep.analysis import analyse, judge
from eigenstep.record import read_record
from eigenstep.spectrum import (
    RectangularSpectrum,
    SpectrumMonitor,
    cross_covariance_singular_values,
    rectangular_spectrum_of,
)
from eigenstep.spectrum.measures import rank_me
from eigenstep.spectrum.moments import two_sides_of_rows

FORMS = [{}, {"form": "sliding", "window": 50}, {"form": "exponential", "half_life": 2.0}, {"form": "all"}]


def batches(count, n=32, dims=(5, 3)):
    generator = torch.Generator().manual_seed(0)
    for _ in range(count):
        shared = torch.randn(n, 2, generator=generator)
        yield tuple(
            shared @ torch.ones(2, dim).tril() + torch.randn(n, dim, generator=generator) + dim
            for dim in dims
        )


def by_numpy(z_a, z_b, weights=None, center=True):
    """Singular values and vectors, summed pair by pair."""
    a, b = z_a.double().numpy(), z_b.double().numpy()
    weights = np.ones(len(a)) if weights is None else weights
    weights = weights / weights.sum()
    if center:
        a, b = a - weights @ a, b - weights @ b
    cross = sum(weight * np.outer(left, right) for weight, left, right in zip(weights, a, b, strict=True))
    return np.linalg.svd(cross)


@pytest.mark.parametrize("options", FORMS, ids=str)
def test_every_form_measures_the_singular_values_of_the_pairs_with_its_weights(tmp_path, options):
    pairs, every = list(batches(8)), 4
    with SpectrumMonitor(tmp_path, every=every, **options) as monitor:
        for z_a, z_b in pairs:
            monitor.update(z_a, z_b)
    z_a, z_b = (torch.cat(side) for side in zip(*pairs, strict=True))
    weights = np.zeros((8, 32))
    if not options:
        weights[-every:] = 1
    elif options["form"] == "sliding":
        weights.reshape(-1)[-50:] = 1
    else:
        weights[:] = 0.5 ** ((8 - np.arange(1, 9)[:, None]) / options.get("half_life", np.inf))
    rows = read_record(tmp_path).eigenvalues
    _, values, _ = by_numpy(z_a, z_b, weights.reshape(-1))
    np.testing.assert_allclose(rows["cross_correlation"][1], values, rtol=1e-9)
    assert (rows["covariance_a"].shape, rows["covariance_b"].shape) == ((2, 5), (2, 3))
    for name, z in (("covariance_a", z_a), ("covariance_b", z_b)):
        covariance = np.cov(z.double().numpy().T, aweights=weights.reshape(-1), ddof=0)
        np.testing.assert_allclose(rows[name][1], np.linalg.eigvalsh(covariance)[::-1], rtol=1e-9)


@pytest.mark.parametrize("n", [40, 6])
@pytest.mark.parametrize("center", [True, False])
def test_singular_values_and_vectors_are_those_of_the_whole_matrix(n, center):
    """With more rows than dimensions, and with fewer, where the rows' Gram matrix is decomposed."""
    ((z_a, z_b),) = batches(1, n, (9, 7))
    left, values, right = by_numpy(z_a, z_b, center=center)
    np.testing.assert_allclose(cross_covariance_singular_values(z_a, z_b, center=center), values, atol=1e-9)
    found = rectangular_spectrum_of(
        two_sides_of_rows(z_a, z_b), step=0, time=0.0, center=center, kept=(9, 7), eigenvectors=True
    )
    np.testing.assert_allclose(found.cross_correlation, values, atol=1e-9)
    some = 3
    signs = np.sign(np.diag(found.eigenvectors[:, :some].T @ left[:, :some]))
    np.testing.assert_allclose(found.eigenvectors[:, :some] * signs, left[:, :some], atol=1e-7)
    np.testing.assert_allclose(found.eigenvectors_b[:, :some] * signs, right[:some].T, atol=1e-7)


def test_measures_of_each_side_are_those_of_its_embeddings(tmp_path):
    monitor = SpectrumMonitor(tmp_path)
    ((z_a, z_b),) = batches(1, n=200)
    monitor.update(z_a, z_b)
    found = monitor.compute()
    assert isinstance(found, RectangularSpectrum)
    for letter, z in (("a", z_a), ("b", z_b)):
        assert found.measures[f"rank_me_{letter}"] == pytest.approx(rank_me(z), rel=1e-6)
        norm = float(z.double().norm(dim=1).mean())
        assert found.measures[f"mean_norm_{letter}"] == pytest.approx(norm, rel=1e-6)
    assert found.measures["modes_past_half"] == (found.cross_correlation >= 0.5).sum()


def test_equal_dimensions_give_singular_values_where_they_are_asked_for(tmp_path):
    """A rotation of one encoder's embeddings leaves them as they are, and not the eigenvalues of C."""
    ((z_a, z_b),) = batches(1, n=64, dims=(4, 4))
    turn = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(1))).Q
    found = {}
    for modes in (None, "eigenvalues", "singular_values"):
        for name, z in (("as it is", z_b), ("turned", z_b @ turn)):
            monitor = SpectrumMonitor(tmp_path / f"{modes} {name}", modes=modes)
            monitor.update(z_a, z)
            found[modes, name] = monitor.compute().cross_correlation
    np.testing.assert_array_equal(found[None, "as it is"], found["eigenvalues", "as it is"])
    one, other = found["singular_values", "as it is"], found["singular_values", "turned"]
    np.testing.assert_allclose(one, other, rtol=1e-5)
    assert not np.allclose(found[None, "as it is"], found[None, "turned"], rtol=0.1)


def test_a_pair_one_side_of_which_is_not_finite_is_left_out_of_both(tmp_path):
    ((z_a, z_b),) = batches(1)
    broken_a, broken_b = z_a.clone(), z_b.clone()
    broken_a[3, 0], broken_b[7, 2] = torch.nan, torch.inf
    whole = [row for row in range(32) if row not in (3, 7)]
    monitors = [SpectrumMonitor(tmp_path / name) for name in "ab"]
    monitors[0].update(broken_a, broken_b)
    monitors[1].update(z_a[whole], z_b[whole])
    one, other = (monitor.compute() for monitor in monitors)
    assert (one.nonfinite, one.count) == (2, 30)
    for name in other.columns:
        np.testing.assert_allclose(one.columns[name], other.columns[name], rtol=1e-12)


@pytest.mark.parametrize(
    ("shapes", "options", "message"),
    [
        (
            [(6, 5), (7, 3)],
            {},
            r"as many rows of z_a as of z_b, .* got \(6, 5\) and \(7, 3\); give both sides",
        ),
        ([(6, 5), (6, 3)], {"modes": "eigenvalues"}, r"shape \(n, 5\), got \(6, 5\) and \(6, 3\)"),
        ([(6, 5), (6, 3)], {"dim": 5}, r"shape \(n, 5\), got \(6, 5\) and \(6, 3\)"),
        ([(6, 5), (6, 3)], {"dim": (5, 4)}, r"\(n, 5\) and \(n, 4\), got \(6, 5\) and \(6, 3\)"),
        ([(6, 5)], {"dim": (5, 4)}, "got z_a alone; give z_b too"),
        ([(6, 5)], {"modes": "singular_values"}, "expected z_a and z_b"),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_line(tmp_path, shapes, options, message):
    monitor = SpectrumMonitor(tmp_path, **options)
    with pytest.raises(ValueError, match=message) as refused:
        monitor.update(*(torch.randn(shape) for shape in shapes))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"modes": "both"}, "expected modes to be one of eigenvalues, singular_values or None, got 'both'"),
        ({"modes": "eigenvalues", "dim": (3, 2)}, r"expected one dimension d .*'eigenvalues', got \(3, 2\)"),
        ({"modes": "singular_values", "dim": 3}, r"two dimensions \(d_a, d_b\) .*'singular_values', got 3"),
        ({"dim": (3, 0)}, r"expected two positive numbers as dim, \(d_a, d_b\), got \(3, 0\)"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        SpectrumMonitor(tmp_path, **options)


@pytest.mark.parametrize("options", FORMS, ids=str)
def test_a_monitor_that_is_resumed_has_the_same_record(tmp_path, options):
    pairs = list(batches(9))
    with SpectrumMonitor(tmp_path / "whole", every=2, **options) as monitor:
        for pair in pairs:
            monitor.update(*pair)
    monitor = SpectrumMonitor(tmp_path / "run", every=2, **options)
    for pair in pairs[:5]:
        monitor.update(*pair)
    torch.save(monitor.state_dict(), tmp_path / "state.pt")
    for pair in pairs[5:7]:
        monitor.update(*pair)
    resumed = SpectrumMonitor(tmp_path / "run", every=2, resume=True, **options)
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    for pair in pairs[5:]:
        resumed.update(*pair)
    resumed.close()
    for name in ("spectrum/eigenvalues.bin", "metrics.jsonl", "config.yaml"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    settings = json.loads((tmp_path / "run" / "config.yaml").read_text())["monitor"]
    assert (settings["dim"], settings["modes"]) == ([5, 3], "singular_values")


def test_the_verdict_is_of_the_side_that_has_collapsed(tmp_path):
    generator = torch.Generator().manual_seed(0)
    with SpectrumMonitor(tmp_path, every=1) as monitor:
        for _ in range(25):
            z_a = torch.randn(64, 6, generator=generator)
            monitor.update(z_a, torch.ones(64, 4), loss=1.0)
    record = read_record(tmp_path)
    assert record.is_rectangular
    verdict = judge(record)
    assert verdict.state == "complete collapse"
    assert verdict.sentence.startswith("Second encoder: complete collapse: all embeddings are equal")
    assert analyse(record).learned == 0

"""Newton-Schulz iterations in batches, on Gram matrices and in other types, beside the plain ones."""

import pytest
import torch
from timm.optim.muon import resolve_ns_coefficients, zeropower_via_newtonschulz

from eigenstep.optim import compute_dtype, orthogonalize

QUINTIC = [
    (4.0848, -6.8946, 2.9270),
    (3.9505, -6.3029, 2.6377),
    (3.7418, -5.5913, 2.3037),
    (2.8769, -3.1427, 1.2046),
    (2.8366, -3.0525, 1.2012),
]
SHAPES = [(8, 8), (8, 11), (11, 8), (16, 144), (144, 16), (4, 500), (1, 5)]
SPECTRA = {
    "flat": lambda count: torch.ones(count),
    "decaying": lambda count: 10 ** (-8 * torch.arange(count) / count),
    "one large": lambda count: torch.tensor([1.0] + [1e-3] * (count - 1)),
    "low rank": lambda count: torch.tensor([1.0] * 4 + [0.0] * (count - 4)),
}


def plainly(matrix):
    """The twin: iterations as they are written, in float64, a matrix at a time."""
    x = matrix.double()
    x = x / x.norm()
    for a, b, c in QUINTIC:
        gram = x @ x.T
        x = a * x + b * gram @ x + c * gram @ gram @ x
    return x


def with_spectrum(name, rows, columns):
    generator = torch.Generator().manual_seed(0)
    smaller = min(rows, columns)
    left, right = (
        torch.linalg.qr(torch.randn(side, smaller, generator=generator, dtype=torch.float64))[0]
        for side in (rows, columns)
    )
    return (left * SPECTRA[name](smaller).double()) @ right.T


@pytest.mark.parametrize("shape", SHAPES)
def test_a_batch_is_what_each_matrix_gives_alone_in_float64(shape):
    matrices = torch.randn(3, 2, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = orthogonalize(matrices)
    expected = torch.stack([plainly(each) for each in matrices.flatten(0, 1)]).reshape(matrices.shape)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("shape", [(64, 70), (64, 576), (576, 64)])
def test_float32_keeps_to_float64_whatever_the_spectrum(name, shape):
    matrix = with_spectrum(name, *shape)
    found, expected = orthogonalize(matrix.float(), torch.float32), plainly(matrix)
    assert found.dtype == torch.float32
    assert (found - expected).norm() < 2e-3 * expected.norm()


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("shape", [(64, 70), (64, 576), (576, 64), (256, 600)])
def test_bfloat16_on_gram_matrices_errs_no_more_than_timms_iterations_in_it(name, shape):
    matrix = with_spectrum(name, *shape).float()
    expected, found = plainly(matrix), orthogonalize(matrix, torch.bfloat16)
    timms = zeropower_via_newtonschulz(matrix, 5, resolve_ns_coefficients(QUINTIC, {}))
    rounding = 0.02 * expected.norm()
    assert found.dtype == torch.float32
    assert (found - expected).norm() < 1.1 * (timms.double() - expected).norm() + rounding
    assert torch.linalg.matrix_norm(found, 2) < 1.25


def test_singular_values_come_near_one_and_singular_vectors_stay():
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(20, 30, generator=generator, dtype=torch.float64)
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    assert (values / values.norm()).min() > 0.003
    turned = left.T @ orthogonalize(matrix) @ right.T
    assert (turned.diagonal() - 1).abs().max() < 0.16
    assert (turned - torch.diag(turned.diagonal())).abs().max() < 1e-12


def test_every_singular_value_above_three_thousandths_comes_within_the_stated_bounds():
    values = torch.logspace(-2.52, 0, 2000, dtype=torch.float64)
    for a, b, c in QUINTIC:
        values = a * values + b * values**3 + c * values**5
    assert 0.84 < values.min() < values.max() < 1.16


def test_the_scale_of_a_matrix_does_not_matter_and_nothing_stays_nothing():
    matrix = torch.randn(5, 9, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(orthogonalize(1e-3 * matrix), orthogonalize(1e3 * matrix))
    assert not orthogonalize(torch.zeros(2, 5, 9)).any()


@pytest.mark.parametrize("wrong", [torch.ones(3), torch.ones(3, 3, dtype=torch.int64)])
def test_what_is_no_matrix_is_refused(wrong):
    with pytest.raises(ValueError, match=r"expected floating-point matrices \(\.\.\., m, n\), got torch"):
        orthogonalize(wrong)


@pytest.mark.parametrize(
    ("amx", "side", "expected"),
    [(True, 128, torch.bfloat16), (True, 127, torch.float32), (False, 512, torch.float32)],
)
def test_bfloat16_is_for_large_matrices_on_cpus_with_amx(monkeypatch, amx, side, expected):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert compute_dtype(torch.float32, torch.device("cpu"), side) == expected
    assert compute_dtype(torch.float64, torch.device("cpu"), side) == torch.float64
    matrix = torch.randn(side, side + 20, generator=torch.Generator().manual_seed(0))
    exact = (orthogonalize(matrix) - plainly(matrix)).norm() < 1e-4 * side**0.5
    assert exact == (expected == torch.float32)


@pytest.mark.parametrize(("supported", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_bfloat16_is_for_gpus_that_compute_in_it(monkeypatch, supported, expected):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: supported)
    assert compute_dtype(torch.float32, torch.device("cuda"), 8) == expected

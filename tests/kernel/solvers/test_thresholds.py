"""Thresholds of the solvers: each of these tests fails when one of them is changed."""

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import rbf_kernel

from eigenstep import ContrastiveKernelPCA
from eigenstep.kernel.functions import make_kernel
from eigenstep.kernel.solvers import (
    ALONE,
    KrylovBasis,
    NystromAccumulator,
    SolverSettings,
    choose_landmarks,
    choose_solver,
    krylov_modes,
)


class Matrix:
    def __init__(self, matrix):
        self.matrix = torch.as_tensor(matrix)

    def product(self, block):
        return self.matrix.to(block) @ block


def problem(size=300, decay=0.8):
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(size, size)) * np.arange(1, size + 1) ** -decay
    pairs = rng.normal(size=(size, size))
    return Matrix(factor @ factor.T), Matrix((pairs + pairs.T) / size)


def start(size, width):
    return torch.randn(size, width, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def grown(kernel, pairs, blocks, width=8):
    """A basis of so many blocks."""
    first = start(len(kernel.matrix), width)
    basis = KrylovBasis(len(first), 200, first, ALONE)
    block = basis.orthonormal(first)
    for _ in range(blocks):
        image = kernel.product(block)
        basis.append(block, image, pairs.product(image))
        block = basis.next_block()
    return basis


def whole(basis):
    return basis.combine(np.eye(basis.n_columns))


def test_a_restart_keeps_the_best_ritz_pairs_and_what_continues_them():
    kernel, pairs = problem()
    basis = grown(kernel, pairs, 5)
    before = basis.ritz(12)
    best = basis.combine(before.coordinates)[0]
    basis.restart(12)
    after = basis.ritz(12)
    assert basis.n_columns == 12
    np.testing.assert_allclose(after.eigenvalues, before.eigenvalues, rtol=1e-10)
    kept, images = whole(basis)
    torch.testing.assert_close(kept.T @ kept, torch.eye(12).double(), rtol=0, atol=1e-12)
    torch.testing.assert_close(images, kernel.product(kept))
    torch.testing.assert_close(kept @ (kept.T @ best), best)
    # With the block that follows, the basis holds the image of all that was kept, as of any Krylov basis.
    image = pairs.product(kernel.product(kept))
    both = torch.cat((kept, basis.next_block()), dim=1)
    assert both.shape[1] == 20
    torch.testing.assert_close(both.T @ both, torch.eye(20).double(), rtol=0, atol=1e-12)
    left = image - both @ (both.T @ image)
    assert float(left.norm()) < 1e-9 * float(image.norm())


def test_what_is_kept_of_the_images_beyond_the_basis_stays_right_over_restarts():
    # A K~ B = B H + R E with R orthogonal to B, of which residuals are estimated.
    kernel, pairs = problem()
    basis = grown(kernel, pairs, 5)
    for _ in range(2):
        basis.restart(12)
        for blocks in range(3):
            if blocks:
                block = basis.next_block()
                image = kernel.product(block)
                basis.append(block, image, pairs.product(image))
            kept, images = whole(basis)
            projected = torch.from_numpy(basis._h[: basis.n_columns, : basis.n_columns].copy())
            beyond = basis._remainder @ torch.from_numpy(basis._tail)
            torch.testing.assert_close(
                pairs.product(images), kept @ projected + beyond, rtol=0, atol=1e-12 * float(images.norm())
            )
            assert float((kept.T @ basis._remainder).norm()) < 1e-12 * float(images.norm())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("max_columns", "lengths"),
    # Blocks of 8 on top of the 4 + 8 kept; never less room than for 4 + 3 x 8.
    [(40, (40, 36)), (44, (40, 44)), (1, (24, 28))],
)
def test_the_basis_restarts_when_no_block_fits_and_keeps_the_modes_and_a_block(
    monkeypatch, max_columns, lengths
):
    kernel, pairs = problem(decay=0.5)
    seen, restart = [], KrylovBasis.restart

    def watched(self, n_modes):
        seen.append((self.n_columns, n_modes))
        restart(self, n_modes)

    monkeypatch.setattr(KrylovBasis, "restart", watched)
    modes = krylov_modes(
        kernel, pairs, start(300, 8), 4, tolerance=1e-13, max_passes=21, max_columns=max_columns
    )
    assert modes.passes == 21
    first, later = lengths
    # One product of the 21 measures the residuals; the first restart is after first / 8 blocks.
    restarts = 1 + (20 - first // 8) // ((later - 12) // 8)
    assert seen == [(first, 12)] + [(later, 12)] * (restarts - 1)


def test_residuals_are_looked_at_from_four_columns_a_mode_and_a_block_on():
    kernel, pairs = problem(decay=0.1)
    worst = []
    krylov_modes(
        kernel,
        pairs,
        start(300, 4),
        3,
        tolerance=1e-12,
        max_passes=10,
        max_columns=300,
        progress=lambda passes, residual: worst.append(residual),
    )
    assert np.isinf(worst[:3]).all()
    assert np.isfinite(worst[3:]).all()


@pytest.mark.parametrize(("dtype", "eps"), [(torch.float64, 2**-52), (torch.float32, 2**-23)])
def test_directions_of_the_kernel_below_fifty_roundings_are_left_out(dtype, eps):
    squares = [1.0, 0.5, 60 * eps, 40 * eps, 0.0]
    kernel, pairs = Matrix(np.diag(squares)), Matrix(np.eye(5))
    block = torch.eye(5, dtype=dtype)
    basis = KrylovBasis(5, 10, block, ALONE)
    image = kernel.product(block)
    basis.append(block, image, pairs.product(image))
    np.testing.assert_allclose(basis.ritz(5).eigenvalues, squares[:3], rtol=1e-6)


def captured(monkeypatch, name):
    """The arguments of the first call of a private function, which goes no further."""
    seen = []

    class Enough(Exception):
        pass

    def stop(*arguments, **options):
        seen.append((arguments, options))
        raise Enough

    monkeypatch.setattr(f"eigenstep.kernel.{name}", stop)

    def call(model, *rows):
        with pytest.raises(Enough):
            model.fit(*rows)
        return seen[-1]

    return call


@pytest.mark.parametrize(
    ("dtype", "tol", "goal", "acceptable"),
    [
        (np.float64, None, 1e-6, 1e-5),
        (np.float32, None, 5e-4, 1e-2),
        (np.float64, 1e-3, 1e-3, 3e-3),
        (np.float32, 1e-3, 1e-3, 3e-3),
    ],
)
def test_the_residual_aimed_at_and_the_one_taken_without_a_warning(monkeypatch, dtype, tol, goal, acceptable):
    call = captured(monkeypatch, "_estimator.solve")
    (_, settings, _), _ = call(ContrastiveKernelPCA(5, tol=tol), np.ones((3, 2), dtype))
    assert settings.tolerance == goal
    assert settings.acceptable == pytest.approx(acceptable)
    # One mode beyond those asked for, whose residual does not count.
    assert (settings.n_modes, settings.n_wanted) == (6, 5)


def settings(n_modes=10, solver="auto"):
    return SolverSettings(solver, n_modes, n_modes, 1e-6, 1e-5, 100, 1000, 0, None)


@pytest.mark.parametrize(
    ("n_views", "n_modes", "precomputed", "expected"),
    [
        (1000, 10, False, "dense"),
        (1001, 10, False, "krylov"),
        (50_000, 10, False, "krylov"),
        (50_001, 10, False, "nystrom"),
        (50_001, 10, True, "krylov"),
        (4000, 500, False, "dense"),
        (4000, 499, False, "krylov"),
        (60_000, None, False, "dense"),
    ],
)
def test_auto_is_exact_up_to_fifty_thousand_views_and_dense_where_that_is_cheap(
    n_views, n_modes, precomputed, expected
):
    assert choose_solver(settings(n_modes), n_views, precomputed)[0] == expected


@pytest.mark.parametrize(
    ("n_components", "n_views", "width", "columns"),
    [
        (2, 700, 16, 160),
        (5, 700, 16, 180),
        (19, 700, 16, 600),
        (20, 700, 32, 630),
        (79, 2500, 32, 1580),
        (80, 2500, 48, 1581),
        (20, 20_000, 32, 630),
        (20, 20_001, 32, 320),
        (30, 20_001, 32, 372),
    ],
)
def test_blocks_are_as_wide_and_the_basis_as_long_as_many_modes_ask_for(
    monkeypatch, n_components, n_views, width, columns
):
    call = captured(monkeypatch, "solvers._krylov.krylov_modes")
    rows = np.linspace(0, 1, n_views)[:, None]
    model = ContrastiveKernelPCA(n_components, solver="krylov", memory_budget=1e12, random_state=0)
    (_, _, first, n_modes), options = call(model, rows)
    assert (first.shape, n_modes, options["max_columns"]) == ((n_views, width), n_components + 1, columns)


def test_ten_candidates_a_landmark_and_two_thousand_views_for_the_residuals(monkeypatch):
    rows = np.random.default_rng(0).normal(size=(2400, 3))
    call = captured(monkeypatch, "solvers._nystrom.choose_landmarks")
    model = ContrastiveKernelPCA(2, solver="nystrom", n_landmarks=20, random_state=0)
    assert len(call(model, rows)[0][1]) == 200
    monkeypatch.undo()
    call = captured(monkeypatch, "solvers._nystrom.estimated_residuals")
    (_, _, sample, _), options = call(model.set_params(y_is="view"), rows, rows)
    assert (sample.n_views, options["n_views"]) == (2000, 4800)


@pytest.mark.slow
@pytest.mark.parametrize(("n_landmarks", "whitened"), [(100, 100), (200, 128), (800, 134)])
def test_the_first_sixth_of_the_landmarks_is_whitened_row_by_row_and_at_least_128(n_landmarks, whitened):
    rows = torch.from_numpy(np.random.default_rng(0).normal(size=(900, 12)))
    kernel = make_kernel("rbf", rows, gamma=0.2)
    prepared = kernel.prepare(rows)
    chosen = choose_landmarks(kernel, prepared, n_landmarks, np.random.default_rng(0))
    features = NystromAccumulator(kernel, prepared[chosen.indices], chosen.factor).features
    gap = features.partial(prepared[:50]) + features.offset - features.whole(prepared[:50])
    assert (gap.abs().amax(dim=0) < 1e-9).sum() == whitened


@pytest.mark.parametrize(("dtype", "bound"), [(np.float64, 1e-5), (np.float32, 5e-3)])
@pytest.mark.parametrize("share", [0.5, 2.0])
@pytest.mark.parametrize("solver", ["krylov", "nystrom"])
@pytest.mark.filterwarnings("ignore:the modes' worst residual")
def test_how_negative_an_eigenvalue_may_be(solver, dtype, bound, share):
    rows = np.random.default_rng(0).normal(size=(40, 3))
    values, vectors = np.linalg.eigh(rbf_kernel(rows, gamma=0.3))
    values[0] = -share * bound * values[-1]
    matrix = ((vectors * values) @ vectors.T).astype(dtype)

    def looked_up(a, b):
        return matrix[np.ix_(a[:, 0].astype(int), b[:, 0].astype(int))]

    model = ContrastiveKernelPCA(2, kernel=looked_up, solver=solver, random_state=0)
    places = np.arange(40, dtype=dtype)[:, None]
    if share < 1:
        model.fit(places)
    else:
        with pytest.raises(ValueError, match="negative eigenvalues"):
            model.fit(places)


def test_five_hundred_candidates_are_searched_for_negative_eigenvalues():
    shapes = []

    def gaussian(a, b):
        shapes.append((len(a), len(b)))
        return rbf_kernel(a, b, gamma=0.3)

    rows = np.random.default_rng(0).normal(size=(1200, 3))
    ContrastiveKernelPCA(2, kernel=gaussian, solver="nystrom", n_landmarks=100, random_state=0).fit(rows)
    assert next(shape for shape in shapes if shape[0] == shape[1] > 100) == (500, 500)


@pytest.mark.parametrize("solver", ["dense", "krylov"])
def test_what_is_positive_by_a_hundred_roundings_of_what_is_negative_is_no_mode(solver):
    for roundings, there in ((150, True), (50, False)):
        rows = np.diag([1.0, (roundings * np.finfo(np.float64).eps) ** 0.5])
        model = ContrastiveKernelPCA(1, kernel="linear", solver=solver, random_state=0)
        if there:
            expected = roundings * np.finfo(np.float64).eps / 2
            found = model.fit(rows, pair_graph=np.diag([-1.0, 1.0])).eigenvalues_
            np.testing.assert_allclose(found, expected, rtol=0.1)
        else:
            with pytest.raises(ValueError, match="no mode is learned"):
                model.fit(rows, pair_graph=np.diag([-1.0, 1.0]))


def test_eigenvalues_that_are_zero_but_for_rounding_are_those_below_a_hundred_roundings():
    for roundings, kept in ((150, 2), (50, 1)):
        rows = np.diag([1.0, (roundings * np.finfo(np.float64).eps) ** 0.5])
        model = ContrastiveKernelPCA(None, kernel="linear", solver="dense").fit(rows)
        assert model.n_components_ == kept

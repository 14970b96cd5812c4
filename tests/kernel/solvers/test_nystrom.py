import pickle
from functools import partial

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
import torch
from sklearn.metrics.pairwise import linear_kernel, pairwise_kernels, rbf_kernel

from eigenstep.kernel.functions import make_kernel
from eigenstep.kernel.pairs import OBJECTIVES, from_matrix, grouped, objective_operator, paired, unpaired
from eigenstep.kernel.solvers import NystromAccumulator, Processes, ViewRows, choose_landmarks, mode_values

N = 60
WIDTH = 0.3
CPU = torch.device("cpu")


@pytest.fixture
def rng():
    return np.random.default_rng(20260118)


@pytest.fixture
def rows(rng):
    """Pairs that agree in part, stacked: (N, 3)."""
    shared = rng.normal(size=(N // 2, 3))
    return np.concatenate([shared + 0.4 * rng.normal(size=shared.shape) for _ in range(2)])


def graphs():
    rng = np.random.default_rng(5)
    weights = rng.normal(size=(N, N)) * (rng.random((N, N)) < 0.1)
    return {
        "paired": paired(N // 2),
        "small groups, some rows alone": grouped(rng.integers(0, 25, size=N)),
        "groups larger than a block": grouped(rng.integers(0, 3, size=N)),
        "weights of both signs": from_matrix(weights + weights.T),
        "unpaired": unpaired(N),
    }


GRAPHS = ["paired", "small groups, some rows alone", "groups larger than a block", "weights of both signs"]
GRAPHS += ["unpaired"]
ALONE = "ignore:.*alone in their group:UserWarning"


def as_views(*parts, dtype=torch.float64):
    return ViewRows(list(parts), CPU, dtype)


def started(rows, n_landmarks=25, *, seed=0, dtype=torch.float64, moments=False, gamma=WIDTH):
    """An accumulator on landmarks among the rows, and their indices."""
    double = torch.as_tensor(rows).double()
    kernel = make_kernel("rbf", double, gamma=gamma)
    generator = np.random.default_rng(seed)
    chosen = choose_landmarks(kernel, kernel.prepare(double), n_landmarks, generator, precision=dtype)
    used = make_kernel("rbf", double.to(dtype), gamma=gamma)
    prepared = used.prepare(double[chosen.indices].to(dtype))
    return NystromAccumulator(used, prepared, chosen.factor, moments=moments), chosen.indices


def reference(kernel, indices, operator):
    """Eigenvalues and values of unit-norm modes by brute force: symmetric root of K_mm, dense A."""
    within, across = kernel[np.ix_(indices, indices)], kernel[:, indices]
    values, vectors = np.linalg.eigh(within)
    features = across @ (vectors / np.sqrt(values)) @ vectors.T
    gamma, basis = np.linalg.eigh(features.T @ operator @ features)
    return gamma[::-1], (features @ basis)[:, ::-1]


def values_of(accumulator, modes, views, **options):
    features = accumulator.features
    return mode_values(features.kernel, features.landmarks, modes, views, **options).numpy()


@pytest.mark.slow
@pytest.mark.filterwarnings(ALONE)
@pytest.mark.parametrize("block_rows", [7, 1000])
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("name", GRAPHS)
def test_modes_are_those_of_the_operator_on_the_landmarks_span(rows, name, objective, center, block_rows):
    graph = graphs()[name]
    operator = objective_operator(objective, graph)
    dense = operator.dense()
    if center:
        centring = np.eye(N) - 1 / N
        dense = centring @ dense @ centring
    accumulator, indices = started(rows, moments=True)
    views = as_views(rows)
    modes = accumulator.add(views, graph, block_rows=block_rows).solve(10, objective=objective, center=center)
    gamma, expected = reference(rbf_kernel(rows, gamma=WIDTH), indices, dense)
    assert modes.n_positive == (gamma > 1e-12 * gamma[0]).sum()
    np.testing.assert_allclose(modes.eigenvalues, gamma[:10], atol=1e-11 * abs(gamma).max())
    values = values_of(accumulator, modes, views, block_rows=block_rows)
    expected = expected[:, :10] - center * expected[:, :10].mean(axis=0)
    signs = np.sign((values * expected).sum(axis=0))
    np.testing.assert_allclose(values * signs, expected, atol=1e-6 * abs(expected).max())


def test_modes_have_unit_norm_in_the_function_space(rows):
    accumulator, indices = started(rows)
    modes = accumulator.add(as_views(rows), paired(N // 2)).solve(8)
    within = rbf_kernel(rows[indices], gamma=WIDTH)
    gram = modes.coefficients.numpy().T @ within @ modes.coefficients.numpy()
    np.testing.assert_allclose(gram, np.eye(8), atol=1e-10)


def test_with_every_view_a_landmark_the_modes_are_the_exact_ones(rng):
    rows, graph = rng.normal(size=(24, 6)), paired(12)
    accumulator, _ = started(rows, 24, gamma=0.5)
    modes = accumulator.add(as_views(rows), graph).solve(5)
    kernel, pairs = rbf_kernel(rows, gamma=0.5), graph.matrix().toarray()
    # A K a = gamma a with a^T K a = 1, as a generalised symmetric problem.
    gamma, dual = scipy.linalg.eigh(kernel @ pairs @ kernel, kernel)
    np.testing.assert_allclose(modes.eigenvalues, gamma[::-1][:5], rtol=1e-9)
    values, expected = values_of(accumulator, modes, as_views(rows)), (kernel @ dual)[:, ::-1][:, :5]
    np.testing.assert_allclose(values * np.sign((values * expected).sum(axis=0)), expected, atol=1e-7)


@pytest.mark.slow
def test_eigenvalues_grow_with_the_landmarks_towards_the_exact_ones(rng):
    rows, graph = rng.normal(size=(400, 8)), paired(200)
    rows[200:] = rows[:200] + 0.5 * rows[200:]
    root = np.linalg.cholesky(rbf_kernel(rows, gamma=0.12))
    exact = np.linalg.eigvalsh(root.T @ graph.matrix().toarray() @ root)[::-1][:20]
    found = []
    for n_landmarks in (25, 100, 400):
        accumulator, _ = started(rows, n_landmarks, gamma=0.12)
        found.append(accumulator.add(as_views(rows), graph).solve(20).eigenvalues)
    bias = 1 - np.array(found) / exact
    np.testing.assert_allclose(bias[2], 0, atol=1e-9)
    assert (np.diff(bias, axis=0) < 1e-12).all()
    # The first mode is nearly right, late ones are not.
    assert bias[1][0] < 0.01
    assert bias[1][19] > 0.1


@pytest.mark.slow
@pytest.mark.filterwarnings(ALONE)
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("kind", ["pairs", "groups"])
def test_batches_add_up_to_all_at_once(rows, kind, objective, center):
    groups = np.concatenate((np.arange(30), np.arange(20), np.arange(10)))
    first = slice(0, 12)
    if kind == "pairs":
        whole, halves = as_views(rows), (rows[:30], rows[30:])
        parts = [
            (as_views(*(half[part] for half in halves)), paired(len(halves[0][part])))
            for part in (first, slice(12, 30))
        ]
        graph = paired(30)
    else:
        whole, graph = as_views(rows), grouped(groups)
        chosen = groups < 12
        parts = [(as_views(rows[mask]), grouped(groups[mask])) for mask in (chosen, ~chosen)]
    solve = partial(NystromAccumulator.solve, n_modes=6, objective=objective, center=center)
    new = partial(started, rows, moments=True)
    expected = solve(new()[0].add(whole, graph))
    in_turn = new()[0].add(*parts[0]).add(*parts[1])
    the_other_way = new()[0].add(*parts[1]).add(*parts[0])
    for modes in (solve(in_turn), solve(the_other_way)):
        np.testing.assert_allclose(modes.eigenvalues, expected.eigenvalues, rtol=1e-11)
        np.testing.assert_allclose(modes.coefficients, expected.coefficients, atol=1e-7)
        np.testing.assert_allclose(modes.offsets, expected.offsets, atol=1e-10)


def test_processes_that_saw_separate_samples_solve_for_all(rows):
    halves = rows[:30], rows[30:]
    shares = [started(rows, moments=True)[0] for _ in range(2)]
    for share, part in zip(shares, (slice(0, 7), slice(7, 30)), strict=True):
        share.add(as_views(*(half[part] for half in halves)), paired(len(halves[0][part])))
    sent = []
    shares[1].sums.each(lambda tensor: sent.append(tensor.clone()) or tensor)

    class WithTheOther(Processes):
        def sum(self, tensor):
            return tensor + sent.pop(0)

    together = shares[0].all_reduce(WithTheOther()).solve(6, objective="vicreg")
    alone = started(rows, moments=True)[0].add(as_views(rows), paired(30)).solve(6, objective="vicreg")
    assert not sent
    np.testing.assert_allclose(together.eigenvalues, alone.eigenvalues, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("gamma", [0.05, 0.0005])
def test_float32_keeps_the_digits_that_raw_kernel_sums_would_lose(rng, gamma):
    decay = np.arange(1.0, 33.0) ** -1
    shared = rng.normal(size=(1500, 32)) * decay + 2
    pairs = [shared + 0.3 * rng.normal(size=shared.shape) * decay for _ in range(2)]
    rows, graph = torch.as_tensor(np.concatenate(pairs)), paired(1500)
    kernel = make_kernel("rbf", rows, gamma=gamma)
    single, indices = started(rows, 300, dtype=torch.float32, gamma=gamma)
    factor, landmarks = single.features.factor, kernel.prepare(rows[indices])
    double = NystromAccumulator(kernel, landmarks, factor)
    modes = single.add(as_views(*pairs, dtype=torch.float32), graph).solve(20)
    expected = double.add(as_views(*pairs), graph).solve(20)
    np.testing.assert_allclose(modes.eigenvalues, expected.eigenvalues, rtol=2e-4)
    # The slow twin: float32 products of raw kernel rows, one whitening at the end.
    across = kernel.block(kernel.prepare(rows), landmarks).float()
    product = (across[:1500].T @ across[1500:]).double() / 3000
    left = torch.linalg.solve_triangular(factor, product + product.T, upper=False)
    naive = torch.linalg.solve_triangular(factor, left.T, upper=False)
    naive_values = torch.linalg.eigvalsh(naive).flip(0)[:20].numpy()
    errors = [abs(values / expected.eigenvalues - 1).max() for values in (modes.eigenvalues, naive_values)]
    assert errors[1] > 20 * errors[0]


def test_float32_values_of_smooth_modes_keep_their_digits(rng):
    rows = torch.as_tensor(rng.normal(size=(1000, 32)) / np.arange(1.0, 33.0) + 2)
    single, indices = started(rows, 300, dtype=torch.float32, gamma=0.005)
    modes = single.add(as_views(rows, dtype=torch.float32), paired(500)).solve(10)
    found = values_of(single, modes, as_views(rows, dtype=torch.float32))
    assert found.dtype == np.float32
    right = rbf_kernel(rows, rows[indices], gamma=0.005) @ modes.coefficients.numpy()
    errors = np.linalg.norm(found - right, axis=0) / np.linalg.norm(right, axis=0)
    plain = (
        rbf_kernel(rows, rows[indices], gamma=0.005).astype(np.float32) @ modes.coefficients.float().numpy()
    )
    assert errors.max() < 1e-4
    assert errors.max() < np.linalg.norm(plain - right, axis=0).max() / np.linalg.norm(right, axis=0).min()


def test_sparse_rows_give_the_modes_of_dense_ones(rng):
    rows = rng.normal(size=(40, 8)) * (rng.random((40, 8)) < 0.4)
    found = []
    for kept in (torch.as_tensor(rows), scipy.sparse.csr_matrix(rows)):
        kernel = make_kernel("linear", kept)
        prepared = kernel.prepare(kept)
        chosen = choose_landmarks(kernel, prepared, 8, np.random.default_rng(1))
        accumulator = NystromAccumulator(kernel, prepared[chosen.indices], chosen.factor)
        part = rows if torch.is_tensor(kept) else kept
        found.append(accumulator.add(as_views(part), paired(20)).solve(4).eigenvalues)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-11)
    half = linear_kernel(rows[:20].T, rows[20:].T)
    gamma = np.linalg.eigvalsh((half + half.T) / 40)[::-1]
    np.testing.assert_allclose(found[0], gamma[:4], rtol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.filterwarnings(ALONE)
def test_what_is_zero_but_for_rounding_is_not_a_positive_eigenvalue(rng, dtype):
    # 15 pairs give at most 15 positive eigenvalues, whatever else there is to span.
    rows = rng.normal(size=(100, 5))
    ids = np.concatenate((np.arange(15), np.arange(85)))
    accumulator, _ = started(rows, 100, dtype=dtype)
    modes = accumulator.add(as_views(rows, dtype=dtype), grouped(ids)).solve(30)
    assert modes.n_positive == 15
    assert (modes.eigenvalues[15:] == 0).all()


def test_no_more_modes_come_back_than_there_are_landmarks(rows):
    accumulator, _ = started(rows, 5)
    modes = accumulator.add(as_views(rows), paired(N // 2)).solve(50)
    assert modes.coefficients.shape == (5, 5)
    assert len(modes.eigenvalues) == len(modes.offsets) == 5


@pytest.mark.slow
@pytest.mark.filterwarnings(ALONE)
@pytest.mark.parametrize("name", GRAPHS)
def test_blocks_stay_small_and_progress_ends_at_the_last_view(rows, name):
    taken, seen = [], []

    class Watched(ViewRows):
        def take(self, indices):
            taken.append(len(indices))
            return super().take(indices)

    accumulator, _ = started(rows)
    views = Watched([rows], CPU, torch.float64)
    accumulator.add(
        views, graphs()[name], block_rows=9, progress=lambda done, total: seen.append((done, total))
    )
    assert max(taken) <= 9
    assert seen == sorted(seen)
    assert seen[-1] == (N, N)


def test_a_pickled_accumulator_goes_on_where_it_was(rows):
    halves = rows[:30], rows[30:]
    parts = [as_views(*(half[part] for half in halves)) for part in (slice(0, 20), slice(20, 30))]
    accumulator, _ = started(rows)
    copy = pickle.loads(pickle.dumps(accumulator.add(parts[0], paired(20))))
    found = copy.add(parts[1], paired(10)).solve(6).eigenvalues
    np.testing.assert_array_equal(found, accumulator.add(parts[1], paired(10)).solve(6).eigenvalues)


def test_the_entry_of_largest_magnitude_in_whitened_coordinates_is_positive(rows):
    accumulator, _ = started(rows)
    modes = accumulator.add(as_views(rows), paired(N // 2)).solve(8)
    vectors = accumulator.features.factor.T @ modes.coefficients
    peaks = vectors.gather(0, vectors.abs().argmax(dim=0, keepdim=True))
    assert (peaks > 0).all()


@pytest.mark.parametrize("kernel", ["poly", "laplacian", "arc_cosine"])
def test_other_kernels_have_the_modes_of_their_own_matrix(rng, kernel):
    rows = torch.as_tensor(rng.normal(size=(40, 4)))
    made = make_kernel(kernel, rows)
    prepared = made.prepare(rows)
    chosen = choose_landmarks(made, prepared, 15, np.random.default_rng(0))
    modes = NystromAccumulator(made, prepared[chosen.indices], chosen.factor)
    modes = modes.add(as_views(rows), paired(20)).solve(5)
    if kernel == "arc_cosine":
        matrix = made.block(prepared, prepared.clone()).numpy()
    else:
        matrix = pairwise_kernels(rows.numpy(), metric=kernel)
    gamma, _ = reference(matrix, chosen.indices, paired(20).matrix().toarray())
    np.testing.assert_allclose(modes.eigenvalues, gamma[:5], rtol=1e-8)


def test_what_cannot_be_solved_is_refused(rows):
    views, graph = as_views(rows), paired(N // 2)
    with_moments = started(rows, moments=True)[0].add(views, graph)

    def overflowing():
        huge = torch.full((4, 1), 1e200, dtype=torch.float64)
        kernel, unit = make_kernel("linear", huge), torch.eye(1, dtype=torch.float64)
        return NystromAccumulator(kernel, unit * 1e200, unit).add(as_views(huge), paired(2)).solve(1)

    for case, message in [
        (lambda: started(rows)[0].solve(2), "no samples"),
        (lambda: started(rows)[0].all_reduce(Processes()), "no samples"),
        (lambda: started(rows)[0].add(views, graph).solve(2, objective="simclr"), "second moments"),
        (lambda: with_moments.sums + started(rows)[0].add(views, graph).sums, "second moments"),
        (lambda: with_moments.add(views, unpaired(N)), "pairs and other graphs do not mix"),
        (lambda: with_moments.sums + started(rows, 9, moments=True)[0].add(views, graph).sums, "features"),
        (lambda: with_moments.solve(2, objective="byol"), "barlow_twins, simclr, vicreg, lejepa"),
        (overflowing, "finite kernel values"),
    ]:
        with pytest.raises(ValueError, match=message):
            case()


def test_a_single_pair_is_too_few_for_losses_that_compare_samples(rows):
    accumulator = started(rows, moments=True)[0].add(as_views(rows[[0, 30]]), paired(1))
    assert accumulator.solve(1).n_positive == 1
    for objective in ("simclr", "vicreg", "lejepa"):
        with pytest.raises(ValueError, match="at least 2, got n_samples = 1"):
            accumulator.solve(1, objective=objective)

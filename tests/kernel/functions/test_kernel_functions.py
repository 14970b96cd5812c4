import copy
import pickle

import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.pairwise import KERNEL_PARAMS, PAIRWISE_KERNEL_FUNCTIONS, pairwise_kernels

from eigenstep import ContrastiveKernelPCA
from eigenstep.kernel.functions import (
    KERNEL_NAMES,
    KERNELS,
    AnchoredKernel,
    LinearKernel,
    additive_chi_squared,
    make_kernel,
    named,
)

OF_SKLEARN = sorted(PAIRWISE_KERNEL_FUNCTIONS)
OF_SPARSE_ROWS = ["linear", "poly", "polynomial", "rbf", "sigmoid", "cosine"]
TOLERANCE = {torch.float64: 1e-12, torch.float32: 4e-6}
# All that scikit-learn's kernels take, each other than its default.
OPTIONS = {"gamma": 0.7, "degree": 2, "coef0": -0.4}


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def histograms(rng, *shape):
    """Rows that every kernel takes, some entries zero."""
    return torch.from_numpy(np.maximum(rng.normal(size=shape), 0))


def values_between(kernel, a, b):
    return kernel.block(kernel.prepare(a), kernel.prepare(b))


def assert_close(values, expected, dtype):
    assert values.dtype == dtype
    expected = np.asarray(expected, dtype=float)
    np.testing.assert_allclose(values, expected, rtol=0, atol=TOLERANCE[dtype] * abs(expected).max())


def test_rows_and_columns_of_one_memory_are_not_the_same_rows(rng):
    square = torch.from_numpy(rng.normal(size=(6, 6)))
    np.testing.assert_allclose(LinearKernel().block(square, square.T), square @ square, atol=1e-14)


def small_tiles(n_a, n_columns, same, device):
    return (4, 4) if same else (3, 5)


def test_every_scikit_learn_kernel_has_its_name_here():
    assert set(KERNEL_NAMES) == set(PAIRWISE_KERNEL_FUNCTIONS) | {"arc_cosine", "relu_ntk"}


@pytest.mark.slow
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("given_options", [False, True])
@pytest.mark.parametrize("name", OF_SKLEARN)
def test_values_are_those_of_scikit_learn(rng, name, given_options, dtype):
    # More rows than one tile has, in both directions.
    a, b = histograms(rng, 515, 6), histograms(rng, 1030, 6)
    options = OPTIONS if given_options else {}
    accepted = {option: value for option, value in options.items() if option in KERNEL_PARAMS[name]}
    kernel = make_kernel(name, a.to(dtype), **options)
    assert_close(
        values_between(kernel, a.to(dtype), b.to(dtype)),
        pairwise_kernels(a.to(dtype).double(), b.to(dtype).double(), metric=name, **accepted),
        dtype,
    )


@pytest.mark.slow
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", KERNEL_NAMES)
def test_a_block_of_the_same_rows_is_symmetric_with_the_kernels_diagonal(rng, name, dtype):
    rows = histograms(rng, 700, 6).to(dtype)
    kernel = make_kernel(name, rows)
    prepared = kernel.prepare(rows)
    values = kernel.block(prepared, prepared)
    torch.testing.assert_close(values, values.T, rtol=0, atol=0)
    torch.testing.assert_close(values.diagonal(), kernel.diagonal(prepared), rtol=0, atol=0)
    assert_close(values, kernel.block(prepared, prepared.clone()), dtype)
    # Two views of the same memory are the same rows too.
    torch.testing.assert_close(kernel.block(prepared[:], prepared[:]), values, rtol=0, atol=0)
    if name in ("rbf", "laplacian", "chi2"):
        assert (values.diagonal() == 1).all()
    if name in PAIRWISE_KERNEL_FUNCTIONS:
        assert_close(values, pairwise_kernels(rows.double(), metric=name), dtype)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(KERNEL_NAMES),
    n_a=st.integers(1, 14),
    n_b=st.integers(1, 14),
    n_features=st.integers(1, 9),
    seed=st.integers(0, 99),
)
def test_tiles_of_any_shape_make_up_the_block(name, n_a, n_b, n_features, seed):
    a, b = torch.rand(2, 14, n_features, generator=torch.Generator().manual_seed(seed)).double()
    a, b = a[:n_a], b[:n_b]
    kernel = make_kernel(name, a)
    whole, own = values_between(kernel, a, b), kernel.prepare(a)
    square = kernel.block(own, own)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("eigenstep.kernel.functions._kernel._tile_shape", small_tiles)
        np.testing.assert_allclose(values_between(kernel, a, b), whole, atol=1e-13)
        np.testing.assert_allclose(kernel.block(own, own), square, atol=1e-13)
    if name in PAIRWISE_KERNEL_FUNCTIONS:
        np.testing.assert_allclose(whole, pairwise_kernels(a, b, metric=name), atol=1e-12)
        np.testing.assert_allclose(square, pairwise_kernels(a, metric=name), atol=1e-12)


@pytest.mark.parametrize("name", KERNEL_NAMES)
def test_slices_and_indices_of_prepared_rows_stand_for_the_rows(rng, name):
    rows = histograms(rng, 30, 5)
    kernel = make_kernel(name, rows)
    prepared = kernel.prepare(rows)
    values = kernel.block(prepared, prepared.clone())
    chosen = torch.tensor([7, 0, 22])
    np.testing.assert_allclose(kernel.block(prepared[chosen], prepared[5:9]), values[chosen, 5:9], atol=1e-13)
    np.testing.assert_array_equal(kernel.diagonal(prepared[chosen]), kernel.diagonal(prepared)[chosen])
    reversed_rows = rows.T.contiguous().T.flip(0)
    np.testing.assert_allclose(values_between(kernel, reversed_rows, rows).flip(0), values, atol=1e-13)


@pytest.mark.parametrize("name", KERNEL_NAMES)
def test_rows_are_prepared_one_by_one(rng, name):
    rows = histograms(rng, 1500, 100)
    kernel = make_kernel(name, rows)
    np.testing.assert_array_equal(kernel.prepare(rows)[1100:1110], kernel.prepare(rows[1100:1110].clone()))
    np.testing.assert_allclose(
        kernel.diagonal(kernel.prepare(rows))[1300:], kernel.diagonal(kernel.prepare(rows[1300:]))
    )


@pytest.mark.parametrize("name", [*KERNEL_NAMES, "function"])
def test_values_go_to_the_given_memory_and_leave_the_rows_alone(rng, name):
    rows = histograms(rng, 20, 4)
    before = rows.clone()
    kernel = make_kernel((lambda a, b: a @ b.T) if name == "function" else name, rows)
    prepared = kernel.prepare(rows)
    as_prepared = prepared.clone()
    for a, b in ((prepared[:7], prepared), (prepared, prepared[:7]), (prepared, prepared)):
        around = torch.full((len(a) + 2, len(b) + 3), 5.0).double()
        out = around[1:-1, 2:-1]
        assert kernel.block(a, b, out=out) is out
        np.testing.assert_array_equal(out, kernel.block(a, b))
        out.fill_(5)
        assert (around == 5).all()
        kernel.block(a, b).fill_(7)
        np.testing.assert_array_equal(prepared, as_prepared)
        np.testing.assert_array_equal(rows, before)


@pytest.mark.parametrize("name", KERNEL_NAMES)
def test_a_kernel_pickles_and_copies_and_holds_no_training_rows(rng, name):
    rows = histograms(rng, 50, 4)
    kernel = make_kernel(name, rows)
    values = values_between(kernel, rows, rows.flip(0))
    for twin in (pickle.loads(pickle.dumps(kernel)), copy.deepcopy(kernel)):
        np.testing.assert_array_equal(values_between(twin, rows, rows.flip(0)), values)
    assert len(pickle.dumps(make_kernel(name, rows.repeat(20, 1)))) < len(pickle.dumps(kernel)) + 20


def gaussian_by_differences(a, b, gamma):
    a, b = a.double(), b.double()
    return torch.exp(-gamma * torch.stack([(row - b).square().sum(dim=1) for row in a]))


@pytest.mark.parametrize("gamma", [1 / 30, 1.0, 30.0])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_rbf_in_float32_is_exact_with_offsets_duplicates_and_close_rows(rng, offset, gamma):
    rows = torch.from_numpy(offset + rng.normal(size=(80, 30))).float()
    others = torch.cat([rows[:20], rows[20:40] + 0.01 * torch.from_numpy(rng.normal(size=(20, 30))).float()])
    values = values_between(make_kernel("rbf", rows, gamma=gamma), rows, others)
    np.testing.assert_allclose(values, gaussian_by_differences(rows, others, gamma), rtol=0, atol=3e-6)
    assert values.max() <= 1


def test_rbf_in_float32_is_exact_when_most_rows_are_close_and_few_far_away(rng):
    rows = 0.03 * torch.from_numpy(rng.normal(size=(60, 30))).float()
    rows[-2:] += torch.tensor([[1000.0], [-1000.0]])
    values = values_between(make_kernel("rbf", rows, gamma=5.0), rows, rows[10:])
    np.testing.assert_allclose(values, gaussian_by_differences(rows, rows[10:], 5.0), rtol=0, atol=3e-6)


def test_rbf_of_equal_rows_is_one_however_far_out_they_lie(rng):
    rows = torch.from_numpy(rng.normal(size=(300, 20))).float()
    rows[:30] *= 1e6
    values = values_between(make_kernel("rbf", rows, gamma=5.0), rows, rows.flip(0))
    np.testing.assert_allclose(values, gaussian_by_differences(rows, rows.flip(0), 5.0), rtol=0, atol=3e-6)
    assert (values.flip(1).diagonal() == 1).all()


def test_laplacian_in_float32_is_exact_with_offsets(rng):
    rows = torch.from_numpy(1e4 + rng.normal(size=(40, 30))).float()
    values = values_between(make_kernel("laplacian", rows), rows, rows[:7])
    expected = torch.exp(-torch.cdist(rows.double(), rows[:7].double(), p=1) / 30)
    np.testing.assert_allclose(values, expected, rtol=0, atol=2e-6)


def test_rows_too_large_for_their_dtype_are_refused():
    rows = torch.tensor([[1e25, 0.0], [0.0, 1e25]])
    kernel = make_kernel("rbf", rows)
    with pytest.raises(ValueError, match=r"fit torch.float32.*pass float64"):
        kernel.prepare(rows)
    assert values_between(make_kernel("rbf", rows.double()), rows.double(), rows.double()).isfinite().all()


@pytest.mark.parametrize("degree", [1, 2, 3, 4, 5, 7, 12, 2.5])
def test_polynomials_of_any_degree_are_powers(rng, degree):
    rows = histograms(rng, 20, 3)
    expected = (rows.numpy() @ rows.numpy().T / 3 + 0.5) ** degree
    values = values_between(make_kernel("poly", rows, degree=degree, coef0=0.5), rows, rows.clone())
    np.testing.assert_allclose(values, expected, rtol=1e-12)


def test_a_fractional_power_of_a_negative_number_is_refused():
    rows = torch.tensor([[1.0], [-1.0]])
    kernel = make_kernel("poly", rows, degree=2.5, coef0=0)
    with pytest.raises(ValueError, match=r"fractional degree 2.5"):
        values_between(kernel, rows, rows)


def test_zero_rows_have_cosine_zero(rng):
    rows = torch.from_numpy(rng.normal(size=(5, 3)))
    rows[2] = 0
    kernel = make_kernel("cosine", rows)
    prepared = kernel.prepare(rows)
    np.testing.assert_allclose(kernel.block(prepared, prepared), pairwise_kernels(rows, metric="cosine"))


def test_chi_squared_on_other_devices_equals_scikit_learn(rng):
    a, b = histograms(rng, 9, 5), histograms(rng, 7, 5)
    for elements in (1, 80, 1 << 24):
        values = additive_chi_squared(a, b, elements)
        np.testing.assert_allclose(values, pairwise_kernels(a, b, metric="additive_chi2"), rtol=1e-13)


@pytest.mark.parametrize("name", ["chi2", "additive_chi2"])
def test_chi_squared_refuses_negative_rows(name):
    rows = torch.tensor([[0.0, 1.0], [-0.25, 1.0]])
    with pytest.raises(ValueError, match=r"Negative values in data .* smallest is -0.25"):
        make_kernel(name, rows).prepare(rows)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", OF_SPARSE_ROWS)
def test_sparse_rows_have_the_values_of_dense_ones(rng, name, dtype):
    dense = torch.from_numpy(rng.normal(size=(30, 8)) * (rng.random(size=(30, 8)) < 0.3)).to(dtype)
    dense[3] = 0
    rows = scipy.sparse.csr_matrix(dense.numpy())
    kernel, reference = make_kernel(name, rows, coef0=0.5), make_kernel(name, dense, coef0=0.5)
    prepared, expected = kernel.prepare(rows), values_between(reference, dense, dense)
    own = kernel.block(prepared, prepared)
    assert_close(own, expected, dtype)
    torch.testing.assert_close(own, own.T, rtol=0, atol=0)
    torch.testing.assert_close(own.diagonal(), kernel.diagonal(prepared), rtol=0, atol=0)
    assert_close(kernel.block(prepared[2:9], prepared[np.array([5, 1])]), expected[2:9][:, [5, 1]], dtype)
    out = torch.empty(30, 30, dtype=dtype)
    assert kernel.block(prepared, prepared, out=out) is out
    torch.testing.assert_close(out, own, rtol=0, atol=0)
    twin = pickle.loads(pickle.dumps(kernel))
    torch.testing.assert_close(twin.block(prepared, prepared), own, rtol=0, atol=0)


def test_kernels_of_dense_rows_name_those_that_take_sparse_ones():
    rows = scipy.sparse.csr_matrix(np.eye(3))
    for name in sorted(set(KERNEL_NAMES) - set(OF_SPARSE_ROWS)):
        with pytest.raises(ValueError, match=rf"{name!r} takes dense rows.*linear, poly.*cosine"):
            make_kernel(name, rows)


def affine(a, b, *, shift=0.0):
    return (a.reshape(len(a), -1) @ b.reshape(len(b), -1).T) + shift


@pytest.mark.parametrize("gets", ["numpy", "torch"])
def test_a_function_gets_blocks_of_the_asked_kind_and_its_parameters(rng, gets):
    images = torch.from_numpy(rng.normal(size=(40, 2, 3, 3))).float()
    seen = set()

    def kernel_function(a, b, shift):
        seen.update((type(a), type(b)))
        return affine(a, b, shift=shift)

    kernel = make_kernel(kernel_function, images, kernel_params={"shift": 0.5}, callable_gets=gets)
    prepared = kernel.prepare(images)
    values = kernel.block(prepared[:7], prepared)
    assert seen == {np.ndarray if gets == "numpy" else torch.Tensor}
    flat = images.flatten(1).double()
    assert_close(values, flat[:7] @ flat.T + 0.5, torch.float32)
    own = kernel.block(prepared, prepared)
    torch.testing.assert_close(own, own.T, rtol=0, atol=0)
    np.testing.assert_allclose(kernel.diagonal(prepared), own.diagonal(), rtol=1e-6)


def test_a_function_of_two_vectors_can_be_wrapped(rng):
    rows = torch.from_numpy(rng.normal(size=(6, 3)))
    kernel = make_kernel(lambda a, b: pairwise_kernels(a, b, metric=lambda x, y: float(x @ y)), rows)
    np.testing.assert_allclose(values_between(kernel, rows, rows[:2]), rows @ rows[:2].T, atol=1e-14)
    with pytest.raises(ValueError) as caught:
        values_between(make_kernel(lambda a, b: np.dot(a, b), rows), rows, rows[:2])
    assert "pairwise_kernels" in caught.value.__notes__[0]


def test_a_function_gets_sparse_rows_as_they_are(rng):
    rows = scipy.sparse.random(12, 5, 0.5, "csr", random_state=0)
    kernel = make_kernel(lambda a, b: (a @ b.T).toarray(), rows)
    prepared = kernel.prepare(rows)
    np.testing.assert_allclose(
        kernel.block(prepared, prepared[:3]), (rows @ rows[:3].T).toarray(), atol=1e-14
    )


def test_what_a_function_keeps_is_not_handed_out_to_be_overwritten(rng):
    rows = torch.from_numpy(rng.normal(size=(5, 5)))
    kept = {"numpy": (rows @ rows.T).numpy(), "torch": rows @ rows.T}
    for gets, matrix in kept.items():
        kernel = make_kernel(lambda a, b, matrix=matrix: matrix, rows, callable_gets=gets)
        kernel.block(rows, rows.clone()).fill_(0)
        kernel.block(rows, rows).fill_(0)
        np.testing.assert_allclose(matrix, rows @ rows.T)


def test_what_a_function_returns_is_checked(rng):
    rows = torch.from_numpy(rng.normal(size=(5, 3)))
    for returned, message in [
        (np.ones(5), r"shape \(5, 5\), got \(5,\).*pairwise_kernels"),
        (1.0, r"got \(\)"),
        (np.full((5, 5), np.nan), "finite values"),
        (np.ones((5, 5), dtype=complex), "real numbers, got complex128"),
        (np.triu(np.ones((5, 5))), r"symmetric.*differ by 1"),
    ]:
        kernel = make_kernel(lambda a, b, returned=returned: returned, rows)
        with pytest.raises(ValueError, match=message) as caught:
            kernel.block(rows, rows)
        assert "\n" not in str(caught.value)
    integers = make_kernel(lambda a, b: np.eye(5, dtype=int), rows)
    np.testing.assert_array_equal(integers.block(rows, rows), np.eye(5))


def test_parameters_of_kernel_params_come_first(rng):
    rows = histograms(rng, 10, 3)
    kernel = make_kernel("poly", rows, gamma=9.0, degree=5, kernel_params={"gamma": 0.3, "degree": 2})
    expected = pairwise_kernels(rows, metric="poly", gamma=0.3, degree=2)
    np.testing.assert_allclose(values_between(kernel, rows, rows), expected, rtol=1e-12)
    gamma = make_kernel("rbf", rows, gamma=9.0, kernel_params={"gamma": None})
    np.testing.assert_allclose(values_between(gamma, rows, rows), pairwise_kernels(rows, metric="rbf"))


def test_parameters_that_a_kernel_does_not_have_are_ignored_as_in_scikit_learn(rng):
    rows = histograms(rng, 10, 3)
    for name in ("linear", "cosine", "additive_chi2"):
        kernel = make_kernel(name, rows, gamma=-3.0, degree=0, coef0=float("nan"), depth=0)
        np.testing.assert_allclose(values_between(kernel, rows, rows), pairwise_kernels(rows, metric=name))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("gauss", {}, "one of additive_chi2, arc_cosine.*got 'gauss'"),
        (None, {}, "got None"),
        (["rbf"], {}, "got .'rbf'."),
        ("rbf", {"gamma": 0}, "'rbf' expects gamma > 0, got 0"),
        ("laplacian", {"gamma": -1.0}, "gamma > 0, got -1.0"),
        ("chi2", {"gamma": 0.0}, "gamma > 0"),
        ("poly", {"gamma": -1.0}, "gamma >= 0"),
        ("rbf", {"gamma": "scale"}, "finite gamma, got 'scale'"),
        ("rbf", {"gamma": float("inf")}, "finite gamma"),
        ("poly", {"degree": 0.5}, "degree >= 1, got 0.5"),
        ("sigmoid", {"coef0": float("nan")}, "finite coef0"),
        ("arc_cosine", {"depth": 0}, "depth.*got 0"),
        ("relu_ntk", {"kernel_params": {"bias_variance": -1.0}}, "bias_variance.*got -1.0"),
        ("rbf", {"kernel_params": {"sigma": 1.0}}, "'rbf' takes gamma parameters, got sigma"),
        ("linear", {"kernel_params": {"gamma": 1.0}}, "'linear' takes no parameters, got gamma"),
        ("rbf", {"kernel_params": [1.0]}, "as a dict"),
        (affine, {"callable_gets": "jax"}, "got 'jax'"),
    ],
)
def test_wrong_names_and_values_are_refused_in_one_line(name, options, message):
    with pytest.raises(ValueError, match=message) as caught:
        make_kernel(name, torch.ones(3, 2), **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (torch.ones(3, 2, 2), r"\(3, 2, 2\); flatten"),
        (torch.ones(0, 2), r"n, p >= 1, got \(0, 2\)"),
        (torch.ones(3, 2, dtype=torch.int64), "int64"),
        (np.ones((3, 2)), "got ndarray"),
        (scipy.sparse.csr_matrix(np.eye(2, dtype=int)), "int64"),
    ],
)
def test_rows_of_other_kinds_are_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        make_kernel("linear", rows)


@pytest.fixture
def bump():
    """A kernel of a name of its own, with an estimator's parameter, one of its own, and the training rows."""
    before = dict(KERNELS)

    @named("bump", "hump")
    class BumpKernel(LinearKernel):
        def __init__(self, gamma, rows, power=2.0):
            self.gamma, self.power, self.n_rows = gamma, power, len(rows)

        def _of_products_(self, products):
            products.mul_(self.gamma).pow_(self.power)

    yield BumpKernel
    KERNELS.clear()
    KERNELS.update(before)


def test_a_class_with_a_name_is_a_kernel_of_the_estimator(rng, bump):
    rows = rng.normal(size=(30, 4))
    kernel = make_kernel("hump", torch.from_numpy(rows), kernel_params={"power": 4.0})
    assert (type(kernel), kernel.name, kernel.gamma, kernel.power, kernel.n_rows) == (
        bump,
        "hump",
        0.25,
        4.0,
        30,
    )
    found = ContrastiveKernelPCA(3, kernel="bump", gamma=0.5).fit(rows)
    same = ContrastiveKernelPCA(3, kernel="poly", degree=2, coef0=0, gamma=0.5).fit(rows)
    np.testing.assert_allclose(found.eigenvalues_, same.eigenvalues_)
    with pytest.raises(ValueError, match="'bump' takes gamma, power parameters, got degree"):
        make_kernel("bump", torch.from_numpy(rows), kernel_params={"degree": 2})
    with pytest.raises(ValueError, match="'bump' expects gamma > 0"):
        make_kernel("bump", torch.from_numpy(rows), gamma=0.0)


def test_names_that_are_taken_and_parameters_without_a_value_are_refused(bump):
    with pytest.raises(ValueError, match="expected a new name for BumpKernel, got 'bump'"):
        named("bump")(bump)

    class Nameless(LinearKernel):
        def __init__(self, gamma, width):
            pass

    with pytest.raises(ValueError, match="expected a default of width of Nameless"):
        named("nameless")(Nameless)
    assert "nameless" not in KERNELS


@pytest.mark.parametrize("name", ["poly", "polynomial", "sigmoid", "rbf", "laplacian", "chi2"])
def test_gamma_is_one_over_p_by_default_save_of_chi2_and_zero_where_that_is_a_kernel(rng, name):
    rows = histograms(rng, 6, 5)
    assert make_kernel(name, rows).gamma == (1.0 if name == "chi2" else 1 / 5)
    if name in ("poly", "polynomial", "sigmoid"):
        assert make_kernel(name, rows, gamma=0.0).gamma == 0
    else:
        with pytest.raises(ValueError, match="gamma > 0"):
            make_kernel(name, rows, gamma=0.0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", [*KERNEL_NAMES, "sparse rbf"])
def test_about_an_anchor_a_kernel_is_that_of_the_features_less_the_anchors(name, dtype, rng):
    rows = histograms(rng, 7, 5).to(dtype)
    kind = scipy.sparse.csr_matrix(rows.numpy()) if name == "sparse rbf" else rows
    kernel = make_kernel(name.split()[-1], kind, **OPTIONS | {"coef0": 0.4})
    prepared = kernel.prepare(kind)
    anchored = AnchoredKernel(kernel, prepared[2:3])
    between = np.eye(7) - np.eye(7)[2]
    expected = between @ np.asarray(kernel.block(prepared, prepared), dtype=float) @ between.T
    whole = anchored.block(prepared, prepared)
    assert_close(whole, expected, dtype)
    np.testing.assert_array_equal(whole, whole.T)
    np.testing.assert_array_equal(whole.diagonal(), anchored.diagonal(prepared))
    assert_close(anchored.block(prepared[:3], prepared[2:]), expected[:3, 2:], dtype)
    out = torch.full((7, 7), torch.nan, dtype=dtype)
    assert anchored.block(prepared, prepared, out=out) is out


@pytest.mark.parametrize(("name", "meant"), [("RBF", "rbf"), ("lineer", "linear"), ("ntk", "relu_ntk")])
def test_of_an_unknown_name_the_nearest_is_told(name, meant):
    with pytest.raises(ValueError, match=rf"got '{name}'. Did you mean {meant}\?"):
        make_kernel(name, torch.zeros(2, 2))

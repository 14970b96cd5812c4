"""Hard inputs: the right answer, as arithmetic of 50 digits gives it, or one clear error."""

import warnings
from functools import cache

import mpmath
import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics.pairwise import pairwise_kernels

from eigenstep import ContrastiveKernelPCA

SOLVERS = ("dense", "krylov", "nystrom")
TOLERANCE = {"float64": 1e-10, "float32": 1e-4}
N_COMPONENTS = 3

digits = mpmath.MPContext()
digits.dps = 50
KERNELS = {
    "linear": lambda u, v, gamma: digits.fdot(u, v),
    "poly": lambda u, v, gamma: (gamma * digits.fdot(u, v) + 1) ** 2,
    "rbf": lambda u, v, gamma: digits.exp(-gamma * digits.fsum((s - t) ** 2 for s, t in zip(u, v))),  # noqa: B905
}


def fifty_digits(kernel, x, y, new, gamma=None):
    """Return every eigenvalue of K^{1/2} Z K^{1/2}, and the positive modes' embeddings of x, y and new."""
    n, gamma = len(x), digits.mpf(1) / x.shape[1] if gamma is None else digits.mpf(gamma)
    rows = [[digits.mpf(float(entry)) for entry in row] for row in np.concatenate((x, y, new))]
    k = digits.matrix([[KERNELS[kernel](u, v, gamma) for v in rows[: 2 * n]] for u in rows])
    squares, vectors = digits.eigsy(k[: 2 * n, :])
    root = vectors * digits.diag([digits.sqrt(max(square, 0)) for square in squares]) * vectors.T
    z = digits.matrix(2 * n)
    for i in range(n):
        z[i, i + n] = z[i + n, i] = digits.mpf(1) / (2 * n)
    gammas, b = digits.eigsy(root * z * root)
    order = sorted(range(2 * n), key=lambda j: -gammas[j])
    modes = [j for j in order if gammas[j] > digits.mpf(10) ** -20 * max(gammas)]
    f = k * (z * root * b)  # gamma^{3/2} f, as a = K^{-1/2} b = Z K^{1/2} b / gamma
    embeddings = [[float(f[i, j] / gammas[j] ** 1.5) for j in modes] for i in range(len(rows))]
    return np.array([float(gammas[j]) for j in order]), np.array(embeddings)


def views(case):
    rng = np.random.default_rng(5)
    shape = {"fewer rows than features": (3, 20), "one pair": (1, 3), "two identical pairs": (1, 3)}
    x = rng.normal(size=shape.get(case, (4, 3))) * np.linspace(1.5, 0.5, shape.get(case, (4, 3))[1])
    y = x + 0.3 * rng.normal(size=x.shape)
    if case == "duplicate rows":
        x[2], y[2], x[3] = x[0], y[0], y[1]
    elif case == "identical views":
        y = x
    elif case == "two identical pairs":
        x, y = np.repeat(x, 2, axis=0), np.repeat(y, 2, axis=0)
    elif case == "rank-deficient":
        x[:, 2], y[:, 2] = x[:, 0] - 2 * x[:, 1], y[:, 0] - 2 * y[:, 1]
    elif case == "constant feature":
        x[:, 1] = y[:, 1] = 3
    elif case == "constant rows":
        x[:] = y[:] = 0.7
    elif case == "offset of a million":
        x, y = x + 1e6, y + 1e6
    elif case == "one feature 1e4 times the others":
        x[:, 0], y[:, 0] = 1e4 * x[:, 0], 1e4 * y[:, 0]
    elif case == "features of many sizes":
        x, y = x * [1e3, 1e2, 1], y * [1e3, 1e2, 1]
    return x, y, x[:1] + 0.2 * rng.normal(size=x[:1].shape)


@cache
def expected(case, kernel, dtype, gamma):
    rows = [part.astype(dtype) for part in views(case)]
    return rows, *fifty_digits(kernel, *rows, gamma)


CASES = [
    "duplicate rows",
    "identical views",
    "rank-deficient",
    "constant feature",
    "constant rows",
    "fewer rows than features",
    "one pair",
    "two identical pairs",
]


@pytest.mark.slow
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("case", "kernel", "gamma"),
    [(case, kernel, None) for case in CASES for kernel in ("linear", "rbf")]
    + [("duplicate rows", "poly", None), ("rank-deficient", "poly", 0.5)]
    + [("offset of a million", "rbf", None), ("one feature 1e4 times the others", "rbf", 1e-8)],
)
def test_modes_are_those_of_fifty_digits(case, kernel, gamma, dtype, solver):
    (x, y, new), gammas, embeddings = expected(case, kernel, dtype, gamma)
    tolerance = TOLERANCE[dtype]
    n_modes = min(N_COMPONENTS, int((gammas > 1e-5 * gammas[0]).sum()))
    model = ContrastiveKernelPCA(
        N_COMPONENTS, kernel=kernel, gamma=gamma, degree=2, y_is="view", solver=solver, random_state=0
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(x, y)
    asked = f"{N_COMPONENTS} modes were asked for, {n_modes} have a positive eigenvalue"
    assert [asked in str(warning.message) for warning in caught] == [True] * (n_modes < N_COMPONENTS)
    np.testing.assert_allclose(model.eigenvalues_, gammas[:n_modes], rtol=tolerance)
    embedded = model.transform(np.concatenate((x, y, new)))
    assert embedded.dtype == dtype
    gaps = np.abs(gammas[:, None] - gammas[:n_modes]) + gammas[0] * np.eye(len(gammas), n_modes)
    for j in np.flatnonzero(gaps.min(axis=0) > 0.02 * gammas[0]):
        sign = np.sign(embedded[:, j] @ embeddings[:, j])
        np.testing.assert_allclose(
            sign * embedded[:, j], embeddings[:, j], atol=tolerance * np.abs(embeddings[:, j]).max()
        )


@pytest.mark.slow
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kernel", ["linear", "poly"])
@pytest.mark.parametrize(
    "case", ["offset of a million", "one feature 1e4 times the others", "features of many sizes"]
)
def test_badly_scaled_rows_give_what_rounding_leaves_of_the_modes_or_a_warning(case, kernel, dtype, solver):
    (x, y, _), gammas, _ = expected(case, kernel, dtype, None)
    options = {"degree": 2, "y_is": "view", "solver": solver, "random_state": 0}
    model = ContrastiveKernelPCA(N_COMPONENTS, kernel=kernel, **options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(x, y)
    eps = np.finfo(dtype if solver == "nystrom" else model.dual_coef_.dtype).eps
    rounding = 1e3 * eps * gammas[0] / gammas[: model.n_components_] + TOLERANCE[dtype]
    sound = np.ones(model.n_components_, dtype=bool)
    if any(issubclass(warning.category, ConvergenceWarning) for warning in caught):
        sound = model.residuals_ < 0.01
        rounding += 2 * model.residuals_
    assert sound[0]
    gammas = gammas[: model.n_components_][sound]
    assert (np.abs(model.eigenvalues_[sound] / gammas - 1) <= rounding[sound]).all()
    assert (gammas > eps * gammas[0]).all()
    # And every mode is usable: the embedding on the training pairs does what it should.
    a, b = (model.transform(part).astype(np.float64)[:, sound] for part in (x, y))
    correlation = np.diag(a.T @ b + b.T @ a) / (2 * len(x))
    np.testing.assert_array_less(np.abs(correlation - 1), rounding[sound])


@pytest.mark.parametrize("scale", [1e25, 1e-25])
def test_the_dense_solver_takes_float32_rows_whose_products_are_beyond_float32(scale):
    x, y = (part.astype(np.float32) for part in views("plain")[:2])
    expected = ContrastiveKernelPCA(2, kernel="linear", y_is="view").fit(x, y)
    model = ContrastiveKernelPCA(2, kernel="linear", y_is="view").fit(
        np.float32(scale) * x, np.float32(scale) * y
    )
    np.testing.assert_allclose(model.eigenvalues_ / scale**2, expected.eigenvalues_, rtol=1e-5)
    np.testing.assert_allclose(model.transform(np.float32(scale) * x), expected.transform(x), rtol=1e-4)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("kernel", "rows"), [("linear", "zeros"), ("linear", "antipodes"), ("rbf", "constants")]
)
def test_views_without_any_mode_are_one_clear_error(kernel, rows, dtype, solver):
    x = views("plain")[0].astype(dtype)
    x, y = {"zeros": (0 * x, 0 * x), "antipodes": (x, -x), "constants": (0 * x + 0.7, 0 * x + 0.7)}[rows]
    options = {"center": rows == "constants", "y_is": "view", "solver": solver, "random_state": 0}
    model = ContrastiveKernelPCA(2, kernel=kernel, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=r"no mode is learned|the kernel explains nothing"):
            model.fit(x, y)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.filterwarnings("ignore:the modes' worst residual")
def test_centring_takes_off_an_offset_as_far_as_rounding_lets_it(solver):
    x, y, _ = views("plain")
    expected = ContrastiveKernelPCA(2, kernel="linear", center=True, y_is="view").fit(x, y)
    model = ContrastiveKernelPCA(2, kernel="linear", center=True, solver=solver, random_state=0)
    model.set_params(y_is="view").fit(x + 1e3, y + 1e3)
    np.testing.assert_allclose(model.eigenvalues_, expected.eigenvalues_, rtol=1e-6)
    np.testing.assert_allclose(np.abs(model.transform(x + 1e3)), np.abs(expected.transform(x)), atol=1e-5)
    if solver == "krylov":
        return  # The square of an offset of a million is more than its basis resolves.
    model.fit(x + 1e6, y + 1e6)
    np.testing.assert_allclose(model.eigenvalues_, expected.eigenvalues_, rtol=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kernel", ["linear", "poly", "rbf", "cosine"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_sparse_rows_give_what_dense_ones_do(dtype, kernel, solver):
    x = scipy.sparse.random(8, 6, density=0.4, random_state=1, format="csr", dtype=dtype)
    y = (x + scipy.sparse.random(8, 6, density=0.2, random_state=2, format="csr", dtype=dtype)).tocoo()
    options = {"kernel": kernel, "y_is": "view", "solver": solver, "random_state": 0}
    dense = ContrastiveKernelPCA(3, **options).fit(x.toarray(), y.toarray())
    sparse = ContrastiveKernelPCA(3, **options).fit(x, y)
    tolerance = {np.float64: 1e-9, np.float32: 1e-4}[dtype]
    np.testing.assert_allclose(sparse.eigenvalues_, dense.eigenvalues_, rtol=tolerance)
    embedded, expected = sparse.transform(y), dense.transform(y.toarray())
    assert embedded.dtype == dtype
    np.testing.assert_allclose(np.abs(embedded), np.abs(expected), atol=tolerance)
    with pytest.raises(ValueError, match="expected sparse rows if the training views were sparse"):
        sparse.transform(y.toarray())
    with pytest.raises(ValueError, match="dense rows if they were dense"):
        dense.transform(y)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_sparse_rows_of_low_rank_have_no_more_modes_than_that(dtype, solver):
    rows = scipy.sparse.random(4, 6, density=0.6, random_state=1, format="csr", dtype=dtype)
    x = scipy.sparse.vstack([rows] * 6)
    with pytest.warns(UserWarning, match="10 modes were asked for, 4 have"):
        model = ContrastiveKernelPCA(10, kernel="linear", solver=solver, random_state=0).fit(x)
    rows = rows.astype(np.float64)
    expected = np.linalg.eigvalsh((rows @ rows.T).toarray())[::-1] / 4
    # The dense solver works in float64 whatever the rows are.
    tolerance = 1e-4 if dtype == np.float32 and solver != "dense" else 1e-9
    np.testing.assert_allclose(model.eigenvalues_, expected, rtol=tolerance)


def read_only(rows):
    rows = rows.copy()
    rows.flags.writeable = False
    return rows


def spread_out(rows):
    room = np.full((3 * len(rows), 2 * rows.shape[1]), np.nan)
    room[::-3, ::2] = rows
    return room[::-3, ::2]


AS_GIVEN = {
    "lists": (lambda rows: rows.tolist(), np.float64),
    "Fortran order": (np.asfortranarray, np.float64),
    "read-only": (read_only, np.float64),
    "strided and reversed": (spread_out, np.float64),
    "big-endian": (lambda rows: rows.astype(">f8"), np.float64),
    "float16": (lambda rows: rows.astype(np.float16), np.float64),
    "extended precision": (lambda rows: rows.astype(np.longdouble), np.float64),
    "integers": (lambda rows: (9 * rows).astype(np.int64), np.float64),
    "booleans": (lambda rows: rows > 0, np.float64),
    "numbers as objects": (lambda rows: rows.astype(object), np.float64),
    "tensor of half precision": (lambda rows: torch.tensor(rows).half(), torch.float16),
    "tensor of integers": (lambda rows: torch.tensor(9 * rows).int(), torch.float64),
    "tensor of bytes": (lambda rows: torch.tensor(9 * rows).clamp(min=0).byte(), torch.float32),
    "tensor with a gradient": (lambda rows: torch.tensor(rows, requires_grad=True), torch.float64),
    "strided tensor": (lambda rows: torch.tensor(rows.T.copy()).T, torch.float64),
}


@pytest.mark.parametrize("kind", AS_GIVEN)
def test_rows_of_other_types_and_layouts_count_by_their_values(kind):
    convert, dtype = AS_GIVEN[kind]
    x, y = (convert(part) for part in views("plain")[:2])
    before = repr(x)
    plain = [
        part.detach().double().numpy() if isinstance(part, torch.Tensor) else np.array(part, dtype=np.float64)
        for part in (x, y)
    ]
    model = ContrastiveKernelPCA(2, y_is="view").fit(x, y)
    embedded = model.transform(x)
    assert embedded.dtype == dtype
    expected = ContrastiveKernelPCA(2, y_is="view").fit(*plain)
    np.testing.assert_allclose(model.eigenvalues_, expected.eigenvalues_, rtol=1e-10)
    rtol = {torch.float16: 1e-2, torch.float32: 1e-5}.get(dtype, 1e-9)
    np.testing.assert_allclose(np.asarray(embedded), expected.transform(plain[0]), rtol=rtol, atol=rtol)
    assert repr(x) == before


def test_data_frames_give_what_arrays_do():
    pandas = pytest.importorskip("pandas")
    x, y, _ = views("plain")
    frame = pandas.DataFrame(x, columns=list("abc"), index=list("wxyz"))
    model = ContrastiveKernelPCA(2, y_is="view").fit(frame, pandas.DataFrame(y))
    expected = ContrastiveKernelPCA(2, y_is="view").fit(x, y)
    np.testing.assert_array_equal(model.transform(frame), expected.transform(x))
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    ids = pandas.Series(["u", "v", "u", "v"], index=[7, 5, 3, 1])
    grouped = ContrastiveKernelPCA(2).fit(frame, groups=ids)
    np.testing.assert_array_equal(
        grouped.eigenvalues_, ContrastiveKernelPCA(2).fit(x, groups=[0, 1, 0, 1]).eigenvalues_
    )
    model.set_output(transform="pandas")
    assert list(model.transform(frame).index) == list("wxyz")


@pytest.mark.slow
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
@pytest.mark.parametrize("mode", ["r", "c"])
def test_memory_maps_give_what_arrays_do_and_keep_unsaved_changes(tmp_path, mode, dtype, solver):
    # Larger than a page, so that letting go of pages would show.
    rng = np.random.default_rng(0)
    given = [rng.integers(0, 200, size=(300, 16)).astype(dtype) for _ in range(2)]
    maps = []
    for name, part in zip("xy", given, strict=True):
        part.tofile(tmp_path / name)
        maps.append(np.memmap(tmp_path / name, dtype, mode, shape=part.shape))
    if mode == "c":
        for part in (*given, *maps):
            part[::7] = 3
    options = {"kernel": "rbf", "gamma": 1e-5, "solver": solver, "random_state": 0, "n_landmarks": 40}
    model = ContrastiveKernelPCA(3, **options, y_is="view").fit(*maps)
    expected = ContrastiveKernelPCA(3, **options, y_is="view").fit(*(part.astype(float) for part in given))
    np.testing.assert_allclose(model.eigenvalues_, expected.eigenvalues_, rtol=1e-4)
    embedded = model.transform(maps[0])
    np.testing.assert_allclose(
        np.abs(embedded), np.abs(expected.transform(given[0].astype(float))), atol=2e-3
    )
    for part, unchanged in zip(maps, given, strict=True):
        np.testing.assert_array_equal(part, unchanged)
    if solver == "nystrom":
        parts = ContrastiveKernelPCA(3, **options, y_is="view").fit(*(part[:150] for part in maps))
        parts.partial_fit(*(part[150:] for part in maps))
        np.testing.assert_array_equal(maps[0], given[0])
        assert parts.n_views_ == 600


def with_entry(entry, rows):
    rows = rows.copy()
    rows[2, 1] = entry
    return rows


def fit(x, y=None, **options):
    arguments = {name: options.pop(name) for name in ("groups", "pair_graph") if name in options}
    options = {"y_is": None if y is None else "view"} | options
    return lambda: ContrastiveKernelPCA(2, **options).fit(x, y, **arguments)


def embed(new, x, **options):
    return lambda: ContrastiveKernelPCA(2, **options).fit(x).transform(new)


X, Y, _ = views("plain")
GRAM = X @ X.T
IDS = np.array([0.0, 0.0, 1.0, 1.0])
REFUSED = {
    **{
        f"{name}, {bad}": (call, message)
        for bad, word in ((np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity"))
        for name, call, message in (
            ("X", fit(with_entry(bad, X), Y), f"Input X contains {word}"),
            ("y", fit(X, with_entry(bad, Y)), f"Input y contains {word}"),
            ("float32 X", fit(with_entry(bad, X.astype("f4")), Y), f"Input X contains {word}"),
            ("sparse X", fit(scipy.sparse.csr_array(with_entry(bad, X))), f"Input X contains {word}"),
            ("tensor X", fit(torch.tensor(with_entry(bad, X))), "NaN or infinity in view 2"),
            ("tensor y", fit(torch.tensor(X), torch.tensor(with_entry(bad, Y))), "infinity in view 6"),
            ("precomputed", fit(with_entry(bad, GRAM), kernel="precomputed"), f"Input X contains {word}"),
            ("new rows", embed(with_entry(bad, X), X), f"Input X contains {word}"),
            ("new tensor rows", embed(torch.tensor(with_entry(bad, X)), X), "infinity in view 2"),
            ("new kernel rows", embed(with_entry(bad, GRAM), GRAM, kernel="precomputed"), word),
            (
                "ids",
                fit(X, groups=np.where(IDS, IDS, bad)),
                "id for every row in groups, got NaN or infinity",
            ),
            (
                "pair graph",
                fit(X, pair_graph=with_entry(bad, GRAM)),
                "finite pair graph, got NaN or infinity",
            ),
        )
    },
    "asymmetric kernel": (fit(with_entry(9, GRAM), kernel="precomputed"), "symmetric precomputed kernel"),
    "asymmetric tensor": (
        fit(torch.tensor(with_entry(9, GRAM)), kernel="precomputed"),
        "symmetric precomputed",
    ),
    "slightly asymmetric kernel": (
        fit(GRAM + 1e-6 * np.tri(4), kernel="precomputed"),
        r"whose rows and columns differ by about \S+e-06; pass \(K \+ K.T\) / 2",
    ),
    "indefinite kernel": (fit(GRAM - np.eye(4), kernel="precomputed"), "positive semi-definite kernel"),
    "indefinite kernel, krylov": (
        fit(GRAM - np.eye(4), kernel="precomputed", solver="krylov"),
        "positive semi-definite kernel",
    ),
    "negative kernel": (fit(-GRAM, kernel="precomputed"), "positive semi-definite kernel"),
    "oblong kernel": (
        fit(GRAM[:3], kernel="precomputed"),
        r"square precomputed kernel .* got shape \(3, 4\)",
    ),
    "sparse kernel": (fit(scipy.sparse.csr_array(GRAM), kernel="precomputed"), "dense .* got a sparse one"),
    "kernel with y": (fit(GRAM, GRAM, kernel="precomputed"), "a precomputed kernel covers all views"),
    "kernel for nystrom": (fit(GRAM, kernel="precomputed", solver="nystrom"), "use 'krylov' or 'dense'"),
    "kernel rows of other width": (embed(GRAM[:, :3], GRAM, kernel="precomputed"), "3 features"),
    "complex X": (fit(X + 0j, Y), "Complex data not supported"),
    "complex y": (fit(X, Y + 0j), "Complex data not supported"),
    "complex tensor X": (fit(torch.tensor(X + 0j)), "Complex data not supported: expected a real X"),
    "complex tensor y": (fit(torch.tensor(X), torch.tensor(Y + 0j)), "expected a real y"),
    "sparse tensor": (fit(torch.tensor(X).to_sparse()), "X as a dense tensor"),
    "no rows": (fit(X[:0], Y[:0]), "0 sample"),
    "no features": (fit(X[:, :0], Y[:, :0]), "0 feature"),
    "no rows, tensor": (fit(torch.tensor(X[:0])), "at least 1 row in X"),
    "no features, tensor": (fit(torch.tensor(X[:, :0])), "n, p >= 1"),
    "vector": (fit(X[0]), "Expected 2D array, got 1D array"),
    "vector, tensor": (fit(torch.tensor(X[0])), "2-D tensor"),
    "images": (fit(X[:, :, None]), "dim 3"),
    "words": (fit(np.array([["a", "b"]] * 4, dtype=object)), "could not convert string to float"),
    "fewer second views": (fit(X, Y[:3]), r"X's shape \(4, 3\), got shape \(3, 3\)"),
    "narrower second views": (fit(X, Y[:, :2]), r"got shape \(4, 2\)"),
    "one column of second views": (fit(X, Y[:, :1]), r"got shape \(4, 1\)"),
    "dense and sparse": (fit(X, scipy.sparse.csr_array(Y)), "both sparse or both dense"),
    "array and tensor": (fit(X, torch.tensor(Y)), "y of X's kind, a ndarray, got a Tensor"),
    "too few ids": (
        fit(X, groups=[0, 0, 1]),
        r"groups with one entry for each of the 4 rows of X, got \(3,\)",
    ),
    "ids that are rows": (fit(X, groups=np.zeros((4, 2))), "one id a row"),
    "ids all different": (fit(X, groups=list("abcd")), "each alone in its group"),
    "ids of several types": (fit(X, groups=np.array([1, 1, "a", "a"], dtype=object)), "one sortable type"),
    "small pair graph": (fit(X, pair_graph=np.eye(3)), "pair_graph with one entry for each of the 4 rows"),
    "oblong pair graph": (fit(X, pair_graph=np.ones((4, 3))), "square pair graph"),
    "asymmetric pair graph": (fit(X, pair_graph=np.tri(4)), "symmetric pair graph"),
    "empty pair graph": (fit(X, pair_graph=0 * GRAM), "at least one pair"),
    "pairs and ids": (fit(X, Y, groups=IDS), "one way to tell which rows are views of one sample"),
    "new rows of other width": (embed(X[:, :2], X), "2 features, but ContrastiveKernelPCA is expecting 3"),
    "new tensor of other width": (embed(torch.tensor(X[:, :2]), X), "2 features, but ContrastiveKernelPCA"),
    "no new rows": (embed(X[:0], X), "0 sample"),
    "distances too large": (fit(1e200 * X, Y), "squared distances fit torch.float64"),
    **{
        f"products too large, {solver}": (
            fit(1e200 * X, Y, kernel="linear", solver=solver),
            "finite kernel values",
        )
        for solver in SOLVERS
    },
    **{
        f"products too large for float32, {solver}": (
            fit(np.float32(1e25) * X.astype("f4"), kernel="linear", solver=solver),
            "finite kernel values",
        )
        for solver in ("krylov", "nystrom")
    },
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_what_has_no_answer_is_refused_by_name(case):
    call, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("solver", SOLVERS)
def test_nan_in_a_memory_map_is_named_when_it_is_read(tmp_path, solver):
    np.where(np.arange(60).reshape(20, 3) == 34, np.nan, 1.0).astype(np.float32).tofile(tmp_path / "rows")
    rows = np.memmap(tmp_path / "rows", np.float32, "r", shape=(20, 3))
    with pytest.raises(ValueError, match="NaN or infinity in view 11"):
        ContrastiveKernelPCA(2, solver=solver).fit(rows)
    with pytest.raises(ValueError, match="NaN or infinity in view 11"):
        ContrastiveKernelPCA(2, solver=solver).fit(X).transform(rows)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_failed_fit_leaves_a_fitted_model_as_it_was(solver):
    model = ContrastiveKernelPCA(2, solver=solver, random_state=0, y_is="view").fit(X, Y)
    before = model.transform(X)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        model.fit(with_entry(np.nan, X))
    # This one fails late, when its modes are sought.
    model.set_params(kernel="linear", objective="simclr", center=True)
    with pytest.raises(ValueError, match=r"no mode is learned"):
        model.fit(0 * X + 1, 0 * X + 1)
    np.testing.assert_array_equal(model.transform(X), before)
    assert model.objective_.name == "barlow_twins"


def test_a_failed_first_batch_does_not_count():
    model = ContrastiveKernelPCA(2, random_state=0, center=True, y_is="view")
    for bad, message in ((with_entry(np.nan, X), "NaN"), (0 * X, "no mode is learned")):
        with pytest.raises(ValueError, match=message):
            model.partial_fit(bad, bad)
    model.partial_fit(X, Y)
    assert model.n_views_ == 8
    expected = ContrastiveKernelPCA(2, random_state=0, center=True, y_is="view").fit(X, Y)
    np.testing.assert_allclose(model.eigenvalues_, expected.eigenvalues_, rtol=1e-10)


# Entries in quarters make duplicate rows, low rank and equal eigenvalues common.
entries = st.integers(-8, 8).map(lambda number: number / 4)


@st.composite
def small_problems(draw):
    n, p = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    x, y = (np.array(draw(st.lists(entries, min_size=n * p, max_size=n * p))) for _ in range(2))
    return draw(st.sampled_from(["linear", "poly", "rbf"])), x.reshape(n, p), y.reshape(n, p)


def every_mode(kernel, x, y, **options):
    """Fit as many modes as there are well above rounding; skip problems with modes near it, or with none."""
    matrix = kernel_matrix(kernel, x, y)
    swapped = np.roll(np.eye(len(matrix)), len(x), axis=0) / len(matrix)
    gammas = np.linalg.eigvals(swapped @ matrix).real
    largest = gammas.max()
    assume(largest > 1e-6)
    assume(not ((gammas > 1e-12 * largest) & (gammas < 1e-5 * largest)).any())
    n_modes = int((gammas > 1e-5 * largest).sum())
    options = {"degree": 2, "y_is": "view", "random_state": 0} | options
    return ContrastiveKernelPCA(n_modes, kernel=kernel, **options).fit(x, y)


def kernel_matrix(kernel, x, y):
    options = {"degree": 2, "coef0": 1} if kernel == "poly" else {}
    return pairwise_kernels(np.concatenate((x, y)), metric=kernel, **options)


properties = settings(max_examples=40, deadline=None, derandomize=True)


@pytest.mark.slow
@properties
@given(small_problems())
def test_the_solvers_agree(problem):
    dense, krylov, nystrom = (every_mode(*problem, solver=solver) for solver in SOLVERS)
    rows = np.concatenate(problem[1:])
    for other in (krylov, nystrom):
        np.testing.assert_allclose(other.eigenvalues_, dense.eigenvalues_, rtol=1e-7)
        # Equal eigenvalues leave their modes free to turn, but not the kernel of all of them together.
        a, b = dense.transform(rows), other.transform(rows)
        np.testing.assert_allclose(b @ b.T, a @ a.T, atol=1e-5 * np.abs(a @ a.T).max())


@pytest.mark.slow
@properties
@given(small_problems(), st.sampled_from(SOLVERS))
def test_embeddings_of_the_training_views_have_cross_correlation_one(problem, solver):
    model = every_mode(*problem, solver=solver)
    a, b = (model.transform(part) for part in problem[1:])
    np.testing.assert_allclose((a.T @ b + b.T @ a) / (2 * len(a)), np.eye(model.n_components_), atol=1e-5)


@pytest.mark.slow
@properties
@given(small_problems(), st.sampled_from(SOLVERS), st.randoms())
def test_permuting_pairs_and_swapping_views_changes_nothing(problem, solver, random):
    kernel, x, y = problem
    model = every_mode(kernel, x, y, solver=solver)
    order = random.sample(range(len(x)), len(x))
    other = every_mode(kernel, y[order], x[order], solver=solver)
    np.testing.assert_allclose(other.eigenvalues_, model.eigenvalues_, rtol=1e-7)
    rows = np.concatenate((x, y))
    a, b = model.transform(rows), other.transform(rows)
    np.testing.assert_allclose(b @ b.T, a @ a.T, atol=1e-5 * np.abs(a @ a.T).max())


@pytest.mark.slow
@properties
@given(small_problems(), st.sampled_from(["dense", "krylov"]), st.floats(1e-3, 1e3))
def test_a_kernel_times_c_has_eigenvalues_times_c_and_the_same_embedding(problem, solver, c):
    model = every_mode(*problem, solver=solver)
    matrix, pairs = c * kernel_matrix(*problem), np.tile(np.arange(len(problem[1])), 2)
    scaled = ContrastiveKernelPCA(
        model.n_components_, kernel="precomputed", solver=solver, random_state=0
    ).fit(matrix, groups=pairs)
    np.testing.assert_allclose(scaled.eigenvalues_, c * model.eigenvalues_, rtol=1e-7)
    a, b = model.transform(np.concatenate(problem[1:])), scaled.transform(matrix)
    np.testing.assert_allclose(b @ b.T, a @ a.T, atol=1e-5 * np.abs(a @ a.T).max())


@pytest.mark.parametrize("solver", ["dense", "krylov", "nystrom"])
def test_float32_features_of_very_different_scales_give_right_modes_or_none(solver):
    rng = np.random.default_rng(0)
    scales = np.array([1e3, 1e2, 1, 0.5, 0.3])
    x = (rng.normal(size=(300, 5)) * scales).astype(np.float32)
    y = (x + 0.1 * rng.normal(size=x.shape) * scales).astype(np.float32)
    views = np.concatenate((x, y)).astype(float)
    gamma = np.linalg.eigvalsh(views.T @ np.roll(views, 300, axis=0) / 600)[::-1]
    model = ContrastiveKernelPCA(5, kernel="linear", y_is="view", solver=solver, random_state=0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="n_components=5")
        found = model.fit(x, y).eigenvalues_
    assert len(found) >= 2
    np.testing.assert_allclose(found, gamma[: len(found)], rtol=1e-4)

"""From embeddings back to rows, as scikit-learn's KernelPCA goes."""

import numpy as np
import pytest
import scipy.sparse
import torch
from sklearn.decomposition import PCA, KernelPCA
from sklearn.exceptions import NotFittedError

from eigenstep import ContrastiveKernelPCA

RNG = np.random.default_rng(0)
X, NEW = RNG.normal(size=(80, 4)), RNG.normal(size=(10, 4))


@pytest.mark.parametrize("solver", ["dense", "krylov", "nystrom"])
@pytest.mark.parametrize("alpha", [1.0, 0.01])
@pytest.mark.parametrize("kernel", ["linear", "poly", "rbf", "cosine"])
def test_pre_images_are_those_of_kernel_pca(kernel, alpha, solver):
    options = {"kernel": kernel, "fit_inverse_transform": True, "alpha": alpha}
    theirs = KernelPCA(3, **options).fit(X)
    ours = ContrastiveKernelPCA(3, center=True, whiten=False, solver=solver, random_state=0, **options).fit(X)
    for rows in (X, NEW):
        np.testing.assert_allclose(
            ours.inverse_transform(ours.transform(rows)),
            theirs.inverse_transform(theirs.transform(rows)),
            atol=1e-9,
        )


def test_a_linear_kernel_gives_the_projection_on_the_principal_axes():
    rows = X + 3 * X[:, :1]
    model = ContrastiveKernelPCA(
        2, kernel="linear", center=True, whiten=False, fit_inverse_transform=True, alpha=1e-3
    ).fit(rows)
    exact = PCA(2).fit(rows)
    expected = exact.inverse_transform(exact.transform(rows)) - rows.mean(axis=0)
    # Ridge regression through the origin: the mean of the rows is no multiple of a centred embedding.
    np.testing.assert_allclose(model.inverse_transform(model.transform(rows)), expected, atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_pre_images_of_tensors_are_tensors_of_their_type(dtype):
    x = torch.tensor(X, dtype=dtype)
    model = ContrastiveKernelPCA(3, gamma=0.1, y_is="view", fit_inverse_transform=True).fit(x, x + 0.1)
    back = model.inverse_transform(model.transform(x))
    assert (back.dtype, back.shape) == (dtype, x.shape)
    arrays = ContrastiveKernelPCA(3, gamma=0.1, y_is="view", fit_inverse_transform=True)
    arrays.fit(x.numpy(), (x + 0.1).numpy())
    found = arrays.inverse_transform(arrays.transform(x.numpy()))
    assert found.dtype == x.numpy().dtype
    np.testing.assert_allclose(back.numpy(), found, rtol=1e-4, atol=1e-4)


def test_landmarks_and_batches_bring_rows_back_as_well_as_all_rows_do():
    rows = np.random.default_rng(1).normal(size=(3000, 2)) @ [[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]]
    model = ContrastiveKernelPCA(
        6, gamma=0.2, n_landmarks=50, fit_inverse_transform=True, alpha=1e-3, random_state=0
    )
    for batch in np.split(rows, 2):
        model.partial_fit(batch)
    error = model.inverse_transform(model.transform(rows)) - rows
    assert np.sqrt((error**2).mean() / rows.var()) < 0.1


def test_a_kernel_whose_rows_are_unknown_has_no_pre_images():
    with pytest.raises(ValueError, match="Cannot fit_inverse_transform with a precomputed kernel"):
        ContrastiveKernelPCA(2, kernel="precomputed", fit_inverse_transform=True).fit(X @ X.T)
    with pytest.raises(ValueError, match=r"dense rows \(n, p\) for fit_inverse_transform"):
        ContrastiveKernelPCA(2, fit_inverse_transform=True).fit(scipy.sparse.csr_array(X))
    with pytest.raises(ValueError, match="alpha as a number >= 0, got -1"):
        ContrastiveKernelPCA(2, fit_inverse_transform=True, alpha=-1).fit(X)
    model = ContrastiveKernelPCA(2).fit(X)
    with pytest.raises(NotFittedError, match="fit_inverse_transform parameter was not set to True"):
        model.inverse_transform(X[:, :2])


def test_embeddings_of_another_width_or_without_numbers_are_refused():
    model = ContrastiveKernelPCA(2, fit_inverse_transform=True).fit(X)
    with pytest.raises(ValueError, match=r"embeddings \(n, 2\), one column for each component, .* \(80, 4\)"):
        model.inverse_transform(X)
    with pytest.raises(ValueError, match="contains NaN"):
        model.inverse_transform(np.full((3, 2), np.nan))
    for lost in (torch.nan, torch.inf):
        with pytest.raises(ValueError, match="Input X contains NaN or infinity"):
            model.inverse_transform(torch.full((3, 2), lost))


def test_polished_landmarks_learn_pre_images_from_a_sample_of_the_rows():
    rows = np.random.default_rng(1).normal(size=(3000, 2)) @ [[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]]
    seen = []

    def kernel(a, b):
        seen.append(max(len(a), len(b)))
        return a @ b.T

    options = {"kernel": kernel, "solver": "nystrom", "n_landmarks": 20, "random_state": 0}
    model = ContrastiveKernelPCA(2, polish=1, fit_inverse_transform=True, alpha=1e-3, **options).fit(rows)
    back = model.transform(rows[:5])
    seen.clear()
    found = model.inverse_transform(back)
    assert max(seen) <= 2000
    np.testing.assert_allclose(found, rows[:5], atol=1e-2)


def test_a_failed_regression_leaves_a_fitted_model_as_it_was():
    model = ContrastiveKernelPCA(2, kernel="linear", fit_inverse_transform=True).fit(X)
    before = model.inverse_transform(model.transform(X))
    # Two components of 80 rows: without a ridge their linear kernel is singular.
    with pytest.raises(ValueError, match="got alpha=0; raise it"):
        model.set_params(alpha=0, n_components=1).fit(2 * X)
    np.testing.assert_array_equal(model.inverse_transform(model.transform(X)), before)


def test_batches_are_offered_where_there_can_be_some():
    assert not hasattr(ContrastiveKernelPCA(kernel="precomputed"), "partial_fit")
    assert hasattr(ContrastiveKernelPCA(), "partial_fit")
    with pytest.raises(AttributeError, match="has no attribute 'partial_fit'") as caught:
        ContrastiveKernelPCA(kernel="precomputed").partial_fit(X @ X.T)
    assert "a precomputed kernel is of all views" in str(caught.value.__cause__)


def test_gamma_is_told_of_kernels_that_have_one():
    assert ContrastiveKernelPCA(2).fit(X).gamma_ == 1 / 4
    assert ContrastiveKernelPCA(2, gamma=0.3).fit(scipy.sparse.csr_array(X)).gamma_ == 0.3
    assert ContrastiveKernelPCA(2, kernel="chi2").fit(np.abs(X)).gamma_ == 1
    assert not hasattr(ContrastiveKernelPCA(2, kernel="linear").fit(X), "gamma_")

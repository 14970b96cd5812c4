import numpy as np
import pytest
import torch
from sklearn.base import clone

from eigenstep import ContrastiveKernelPCA
from eigenstep.kernel import NTKKernel, empirical_ntk


@pytest.fixture
def views(network):
    torch.manual_seed(1)
    first = torch.randn(60, 3, 16, 16).double()
    return network("convnet")[0], first, first + 0.3 * torch.randn_like(first)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [torch.Tensor, np.ndarray])
@pytest.mark.parametrize(
    ("solver", "stored", "words"),
    [
        ("dense", True, "dense"),
        ("krylov", True, "kernel stored"),
        ("krylov", False, "kernel never stored"),
        ("nystrom", True, "Nystrom"),
    ],
)
def test_every_solver_finds_the_modes_of_the_kernel(views, solver, stored, words, kind):
    model, first, second = views
    kernel = empirical_ntk(model, torch.cat((first, second))).matrix
    exact = ContrastiveKernelPCA(3, kernel="precomputed").fit(kernel, groups=np.tile(np.arange(60), 2))
    if kind is np.ndarray:
        first, second = first.numpy(), second.numpy()
    fitted = ContrastiveKernelPCA(
        3, kernel=NTKKernel(model, stored=stored), y_is="view", solver=solver, n_landmarks=120, random_state=0
    ).fit(first, second)
    assert words in fitted.solver_
    np.testing.assert_allclose(fitted.eigenvalues_, exact.eigenvalues_, rtol=1e-6)
    embedded = np.abs(np.asarray(fitted.transform(first[:7])))
    np.testing.assert_allclose(
        embedded, np.abs(np.asarray(exact.transform(kernel[:7]))), rtol=1e-3, atol=1e-4
    )


@pytest.mark.slow
def test_float32_views_have_a_float32_kernel(views):
    model, first, second = views
    kernel = NTKKernel(model)
    assert kernel(first.float(), second.float()).dtype == torch.float32
    assert kernel(first, second).dtype == torch.float64
    fitted = ContrastiveKernelPCA(
        2, kernel=NTKKernel(model, stored=False), y_is="view", solver="krylov", random_state=0
    )
    exact = ContrastiveKernelPCA(2, kernel=kernel, y_is="view").fit(first, second)
    single = fitted.fit(first.float(), second.float())
    np.testing.assert_allclose(single.eigenvalues_, exact.eigenvalues_, rtol=1e-4)


@pytest.mark.slow
def test_little_memory_keeps_the_matrix_from_being_stored(views):
    model, first, _ = views
    kernel = NTKKernel(model)
    assert type(kernel.kernel_matrix(first, storage=60 * 60 * 8)).__name__ == "StoredKernelMatrix"
    assert type(kernel.kernel_matrix(first, storage=60 * 60 * 8 - 1)).__name__ == "NTKOperator"


@pytest.mark.slow
def test_an_estimator_with_it_can_be_cloned(views):
    model, first, second = views
    estimator = ContrastiveKernelPCA(2, kernel=NTKKernel(model, outputs=1), y_is="view")
    found = clone(estimator).fit(first, second).eigenvalues_
    np.testing.assert_allclose(found, estimator.fit(first, second).eigenvalues_)

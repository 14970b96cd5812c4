import numpy as np
import pytest
import torch

from eigenstep import ContrastiveKernelPCA
from eigenstep.kernel import empirical_ntk, ntk_features
from eigenstep.kernel.ntk import CountSketch, TensorSketch


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mlp", "convnet", "tokens", "transposed"])
def test_inner_products_are_the_kernel_on_average_with_an_error_of_one_over_root_m(network, name):
    model, samples = network(name)
    kernel = empirical_ntk(model, samples).matrix
    scale = kernel.diagonal().sqrt()

    def errors(n_features, seeds):
        found = []
        for seed in range(seeds):
            features = ntk_features(model, samples, n_features, random_state=seed)
            found.append((features @ features.T - kernel) / scale / scale[:, None])
        return torch.stack(found)

    few, many = errors(400, 30), errors(6400, 30)
    spread = float(few.square().mean().sqrt())
    assert spread < (8 / 400) ** 0.5
    assert spread / float(many.square().mean().sqrt()) == pytest.approx(4, rel=0.35)
    # The mean over seeds has no bias: its error is smaller by the root of their number.
    assert float(few.mean(dim=0).square().mean().sqrt()) < 2.2 * spread / 30**0.5


@pytest.mark.parametrize("name", ["scalars", "rnn cell", "gru cell", "lstm cell", "several weights"])
def test_every_parameter_has_its_part_in_the_features(network, name):
    model, samples = network(name)
    kernel = empirical_ntk(model, samples).matrix
    features = ntk_features(model, samples, 20_000)
    atol = 0.03 * float(kernel.diagonal().max())
    torch.testing.assert_close(features @ features.T, kernel, rtol=0, atol=atol)


def test_the_largest_seed_has_a_map_of_its_own(network):
    model, samples = network("mlp")
    first, last = (ntk_features(model, samples, 50, random_state=seed) for seed in (0, 2**32 - 1))
    assert not torch.allclose(first, last)


@pytest.mark.slow
def test_a_seed_is_one_map_for_all_samples_and_batches(network):
    model, samples = network("convnet")
    whole = ntk_features(model, samples, 50, random_state=4)
    parts = [
        ntk_features(model, part, 50, random_state=4, chunk_size=2) for part in (samples[:1], samples[1:])
    ]
    torch.testing.assert_close(torch.cat(parts), whole)
    assert not torch.allclose(ntk_features(model, samples, 50, random_state=5), whole)
    array = ntk_features(model, samples.numpy(), 50, random_state=4)
    assert isinstance(array, np.ndarray)
    np.testing.assert_allclose(array, whole)


@pytest.mark.parametrize("features", [64, 75])
def test_a_product_is_sketched_alike_formed_or_not(features):
    generator = torch.Generator().manual_seed(0)
    sketch = TensorSketch(20, 7, features, generator, torch.zeros(1).double())
    gradients, columns = torch.randn(3, 20, 5).double(), torch.randn(3, 7, 5).double()
    torch.testing.assert_close(sketch.transformed(gradients, columns), sketch.formed(gradients, columns))


@pytest.mark.slow
def test_a_count_sketch_keeps_inner_products_with_the_variance_of_its_docstring():
    x, y = torch.randn(2, 300, generator=torch.Generator().manual_seed(1)).double()
    found = []
    for seed in range(2000):
        sketch = CountSketch(300, 40, torch.Generator().manual_seed(seed), x)
        first, second = sketch(torch.stack((x, y)))
        found.append(float(first @ second))
    found = np.array(found)
    variance = float((x @ x) * (y @ y) + (x @ y) ** 2) / 40
    assert abs(found.mean() - float(x @ y)) < 4 * (variance / 2000) ** 0.5
    assert found.var() == pytest.approx(variance, rel=0.15)


@pytest.mark.slow
def test_features_give_the_kernels_modes_in_float32(network):
    model, _ = network("convnet")
    torch.manual_seed(1)
    first = torch.randn(150, 3, 16, 16)
    second = first + 0.3 * torch.randn_like(first)
    rows, groups = torch.cat((first, second)), np.tile(np.arange(150), 2)
    exact = ContrastiveKernelPCA(4, kernel="precomputed").fit(
        empirical_ntk(model, rows, dtype=torch.float64).matrix, groups=groups
    )
    features = ntk_features(model, rows, 8000, dtype=torch.float32)
    assert features.dtype == torch.float32
    for solver in ("krylov", "nystrom"):
        model_of_features = ContrastiveKernelPCA(
            4, kernel="linear", solver=solver, n_landmarks=300, random_state=0
        ).fit(features, groups=groups)
        np.testing.assert_allclose(model_of_features.eigenvalues_, exact.eigenvalues_, rtol=0.1)

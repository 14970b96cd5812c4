import numpy as np
import pytest
import torch
from torch.func import functional_call, jvp, vjp

from eigenstep.kernel import NTKKernel, NTKOperator, empirical_ntk


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["mlp", "convnet", "vit", "tokens", "bare parameters", "scalars", "gru", "rnn cell", "gru cell"]
    + ["lstm cell", "several weights", "several names", "transposed"],
)
def test_a_product_is_that_with_the_matrix(network, name):
    model, samples = network(name)
    block = torch.randn(len(samples), 3).double()
    expected = empirical_ntk(model, samples).matrix @ block
    torch.testing.assert_close(NTKOperator(model, samples).product(block), expected)
    # Outputs by turns, and small batches.
    sparing = NTKOperator(model, samples, chunk_size=2, memory_budget=1.0)
    torch.testing.assert_close(sparing.product(block), expected)
    assert sparing.shape == (len(samples), len(samples))
    as_kernel = NTKKernel(model, stored=False).kernel_matrix(samples)
    torch.testing.assert_close(as_kernel.product(block), expected)


@pytest.mark.slow
def test_a_product_is_a_vector_jacobian_and_a_jacobian_vector_product(network):
    model, samples = network("convnet")
    parameters = {name: value.detach() for name, value in model.named_parameters()}
    buffers = dict(model.named_buffers())

    def output(tensors):
        return functional_call(model, {**tensors, **buffers}, (samples,))[:, 2]

    column = torch.randn(len(samples)).double()
    _, pull = vjp(output, parameters)
    _, expected = jvp(output, (parameters,), pull(column))
    found = NTKOperator(model, samples, outputs=2).product(column[:, None])[:, 0]
    torch.testing.assert_close(found, expected)


@pytest.mark.slow
def test_one_sample_and_other_types(network):
    model, samples = network("convnet")
    value = empirical_ntk(model, samples[:1]).matrix
    operator = NTKOperator(model, samples[:1].numpy(), dtype=torch.float32)
    found = operator.product(torch.full((1, 1), 2.0, dtype=torch.float64))
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, 2 * value, rtol=1e-5, atol=0)


def test_arrays_give_arrays_and_integers_are_promoted(network):
    model, samples = network("mlp")
    operator = NTKOperator(model, samples)
    whole = torch.arange(len(samples))[:, None]
    expected = operator.product(whole.double())
    assert not torch.equal(expected, expected.round())
    assert torch.equal(operator.product(whole), expected)
    assert torch.equal(operator.product(whole > 3), operator.product((whole > 3).double()))
    array = operator.product(whole.double().numpy())
    assert isinstance(array, np.ndarray)
    np.testing.assert_array_equal(array, expected)
    single = operator.product(np.asarray(whole, dtype=np.float32)[::-1])
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, operator.product(whole.double().flip(0)), rtol=1e-6)


def test_random_outputs_stay_the_same_from_product_to_product(network):
    model, samples = network("mlp")
    operator = NTKOperator(model, samples, outputs="random")
    block = torch.randn(len(samples), 2).double()
    assert torch.equal(operator.product(block), operator.product(block))

"""However a layer is multiplied, its part of the kernel is the same."""

import pytest
import torch

from eigenstep.kernel.ntk import (
    Computation,
    FactoredLayer,
    GradientProducts,
    GradientRows,
    GradientsOfBatches,
    PositionProducts,
    empirical_ntk,
)

KINDS = {
    "positions": PositionProducts,
    "gradients of channels": GradientProducts,
    "gradients of batches": GradientsOfBatches,
}


def always(kind):
    def contraction(layer, pairs, network, cotangents, scratch, rotation):
        if not isinstance(layer, FactoredLayer):
            return GradientRows(layer, pairs, network)
        if kind is GradientsOfBatches:
            return kind(layer, pairs, network)
        if kind is GradientProducts:
            return kind(layer, pairs, network, 4000, rotation)
        return kind(layer, pairs, network, rotation)

    return contraction


@pytest.mark.slow
@pytest.mark.parametrize("rotated", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["mlp", "convnet", "shared convolution", "tokens", "sequences"])
def test_all_methods_give_the_same_kernel(network, monkeypatch, name, kind, rotated):
    model, samples = network(name)
    expected = empirical_ntk(model, samples).matrix
    monkeypatch.setattr("eigenstep.kernel.ntk._computation.contraction_of", always(KINDS[kind]))
    monkeypatch.setattr("eigenstep.kernel.ntk._plan._worth_rotating", lambda *_: rotated)
    for arguments in ((samples,), (samples[:3], samples[3:])):
        block = empirical_ntk(model, *arguments, chunk_size=4)
        whole = expected if len(arguments) == 1 else expected[:3, 3:]
        torch.testing.assert_close(block.matrix, whole, rtol=0, atol=1e-12 * float(expected.max()))


def test_the_method_that_costs_least_is_taken(network):
    model, samples = network("mlp")
    account = empirical_ntk(model, samples)
    # One position: two matrix products in place of per-sample gradients.
    assert {layer.method for layer in account.layers} == {"positions"}
    n, first = len(samples), account.layers[0]
    assert first.flops == pytest.approx(n * (n + 1) / 2 * 2 * (48 + 7 * 20))
    model, samples = network("convnet")
    methods = {layer.name: layer.method for layer in empirical_ntk(model, samples).layers}
    assert methods["0"] == "gradients"
    assert methods["10"] == "positions"


@pytest.mark.slow
def test_layers_share_sweeps_as_memory_allows(network):
    model, samples = network("convnet")
    sweeps = []
    run = Computation._run

    def counted(self, sweep, *arguments):
        sweeps.append(sweep)
        return run(self, sweep, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Computation, "_run", counted)
        empirical_ntk(model, samples)
        assert len(sweeps) == 1
        sweeps.clear()
        empirical_ntk(model, samples, memory_budget=150_000)
        assert len(sweeps) > 1
        for sweep in sweeps:
            largest = max(len(group) for group in sweep.groups)
            assert sum(one.bytes(largest) for one in sweep.contractions) <= 150_000

import functools
import logging

import pytest
import torch
from torch import nn

from eigenstep.training import compile_network


@pytest.fixture
def compile_with(monkeypatch):
    """`compile_with(network, backend)`: by another backend than the one that needs a C++ compiler."""

    def compiled(network, backend):
        torch._dynamo.reset()
        monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=backend))
        return compile_network(network)

    yield compiled
    torch._dynamo.reset()


def broken(graph, inputs):
    raise RuntimeError("there is no compiler")


def gradients(network, of):
    network.zero_grad()
    of(torch.ones(2, 3)).square().sum().backward()
    return [parameter.grad.clone() for parameter in network.parameters()]


@pytest.mark.slow
def test_where_compiling_fails_the_network_runs_as_it_is_and_one_line_says_so(compile_with, caplog):
    network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    expected = gradients(network, network)
    with caplog.at_level(logging.WARNING):
        found = gradients(network, compile_with(network, broken))
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("torch.compile failed, the run goes on without it: ")
    assert "there is no compiler" in line
    assert "\n" not in line


@pytest.mark.slow
def test_a_network_that_can_be_compiled_is(compile_with):
    seen = []

    def backend(graph, inputs):
        seen.append(graph)
        return graph.forward

    network = nn.Linear(3, 2)
    expected = gradients(network, network)
    found = gradients(network, compile_with(network, backend))
    assert seen
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))

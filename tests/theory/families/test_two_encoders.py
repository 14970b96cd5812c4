"""Two linear encoders beside CLIP's own loss over samples, in torch."""

import math

import numpy as np
import pytest
import torch

from eigenstep.theory import CLIP


@pytest.fixture
def two_kinds(rng):
    """Samples of two kinds, (300, 6) and (300, 4), that share three causes a little, with means."""
    shared = rng.normal(size=(300, 3)) * [1.0, 0.7, 0.5]
    x = shared @ rng.normal(size=(3, 6)) + 2 * rng.normal(size=(300, 6)) + 0.5
    y = shared @ rng.normal(size=(3, 4)) + 2 * rng.normal(size=(300, 4)) - 1.0
    return x, y


def clip_by_samples(x, y, temperature):
    """CLIP's cross-entropy in both directions, of data without their means, less log n."""
    x, y = (torch.tensor(data - data.mean(axis=0)) for data in (x, y))
    partners = torch.arange(len(x))

    def loss(first, second):
        logits = (x @ first.T) @ (y @ second.T).T / temperature
        entropies = [torch.nn.functional.cross_entropy(s, partners) for s in (logits, logits.T)]
        return sum(entropies) / 2 - math.log(len(x))

    return loss


@pytest.mark.parametrize("temperature", [1.0, 0.2])
def test_loss_and_flow_are_clips_to_fourth_order_in_the_embeddings(rng, two_kinds, temperature):
    loss, family = (
        clip_by_samples(*two_kinds, temperature),
        CLIP.from_data(*two_kinds, temperature=temperature),
    )
    shapes, worst = ((2, 6), (2, 4)), []
    weights = [rng.normal(size=shape) for shape in shapes]
    spread = ((two_kinds[0] @ weights[0].T) @ (two_kinds[1] @ weights[1].T).T / temperature).std()
    for scale in (0.3 / spread**0.5, 0.15 / spread**0.5):
        first, second = (torch.tensor(scale * each, requires_grad=True) for each in weights)
        value = loss(first, second)
        value.backward()
        pair = (first.detach().numpy(), second.detach().numpy())
        fourth = abs(family.loss(pair) + np.vdot(pair[0] @ family.cross_covariance, pair[1]) / temperature)
        worst.append(abs(family.loss(pair) - value.item()) / fourth)
        run = family.gradient_flow(pair, [0.0, 1e-6])
        for after, before in ((run.weights, first), (run.readout.T, second)):
            slope = (before.detach().numpy() - after) / 1e-6
            np.testing.assert_allclose(slope, before.grad.numpy(), rtol=0.1, atol=2e-2 * np.abs(slope).max())
    # What is left is of sixth order: it falls four times as fast as the fourth.
    assert worst[0] < 0.5
    assert worst[1] < worst[0] / 2.5


@pytest.mark.slow
def test_descent_of_clips_loss_learns_the_modes_when_foretold(rng, two_kinds):
    temperature, rate = 0.5, 0.002
    loss, family = (
        clip_by_samples(*two_kinds, temperature),
        CLIP.from_data(*two_kinds, temperature=temperature),
    )
    start = [1e-5 * rng.normal(size=shape) for shape in ((2, 6), (2, 4))]
    solution = family.solve(tuple(start))
    first, second = (torch.tensor(each, requires_grad=True) for each in start)
    sizes = []
    for _ in range(int(1.5 * solution.half_times[-1] / rate)):
        found = first.detach().numpy() @ solution.modes, second.detach().numpy() @ solution.left_modes
        sizes.append((found[0] * found[1]).sum(axis=0))
        gradients = torch.autograd.grad(loss(first, second), (first, second))
        with torch.no_grad():
            first -= rate * gradients[0]
            second -= rate * gradients[1]
    half = solution.ends / 2
    times = [rate * int((np.array(sizes)[:, mode] > half[mode]).argmax()) for mode in range(2)]
    np.testing.assert_allclose(times, solution.half_times, rtol=0.1)


def test_modes_are_singular_vectors_of_the_cross_covariance_and_ends_go_by_correlations(rng, two_kinds):
    x, y = two_kinds
    family = CLIP.from_data(x, y, temperature=0.3)
    solution = family.solve((1e-5 * rng.normal(size=(4, 6)), 1e-5 * rng.normal(size=(4, 4))))
    covariance = np.cov(x.T, y.T, bias=True)[:6, 6:]
    left, values, right = np.linalg.svd(covariance, full_matrices=False)
    np.testing.assert_allclose(solution.drives, values / 0.3)
    np.testing.assert_allclose(np.abs(np.diag(solution.modes.T @ left)), 1.0)
    np.testing.assert_allclose(np.abs(np.diag(solution.left_modes.T @ right.T)), 1.0)
    a, b = (x - x.mean(axis=0)) @ solution.modes, (y - y.mean(axis=0)) @ solution.left_modes
    correlations = [np.corrcoef(p, q)[0, 1] for p, q in zip(a.T, b.T, strict=True)]
    np.testing.assert_allclose(solution.ends * values, 0.3 * np.square(correlations))


def test_a_temperature_changes_the_unit_of_time_and_of_size(rng, two_kinds):
    start = (1e-5 * rng.normal(size=(3, 6)), 1e-5 * rng.normal(size=(3, 4)))
    plain = CLIP.from_data(*two_kinds).solve(tuple(each / 0.2**0.5 for each in start))
    scaled = CLIP.from_data(*two_kinds, temperature=0.2).solve(start)
    np.testing.assert_allclose(scaled.half_times, 0.2 * plain.half_times)
    np.testing.assert_allclose(scaled.ends, 0.2 * plain.ends)
    np.testing.assert_allclose(scaled.loss_drop([np.inf]), plain.loss_drop([np.inf]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: CLIP(np.ones(3), np.eye(3), np.eye(1)), r"cross_covariance E x y\^T .* got \(3,\)"),
        (lambda: CLIP(np.ones((2, 3)), np.eye(3), np.eye(3)), r"shape \(2, 2\), got \(3, 3\)"),
        (lambda: CLIP(np.eye(2), np.eye(2), np.eye(2), 0.0), "positive temperature, got 0.0"),
        (lambda: CLIP.from_data(np.ones((4, 2)), np.ones((3, 2))), r"got \(4, 2\) and \(3, 2\)"),
        (lambda: CLIP(np.eye(2), np.eye(2), np.eye(2)).solve(np.eye(2)), r"as a pair \(W, V\)"),
        (
            lambda: CLIP(np.eye(2), np.eye(2), np.eye(2)).solve((np.eye(2), np.ones((3, 2)))),
            "as many outputs of both encoders, got 2 and 3",
        ),
    ],
)
def test_bad_input_is_refused_in_a_line(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)

"""The gradient that comes back is the plain one times (Cov + damping)^-power, and nothing else changes."""

import copy
import io
import math

import numpy as np
import pytest
import torch
from scipy.special import hyp2f1

from eigenstep.losses import BarlowTwinsLoss, SpectralLoss
from eigenstep.optim import EmbeddingPreconditioner, Preconditioned

N, D = 20, 4


def batches(count, n=N, d=D, seed=0):
    """Pairs of correlated float64 views with a mean and unequal variances, which grow with the batches."""
    generator = torch.Generator().manual_seed(seed)
    spread = torch.logspace(0, -2, d, dtype=torch.float64)
    for index in range(count):
        common, noise_a, noise_b = torch.randn(3, n, d, generator=generator, dtype=torch.float64)
        scale = spread * (1 + 0.3 * index)
        yield tuple((scale * (common + 0.4 * noise) + 0.5).requires_grad_() for noise in (noise_a, noise_b))


def plain_loss(z_a, z_b):
    """Any loss whose gradient differs in every entry."""
    weights = torch.arange(z_a.numel(), dtype=z_a.dtype).reshape(z_a.shape).sin()
    return (weights * z_a).sum() + (z_a * z_b.sin()).sum()


def gradients(loss, z_a, z_b):
    return torch.autograd.grad(loss(z_a, z_b), (z_a, z_b))


def matrix_power(seen, power, damping, decay, center):
    """The slow twin: Cov of the batches seen, weighted by age, and its power by an eigendecomposition."""
    covariances = []
    for z_a, z_b in seen:
        z = torch.cat([z_a, z_b]).detach().double().numpy()
        covariances.append(np.cov(z.T, bias=True) if center else z.T @ z / len(z))
    weights = decay ** np.arange(len(seen))[::-1]
    values, vectors = np.linalg.eigh(np.average(covariances, axis=0, weights=weights))
    return torch.from_numpy(vectors @ np.diag((values + damping) ** -power) @ vectors.T)


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("power", [0.25, 0.5, 1, 1.5])
def test_the_gradient_is_the_plain_one_times_the_power_of_the_running_covariance(power, center):
    preconditioner = EmbeddingPreconditioner(power, damping=1e-3, decay=0.7, center=center)
    seen = []
    for z_a, z_b in batches(5):
        seen.append((z_a, z_b))
        expected = matrix_power(seen, power, 1e-3, 0.7, center)
        found = gradients(lambda a, b: plain_loss(*preconditioner(a, b)), z_a, z_b)
        for one, plain in zip(found, gradients(plain_loss, z_a, z_b), strict=True):
            torch.testing.assert_close(one, plain @ expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("power", [0.5, 1])
def test_the_default_options_in_float32_are_within_a_thousandth_of_float64(power):
    preconditioner, seen = EmbeddingPreconditioner(power), []
    for z_a, z_b in batches(4):
        seen.append((z_a, z_b))
        a, b = (z.detach().float().requires_grad_() for z in (z_a, z_b))
        found = gradients(lambda x, y: plain_loss(*preconditioner(x, y)), a, b)
    assert preconditioner.moment.dtype == torch.float32
    expected = gradients(plain_loss, z_a, z_b)[0] @ matrix_power(seen, power, 1e-3, 0.9, True)
    assert (found[0] - expected).norm() < 1e-3 * expected.norm()


def test_embeddings_pass_as_they_are():
    z_a, z_b = next(batches(1))
    passed = EmbeddingPreconditioner()(z_a, z_b)
    assert torch.equal(passed[0], z_a)
    assert torch.equal(passed[1], z_b)


@pytest.mark.parametrize("made", ["the same", "views of one", "halves of one"])
def test_views_may_share_their_memory(made):
    z = next(batches(1))[0]

    def pair(z):
        if made == "the same":
            return z, z
        return (z[:], z.view(N, D)) if made == "views of one" else z.chunk(2)

    def found(preconditioner):
        return torch.autograd.grad(plain_loss(*preconditioner(*pair(z))), z)[0]

    power = matrix_power([pair(z)], 0.5, 1e-3, 0.9, True)
    expected = found(lambda a, b: (a, b)) @ power
    torch.testing.assert_close(found(EmbeddingPreconditioner()), expected, rtol=1e-8, atol=1e-10)


def test_a_loss_may_change_its_arguments_in_place():
    z_a, z_b = next(batches(1))

    def in_place(a, b):
        return plain_loss(a.mul_(3), b)

    def apart(a, b):
        return plain_loss(3 * a, b)

    source = [z.clone() for z in (z_a, z_b)]  # no leaves, which torch itself guards
    value = in_place(*EmbeddingPreconditioner()(*source))
    found = torch.autograd.grad(value, (z_a, z_b))
    expected = gradients(lambda a, b: apart(*EmbeddingPreconditioner()(a, b)), z_a, z_b)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("how", ["evaluation", "no_grad"])
def test_statistics_are_taken_while_training_alone(how):
    preconditioner = EmbeddingPreconditioner()
    first, second, third = batches(3)
    preconditioner(*first)
    before = copy.deepcopy(preconditioner.state_dict())
    preconditioner.train(how != "evaluation")
    with torch.set_grad_enabled(how != "no_grad"):
        preconditioner(*second)
    for name, value in before.items():
        assert torch.equal(preconditioner.state_dict()[name], value)
    preconditioner.eval()
    found = gradients(lambda a, b: plain_loss(*preconditioner(a, b)), *third)[0]
    expected = gradients(plain_loss, *third)[0] @ matrix_power([first], 0.5, 1e-3, 0.9, True)
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-10)


def test_without_a_history_evaluation_leaves_the_gradient_as_it_is():
    pair = next(batches(1))
    preconditioner = EmbeddingPreconditioner().eval()
    found = gradients(lambda a, b: plain_loss(*preconditioner(a, b)), *pair)
    assert torch.equal(found[0], gradients(plain_loss, *pair)[0])


def test_a_delayed_backward_pass_has_the_power_of_its_own_step():
    preconditioner = EmbeddingPreconditioner()
    first, second = batches(2)
    value = plain_loss(*preconditioner(*first))
    preconditioner(*second)
    expected = gradients(plain_loss, *first)[0] @ matrix_power([first], 0.5, 1e-3, 0.9, True)
    torch.testing.assert_close(torch.autograd.grad(value, first[0])[0], expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("power", [0.5, 1])
@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e200])
def test_statistics_that_are_not_finite_are_skipped_and_counted(bad, power):
    preconditioner, without = EmbeddingPreconditioner(power), EmbeddingPreconditioner(power)
    broken = [z.detach().clone() for z in next(batches(1, seed=9))]
    broken[1][3, 2] = bad
    broken = [z.requires_grad_() for z in broken]
    preconditioner(*broken)
    assert int(preconditioner.skipped) == 1
    before = gradients(lambda a, b: plain_loss(*preconditioner.eval()(a, b)), *next(batches(1)))[0]
    assert torch.equal(before, gradients(plain_loss, *next(batches(1)))[0])
    preconditioner.train()
    for index, pair in enumerate(batches(4)):
        preconditioner(*pair)
        without(*pair)
        if index == 2:
            preconditioner(*broken)
    assert int(preconditioner.skipped) == 2
    assert int(without.skipped) == 0
    torch.testing.assert_close(preconditioner.transform, without.transform, rtol=1e-12, atol=0)
    assert torch.isfinite(preconditioner.gain)


@pytest.mark.parametrize("power", [0.3, 0.5, 1])
@pytest.mark.parametrize("d", [4, 60])
def test_the_gain_is_the_largest_factor_of_all_steps_and_taken_of_those_since(power, d):
    preconditioner, seen, largest = EmbeddingPreconditioner(power, damping=1e-2), [], []
    for pair in batches(5, n=80, d=d):
        seen.append(pair)
        preconditioner(*pair)
        eigenvalues = torch.linalg.eigvalsh(matrix_power(seen, power, 1e-2, 0.9, True))
        largest.append(float(eigenvalues.max()))
    assert float(preconditioner.gain) == pytest.approx(max(largest), rel=0.02)
    assert float(preconditioner.take_gain()) == pytest.approx(max(largest), rel=0.02)
    assert float(preconditioner.take_gain()) == 0
    preconditioner(*pair)
    now = torch.linalg.eigvalsh(matrix_power([*seen, pair], power, 1e-2, 0.9, True)).max()
    assert float(preconditioner.take_gain()) == pytest.approx(float(now), rel=0.02)


@pytest.mark.parametrize("power", [0.5, 1])
def test_the_power_is_computed_every_so_many_steps_and_at_first_at_powers_of_two(power):
    preconditioner, changed, before = EmbeddingPreconditioner(power, every=6), [], torch.zeros(0)
    for step, pair in enumerate(batches(14)):
        preconditioner(*pair)
        if not torch.equal(preconditioner.transform, before):
            changed.append(step)
        before = preconditioner.transform
    assert changed == [0, 1, 3, 6, 12]


def test_state_goes_on_to_the_bit_through_a_file_between_two_computations():
    whole, resumed = (EmbeddingPreconditioner(every=4) for _ in range(2))
    pairs = list(batches(12))
    for pair in pairs[:6]:
        whole(*pair)
    file = io.BytesIO()
    torch.save(whole.state_dict(), file)
    file.seek(0)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    for pair in pairs[6:]:
        results = [gradients(lambda a, b, p=p: plain_loss(*p(a, b)), *pair) for p in (whole, resumed)]
        assert torch.equal(results[0][0], results[1][0])
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value)


def test_an_unused_one_has_a_state_that_loads():
    preconditioner = EmbeddingPreconditioner()
    preconditioner.load_state_dict(EmbeddingPreconditioner().state_dict())
    preconditioner(*next(batches(1)))
    preconditioner.load_state_dict(EmbeddingPreconditioner().state_dict())
    assert preconditioner.moment.shape == (0, 0)


def test_under_autocast_and_in_half_precision_statistics_are_float32():
    z_a, z_b = (z.detach().bfloat16().requires_grad_() for z in next(batches(1)))
    preconditioner = EmbeddingPreconditioner(center=False).half()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = plain_loss(*preconditioner(z_a, z_b))
        found = torch.autograd.grad(value, z_a)[0]
    assert preconditioner.moment.dtype == torch.float32
    assert found.dtype == torch.bfloat16
    expected = matrix_power([(z_a, z_b)], 0.5, 1e-3, 0.9, False)
    torch.testing.assert_close(preconditioner.transform.double(), expected, rtol=1e-3, atol=1e-3)
    plain = gradients(plain_loss, z_a, z_b)[0].double()
    torch.testing.assert_close(found.double(), plain @ expected, rtol=0.02, atol=0.1)


@pytest.mark.parametrize("power", [0.5, 1])
def test_float32_products_of_fewer_digits_are_not_used(power):
    """Where a user allows them for the network; on hardware without any this tells nothing."""

    def found():
        z_a, z_b = (z.detach().float().requires_grad_() for z in next(batches(1, n=128, d=64)))
        preconditioner = EmbeddingPreconditioner(power)
        found = gradients(lambda a, b: plain_loss(*preconditioner(a, b)), z_a, z_b)
        return *found, preconditioner.transform

    expected, before = found(), torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        lowered = found()
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    assert all(map(torch.equal, lowered, expected))


@pytest.mark.parametrize("power", [0.5, 1])
def test_a_covariance_that_float32_cannot_tell_from_singular_stays_finite(power):
    """Variances of 1e8 in two of many dimensions: rounding leaves eigenvalues far below minus the damping."""
    generator = torch.Generator().manual_seed(0)
    z = 1e4 * torch.randn(50, 2, generator=generator) @ torch.randn(2, 30, generator=generator)
    preconditioner = EmbeddingPreconditioner(power)
    preconditioner(z.requires_grad_(), z)
    assert torch.isfinite(preconditioner.transform).all()
    assert 0 < float(preconditioner.gain) <= 1.001 * 1e-3**-power


@pytest.mark.parametrize(
    ("z_a", "z_b", "message"),
    [
        (torch.rand(4, 3, 2), torch.rand(4, 3, 2), r"one shape \(batch, dim\), got \(4, 3, 2\)"),
        (torch.rand(4, 3), torch.rand(5, 3), r"one shape .* got \(4, 3\) and \(5, 3\)"),
        (torch.rand(4), torch.rand(4), r"one shape .* got \(4,\)"),
        (torch.rand(1, 3), torch.rand(1, 3), r"at least 2 pairs of embeddings, got \(1, 3\)"),
        (torch.rand(4, 0), torch.rand(4, 0), r"at least 2 pairs of embeddings, got \(4, 0\)"),
        (torch.ones(4, 3).int(), torch.rand(4, 3), r"floating-point embeddings, got torch\.int32"),
        (torch.rand(4, 3), torch.rand(4, 3, device="meta"), "on one device, got cpu and meta"),
        (torch.rand(4, 5), torch.rand(4, 5), "embeddings of 3 dimensions, as before, got 5"),
    ],
)
def test_what_is_no_pair_of_embeddings_is_refused_in_one_line(z_a, z_b, message):
    preconditioner = EmbeddingPreconditioner()
    preconditioner(torch.rand(4, 3), torch.rand(4, 3))
    with pytest.raises(ValueError, match=message) as refused:
        preconditioner(z_a, z_b)
    assert "\n" not in str(refused.value)


def test_what_is_no_tensor_is_named_by_its_type():
    with pytest.raises(TypeError, match=r"expected tensors, got numpy\.ndarray as z_b"):
        EmbeddingPreconditioner()(torch.rand(4, 3), np.ones((4, 3)))


@pytest.mark.parametrize(
    "options",
    [
        {"power": 0},
        {"power": math.nan},
        {"damping": 0},
        {"damping": math.inf},
        {"decay": 1},
        {"decay": -0.1},
        {"every": 0},
        {"every": 1.5},
    ],
    ids=str,
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=f"^{next(iter(options))}: expected [^\n]*$"):
        EmbeddingPreconditioner(**options)


def elapsed(eigenvalue, power, damping):
    """F of lambda' = 8 gamma lambda (1 - lambda) (lambda + damping)^-power: 8 gamma t = F(end) - F(start)."""
    if damping < 1e-9:
        return eigenvalue**power / power * hyp2f1(1, power, 1 + power, eigenvalue)
    if power == 1:
        return damping * np.log(eigenvalue) - (1 + damping) * np.log(1 - eigenvalue)
    u, one, zero = np.sqrt(eigenvalue + damping), np.sqrt(1 + damping), np.sqrt(damping)
    return 2 * one * np.arctanh(u / one) - 2 * zero * np.arctanh(zero / u)


@pytest.mark.parametrize("kind", ["preconditioner", "loss"])
@pytest.mark.parametrize(("power", "damping"), [(0.5, 1e-10), (0.5, 1e-2), (1, 1e-2), (0.75, 1e-10)])
def test_the_linear_models_modes_follow_the_closed_form(kind, power, damping):
    """Identical views, so that C is the embeddings' second moment; the flow by small steps."""
    gamma = torch.tensor([1.0, 0.5, 0.2], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    rows = torch.linalg.qr(torch.randn(12, 3, generator=generator, dtype=torch.float64))[0]
    directions = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))[0]
    x = 12**0.5 * rows * gamma.sqrt() @ directions.T  # second moment: directions gamma directions^T
    start = torch.tensor([0.05, 0.02, 0.01], dtype=torch.float64)
    rotation = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))[0]
    weight = rotation @ torch.diag((start / gamma).sqrt()) @ directions.T
    if kind == "loss":
        loss = SpectralLoss(power, damping, center=False)
    else:
        plain = BarlowTwinsLoss(1.0, normalize="none", center=False, symmetrize=True)
        loss = Preconditioned(plain, power=power, damping=damping, decay=0.0)
    rate, steps = 2e-4, 500
    for _ in range(steps):
        weight.requires_grad_()
        (gradient,) = torch.autograd.grad(loss(x @ weight.T, x @ weight.T), weight)
        weight = weight.detach() - rate * gradient
    modes = rotation.T @ weight @ directions
    found = (gamma * modes.diagonal() ** 2).numpy()
    assert (modes - torch.diag(modes.diagonal())).abs().max() < 1e-9
    assert found.max() < 0.97
    reached = elapsed(found, power, damping) - elapsed(start.numpy(), power, damping)
    np.testing.assert_allclose(reached, 8 * gamma.numpy() * rate * steps, rtol=5e-3)


@pytest.mark.parametrize("power", [0.5, 1.0])
def test_the_power_lies_in_memory_as_a_checkpoint_gives_it_back(power):
    """Products round by the order in memory, so that a resumed run would differ from the whole one."""
    subject = EmbeddingPreconditioner(power=power)
    for pair in batches(2):
        subject(*pair)
    restored = EmbeddingPreconditioner(power=power)
    restored.load_state_dict(subject.state_dict())
    assert subject.transform.stride() == torch.empty(D, D).stride()
    assert torch.equal(restored.transform, subject.transform)

import dataclasses
import inspect
import pickle

import numpy as np
import pytest
import scipy.integrate
import torch

from eigenstep.kernel.pairs import (
    OBJECTIVES,
    PairOperator,
    from_matrix,
    grouped,
    make_objective,
    objective_operator,
    paired,
    unpaired,
)
from eigenstep.losses import BarlowTwinsLoss, LeJEPALoss, NTXentLoss, VICRegLoss
from eigenstep.theory import half_times, mode_eigenvalues

PAIRS, FEATURES, OUTPUTS = 30, 6, 3


class AlongAxes(LeJEPALoss):
    """LeJEPA along the coordinates, whose second moment is that of all directions together."""

    def __init__(self, batch_size=PAIRS, **options):
        super().__init__(**options)
        self.batch_size = batch_size

    def _sliced_batch(self, z_a, z_b, generator):
        return dataclasses.replace(self._joint_batch(z_a, z_b), slices=torch.eye(OUTPUTS).to(z_a))


LOSSES = {
    "barlow_twins": lambda **options: BarlowTwinsLoss(
        1.0, normalize="none", center=False, symmetrize=True, **options
    ),
    "simclr": lambda **options: NTXentLoss(normalize="none", **options),
    "vicreg": VICRegLoss,
    "lejepa": AlongAxes,
}

OPTIONS = [
    ("barlow_twins", {}),
    ("simclr", {"temperature": 0.2}),
    ("vicreg", {}),
    ("vicreg", {"lambda_param": 5.0, "mu_param": 10.0, "eps": 4e-4}),
    ("lejepa", {"batch_size": PAIRS}),
    ("lejepa", {"batch_size": PAIRS, "weight": 0.4, "pooled": True, "prediction": 2.0}),
    ("lejepa", {"batch_size": PAIRS, "t_max": 5.0, "knots": 9}),
]


def random_pairs(noise=0.5, offset=0.4, count=PAIRS, seed=0):
    """Views x_1 .. x_n, x'_1 .. x'_n; the branches have a mean, and not the same one."""
    rng = np.random.default_rng(seed)
    spread = np.linspace(2, 0.3, FEATURES)
    shared = np.tile(rng.normal(size=(count, FEATURES)), (2, 1))
    views = spread * (shared + noise * rng.normal(size=shared.shape)) + offset
    views[count:] += 0.5 * offset
    return views


def gradient(loss, views, weights):
    """dL/dW of embeddings W x by autograd, float64."""
    parameter = torch.tensor(weights, requires_grad=True)
    embeddings = torch.tensor(views) @ parameter.T
    value = loss(*embeddings.chunk(2)) if isinstance(loss, torch.nn.Module) else loss(embeddings)
    return torch.autograd.grad(value, parameter)[0].numpy()


def relative_error(actual, expected):
    return np.linalg.norm(actual - expected) / np.linalg.norm(expected)


def effective_gamma(views, objective):
    return views.T @ objective_operator(objective, paired(len(views) // 2)).dense() @ views


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_small_embeddings_have_the_gradient_of_the_actual_loss(name, options):
    objective, views = make_objective(name, **options), random_pairs()
    errors = []
    for scale in (1e-4, 1e-5, 1e-6):
        weights = scale * np.random.default_rng(1).normal(size=(OUTPUTS, FEATURES))
        predicted = -objective.growth_rates(1.0, OUTPUTS) * weights @ effective_gamma(views, objective)
        errors.append(relative_error(gradient(LOSSES[name](**options), views, weights), predicted))
    assert errors[-1] < 1e-7
    # What is left is of third order in the weights, so relatively of second.
    np.testing.assert_allclose(errors, errors[0] * np.array([1, 1e-2, 1e-4]), rtol=0.01)


def test_barlow_twins_has_the_operators_gradient_at_any_size():
    views, weights = random_pairs(), np.random.default_rng(1).normal(size=(OUTPUTS, FEATURES))
    gamma = effective_gamma(views, "barlow_twins")
    expected = 4 * (weights @ gamma @ weights.T - np.eye(OUTPUTS)) @ weights @ gamma
    assert relative_error(gradient(LOSSES["barlow_twins"](), views, weights), expected) < 1e-14


IDS = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 3, 4, 4, 4])


def simclr_of_groups(embeddings, temperature):
    """Every positive pair and every anchor written out, from the loss in the docstring."""
    similarity = embeddings @ embeddings.T / temperature
    count, samples = len(IDS), len(set(IDS))
    loss = 0.0
    for k in range(count):
        partners = [other for other in range(count) if IDS[other] == IDS[k] and other != k]
        views = len(partners) + 1
        for partner in partners:
            loss = loss - similarity[k, partner] / (samples * views * (views - 1))
        others = [other for other in range(count) if other != k]
        loss = loss + similarity[k, others].logsumexp(0) / count
    return loss


def vicreg_of_groups(embeddings, lambda_param, mu_param, eps):
    """One branch: invariance over positive pairs, variance over all views."""
    samples = len(set(IDS))
    invariance = 0.0
    for one in set(IDS):
        views = embeddings[torch.tensor(one == IDS)]
        squares = (views[:, None] - views).square().sum()
        invariance = invariance + squares / (samples * len(views) * (len(views) - 1)) / embeddings.shape[1]
    variance = (1 - (embeddings.var(0) + eps).sqrt()).mean()
    return lambda_param * invariance + mu_param * variance


def test_groups_of_unequal_size_have_the_gradient_of_losses_written_out_view_by_view():
    rng = np.random.default_rng(3)
    views = rng.normal(size=(len(IDS), FEATURES)) + rng.normal(size=(5, FEATURES))[IDS] + 0.3
    weights = 1e-5 * rng.normal(size=(OUTPUTS, FEATURES))
    simclr = make_objective("simclr", temperature=0.3)
    vicreg = make_objective("vicreg", lambda_param=5.0, mu_param=10.0, eps=1e-3)
    for objective, loss, tolerance in (
        (simclr, lambda z: simclr_of_groups(z, 0.3), 1e-7),
        (vicreg, lambda z: vicreg_of_groups(z, 5.0, 10.0, 1e-3), 1e-5),
    ):
        operator = objective_operator(objective, grouped(IDS)).dense()
        predicted = -objective.growth_rates(1.0, OUTPUTS) * weights @ views.T @ operator @ views
        assert relative_error(gradient(loss, views, weights), predicted) < tolerance


def test_views_without_partners_give_both_centred_objectives_the_unbiased_covariance():
    views = random_pairs()
    expected = np.cov(views.T)
    for name in ("simclr", "vicreg"):
        operator = objective_operator(name, unpaired(len(views))).dense()
        np.testing.assert_allclose(views.T @ operator @ views, expected, rtol=1e-12)


def flow(loss, views, start, times):
    """Gradient flow of the actual loss from weights (d, m), at times (T,): (T, d, m)."""
    outcome = scipy.integrate.solve_ivp(
        lambda _, state: -gradient(loss, views, state.reshape(start.shape)).ravel(),
        (0, times[-1]),
        start.ravel(),
        method="DOP853",
        t_eval=times,
        rtol=1e-8,
        atol=1e-8 * np.abs(start).max(),
    )
    return outcome.y.T.reshape(-1, *start.shape)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_every_small_mode_of_the_actual_loss_grows_at_its_rate(name, options):
    objective, views = make_objective(name, **options), random_pairs()
    gamma, modes = np.linalg.eigh(effective_gamma(views, objective))
    start = 1e-6 * np.random.default_rng(1).normal(size=(OUTPUTS, FEATURES))
    rates = objective.growth_rates(gamma, OUTPUTS)
    duration = 2 / rates.max()
    end = flow(LOSSES[name](**options), views, start, np.array([0.0, duration]))[-1]
    np.testing.assert_allclose(end @ modes, start @ modes * np.exp(rates * duration), rtol=1e-4, atol=1e-10)


def plateau_ratio(views, objective):
    """rho^2 = gamma^2 / (second moment x variance) of the top mode."""
    gamma, modes = np.linalg.eigh(effective_gamma(views, objective))
    outputs = views @ modes[:, -1]
    return gamma[-1] ** 2 / (np.mean(outputs**2) * outputs.var())


def simclr_half_time(views, objective, plateau, scale=1e-3):
    """When the top mode alone reaches half the plateau under the actual loss, and as predicted."""
    matrix = effective_gamma(views, objective)
    gamma, modes = np.linalg.eigh(matrix)
    predicted = half_times(gamma[-1:], scale / np.sqrt(plateau))[0] * objective.time_unit()
    times = np.linspace(0, 1.3 * predicted, 400)
    loss = LOSSES["simclr"](temperature=objective.temperature)
    path = flow(loss, views, scale * modes[:, -1:].T, times)[:, 0]
    return np.interp(plateau / 2, np.einsum("ti,ij,tj->t", path, matrix, path), times), predicted


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [0.2, 1.0])
def test_simclr_reaches_half_of_its_plateau_when_predicted_for_views_that_agree(temperature):
    views = random_pairs(noise=0.0, offset=0.0, count=60)
    views -= views.mean(axis=0)
    objective = make_objective("simclr", temperature=temperature)
    assert objective.closed_form
    assert objective.plateau == temperature
    actual, predicted = simclr_half_time(views, objective, objective.plateau)
    assert actual == pytest.approx(predicted, rel=0.005)


@pytest.mark.slow
def test_simclr_with_views_that_differ_and_have_a_mean_has_a_lower_plateau():
    views, objective = random_pairs(noise=0.5, offset=0.5, count=60), make_objective("simclr")
    ratio = plateau_ratio(views, objective)
    assert ratio < 0.7
    actual, predicted = simclr_half_time(views, objective, objective.plateau * ratio)
    assert actual == pytest.approx(predicted, rel=0.005)
    uncorrected, expected = simclr_half_time(views, objective, objective.plateau)
    assert uncorrected > 1.04 * expected


def test_simclr_is_to_fourth_order_what_its_docstring_says():
    views, temperature = random_pairs(offset=1.0, count=300), 0.5
    objective = make_objective("simclr", temperature=temperature)
    loss = LOSSES["simclr"](temperature=temperature)
    weights = np.random.default_rng(1).normal(size=(OUTPUTS, FEATURES))
    outputs = views @ weights.T
    operator = objective_operator(objective, paired(300)).dense()
    quadratic = -np.trace(outputs.T @ operator @ outputs) / temperature
    moment, covariance = outputs.T @ outputs / len(outputs), np.cov(outputs.T, bias=True)
    quartic = np.trace(moment @ covariance) / (2 * temperature**2)
    scale = 1e-2

    def value(factor):
        return loss(*(torch.tensor(factor * outputs)).chunk(2)).item()

    # The sixth order is removed by a second scale.
    rest = [(value(s) - value(0.0) - s**2 * quadratic) / s**4 for s in (scale, 2 * scale)]
    assert (4 * rest[0] - rest[1]) / 3 == pytest.approx(quartic, rel=5 / len(views))


@pytest.mark.slow
def test_barlow_twins_follows_the_closed_form_as_the_contract_maps_it():
    views, objective = random_pairs(), make_objective("barlow_twins")
    gamma, modes = np.linalg.eigh(effective_gamma(views, objective))
    gamma, modes = gamma[::-1][:OUTPUTS], modes[:, ::-1][:, :OUTPUTS]
    times = np.linspace(0, 2 / gamma[0], 5)
    path = flow(LOSSES["barlow_twins"](), views, 0.05 * modes.T, times)
    learned = gamma * (path @ modes)[:, np.arange(OUTPUTS), np.arange(OUTPUTS)] ** 2
    expected = objective.plateau * mode_eigenvalues(gamma, 0.05, times / objective.time_unit())
    np.testing.assert_allclose(learned, expected, rtol=1e-6)


GRAPHS = {
    "paired": lambda: paired(6),
    "unpaired": lambda: unpaired(9),
    "grouped": lambda: grouped(IDS),
    "from_matrix": lambda: from_matrix(np.add.outer(np.arange(7), np.arange(7)) % 5 - 1.5),
}


@pytest.fixture(params=GRAPHS)
def graph(request):
    return GRAPHS[request.param]()


@pytest.fixture(params=OBJECTIVES)
def operator(request, graph):
    return objective_operator(request.param, graph)


def test_operators_are_their_definitions(graph):
    size = graph.n_views
    pairs, ones = graph.matrix().toarray(), np.ones((size, size))
    simclr = pairs - size / (size - 1) * ones / size**2 + np.eye(size) / (size * (size - 1))
    covariance = np.zeros((size, size))
    for branch in graph.branches:
        n = branch.stop - branch.start
        centring = np.eye(n) - 1 / n
        covariance[branch, branch] = centring / (n - 1) / len(graph.branches)
    difference = 2 * (np.diag(pairs.sum(axis=1)) - pairs)
    vicreg = covariance - 0.02 * difference
    lejepa = np.zeros((size, size))
    of_moment, of_mean = make_objective("lejepa").curvatures
    for branch in graph.branches:
        n = branch.stop - branch.start
        lejepa[branch, branch] = (np.eye(n) - of_mean / of_moment / n) / n / len(graph.branches)
    lejepa -= 0.95 / (4 * of_moment * 0.05 * 256) * difference
    operators = {"barlow_twins": pairs, "simclr": simclr, "vicreg": vicreg, "lejepa": lejepa}
    for name, expected in operators.items():
        np.testing.assert_allclose(objective_operator(name, graph).dense(), expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 2e-15), (torch.float32, 1e-6)])
def test_the_product_and_the_row_sums_are_those_of_the_dense_operator(operator, dtype, tolerance):
    for one in (operator, operator.center(), operator.center().center()):
        block = torch.randn(one.n_views, 4, dtype=dtype, generator=torch.Generator().manual_seed(0))
        before = block.clone()
        for _ in range(2):
            product = one.product(block)
            assert product.dtype == dtype
            np.testing.assert_allclose(product.numpy(), one.dense() @ before.numpy(), rtol=0, atol=tolerance)
        torch.testing.assert_close(block, before, rtol=0, atol=0)
        np.testing.assert_allclose(one.row_sums(), one.dense().sum(axis=1), rtol=1e-13, atol=2e-15)


def test_parts_add_up_to_the_dense_operator(operator):
    for one in (operator, operator.center()):
        vectors, middle = one.low_rank
        total = one.scale * one.graph.matrix().toarray() + vectors @ middle @ vectors.T
        total = total + np.diag(np.broadcast_to(one.diagonal, one.n_views))
        np.testing.assert_allclose(one.dense(), total, rtol=1e-13, atol=1e-16)


def test_centring_is_the_projection_on_both_sides(operator):
    size = operator.n_views
    projector = np.eye(size) - 1 / size
    expected = projector @ operator.dense() @ projector
    np.testing.assert_allclose(operator.center().dense(), expected, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(operator.center().row_sums(), 0, rtol=1e-13, atol=1e-15)


def test_centring_adds_one_direction_for_equal_row_sums_and_two_for_others():
    ranks = [len(PairOperator(make()).center().low_rank[1]) for make in GRAPHS.values()]
    assert ranks == [1, 1, 2, 2]
    # Sizes at which equal row sums differ from their mean by rounding are among these.
    assert {len(PairOperator(paired(n)).center().low_rank[1]) for n in range(1, 200)} == {1}


@pytest.mark.parametrize("name", ["simclr", "vicreg"])
def test_contrastive_and_variance_objectives_of_pairs_are_centred_already(name):
    operator = objective_operator(name, paired(6))
    np.testing.assert_allclose(operator.row_sums(), 0, rtol=1e-13, atol=1e-16)
    np.testing.assert_allclose(operator.center().dense(), operator.dense(), rtol=1e-13, atol=1e-16)


def test_a_pickled_operator_works_and_leaves_its_tensors_behind(operator):
    size = len(pickle.dumps(operator))
    block = torch.eye(operator.n_views, dtype=torch.float64)
    product = operator.product(block)
    assert len(pickle.dumps(operator)) == size
    twin = pickle.loads(pickle.dumps(operator))
    torch.testing.assert_close(twin.product(block), product, rtol=0, atol=0)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_defaults_and_weights_are_those_of_the_losses(name):
    objective = make_objective(name)
    loss = LOSSES[name](**({"batch_size": objective.batch_size} if name == "lejepa" else {}))
    assert objective.name == name
    assert objective.weights == loss.weights
    for option in inspect.signature(type(objective)).parameters:
        assert getattr(objective, option) == getattr(loss, option)


def test_an_objective_is_a_value_that_options_change():
    objective = make_objective("simclr", temperature=0.1)
    assert make_objective(objective) == objective
    assert make_objective(objective, temperature=0.3) == make_objective("simclr", temperature=0.3)
    assert len({objective, pickle.loads(pickle.dumps(objective))}) == 1


def test_only_barlow_twins_and_simclr_have_closed_forms():
    facts = {name: (make_objective(name).closed_form, make_objective(name).plateau) for name in OBJECTIVES}
    assert facts == {
        "barlow_twins": (True, 1.0),
        "simclr": (True, 0.5),
        "vicreg": (False, None),
        "lejepa": (False, None),
    }


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: objective_operator("byol", paired(2)), "barlow_twins, simclr, vicreg, lejepa, got 'byol'"),
        (lambda: make_objective("simclr", temperature=0.0), "temperature expects a positive number"),
        (lambda: make_objective("simclr", temperature=np.nan), "temperature expects a positive number"),
        (lambda: make_objective("vicreg", mu_param=0.0), "mu_param expects a positive number"),
        (lambda: make_objective("vicreg", eps=0.0), "eps expects a positive number"),
        (lambda: make_objective("vicreg", lambda_param=-1.0), "lambda_param expects"),
        (lambda: make_objective("vicreg").growth_rates([1.0]), "expected dim >= 1, got None"),
        (lambda: make_objective("lejepa", weight=0.0), "weight expects a positive number"),
        (lambda: make_objective("lejepa", batch_size=0), "batch_size expects a positive number"),
        (lambda: make_objective("lejepa", knots=1), "knots expects at least 2, got 1"),
        (lambda: make_objective("lejepa").growth_rates([1.0]), "expected dim >= 1, got None"),
        (lambda: objective_operator("lejepa", paired(1)), "lejepa compares .* at least 2, got n_samples = 1"),
        (lambda: objective_operator("simclr", paired(1)), "simclr compares .* at least 2, got n_samples = 1"),
        (lambda: objective_operator("vicreg", paired(1)), "vicreg compares .* at least 2, got n_samples = 1"),
        (lambda: objective_operator("simclr", grouped([1, 1, 1])), "at least 2, got n_samples = 1"),
        (lambda: PairOperator(paired(2), diagonal=np.ones(3)), r"diagonal of shape \(4,\), got \(3,\)"),
        (lambda: PairOperator(paired(2), low_rank=(np.ones((4, 1)), np.eye(2))), r"U \(4, r\) and S"),
        (lambda: PairOperator(paired(2)).product(torch.ones(3, 1)), r"\(4, b\)"),
    ],
)
def test_bad_input_is_refused_with_what_was_expected(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
@pytest.mark.parametrize("center", [False, True])
def test_no_eigenvalue_of_the_pairs_exceeds_their_bound(objective, center):
    weights = np.random.default_rng(0).normal(size=(12, 12))
    for graph in (paired(6), unpaired(12), grouped(np.arange(12) // 4), from_matrix(weights + weights.T)):
        operator = objective_operator(objective, graph)
        operator = operator.center() if center else operator
        largest = np.abs(np.linalg.eigvalsh(operator.dense())).max()
        assert largest <= operator.norm_bound() * (1 + 1e-12)
        assert operator.norm_bound() < 10 * largest

import numpy as np
import pytest
import torch
from torch import nn

from eigenstep.kernel import NTKOperator, empirical_ntk, ntk_features


class Noisy(nn.Linear):
    def forward(self, x):
        return super().forward(x) + torch.randn(len(x), self.out_features)


class Centred(nn.Linear):
    def forward(self, x):
        return super().forward(x - x.mean(dim=0))


class Deciding(nn.Linear):
    def forward(self, x):
        x = super().forward(x)
        return x.relu() if len(x) > 2 else x


class Pair(nn.Linear):
    def forward(self, x):
        return x, super().forward(x)


class Summed(nn.Linear):
    def forward(self, x):
        return super().forward(x).sum(dim=0)


class Detached(nn.Linear):
    def forward(self, x):
        return super().forward(x).detach()


class WithoutGradients(nn.Linear):
    @torch.no_grad()
    def forward(self, x):
        return super().forward(x)


class Unused(nn.Linear):
    def forward(self, x):
        return x.tanh()


class Aside(nn.Linear):
    """A weight that is read from a list as well."""

    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        self.kept = [self.weight]

    def forward(self, x):
        return super().forward(x) @ self.kept[0]


X = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
BY_BATCH = nn.BatchNorm1d(3, track_running_stats=False).eval()

REFUSED = [
    (
        nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2)),
        X,
        {},
        r"BatchNorm1d '0' in training mode.*model.eval\(\)",
    ),
    (nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.1)), X, {}, r"Dropout '1' in training mode.*model.eval\(\)"),
    (
        nn.Sequential(
            nn.Linear(3, 6), nn.Unflatten(1, (2, 3)), nn.InstanceNorm1d(2, track_running_stats=True)
        ),
        X,
        {},
        r"InstanceNorm1d '2' in training mode.*running statistics.*model.eval\(\)",
    ),
    (
        nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(3, 2))),
        X,
        {},
        r"_SpectralNorm '0.parametrizations.weight.0' in training mode.*power iteration.*model.eval\(\)",
    ),
    (
        nn.utils.spectral_norm(nn.Linear(3, 2)),
        X,
        {},
        r"Linear 'itself' in training mode.*power iteration.*model.eval\(\)",
    ),
    (BY_BATCH, X, {}, "does not depend on the others"),
    (Centred(3, 2), X, {}, "does not depend on the others"),
    (Noisy(3, 2), X, {}, "deterministic"),
    (Deciding(3, 2), X, {}, "computes the same for every batch"),
    (Detached(3, 2), X, {}, r"depend on a parameter.*take detach.*requires_grad_\(True\)"),
    (WithoutGradients(3, 2), X, {}, "depend on a parameter.*no_grad"),
    (Unused(3, 2), X, {}, "depend on a parameter.*that the forward uses"),
    (Aside(3, 2), X, {}, "attributes of its modules, got weight read from elsewhere.*from the module"),
    (Pair(3, 2), X, {}, "one tensor.*tuple of 2.*wrap it"),
    (Summed(3, 2), X, {}, r"a row for each of 3 samples, got shape \(2,\)"),
    (nn.Linear(3, 2).requires_grad_(False), X, {}, r"requires_grad_\(True\)"),
    (nn.ReLU(), X, {}, "none"),
    (nn.Linear(3, 2).half(), X, {}, "float16; pass dtype=torch.float32"),
    (nn.Linear(3, 2), X, {"dtype": torch.int64}, "float32 or torch.float64, got torch.int64"),
    (torch.relu, X, {}, "torch.nn.Module, got builtin_function_or_method"),
    (nn.Linear(3, 2), X.tolist(), {}, "array or tensor.*got list"),
    (nn.Linear(3, 2), np.array([["a"]]), {}, "real numbers"),
    (nn.Linear(3, 2), X.to(torch.complex64), {}, "complex64"),
    (nn.Linear(3, 2), X[:0], {}, r"at least one row, got shape \(0, 3\)"),
    (nn.Linear(3, 2), X / 0, {}, "finite samples.*sample 0"),
    (nn.Linear(3, 2), X * 3e38, {}, "NaN or infinity"),
    (nn.Linear(3, 2), X, {"outputs": "all"}, '"mean", "random".*got \'all\''),
    (nn.Linear(3, 2), X, {"outputs": 2}, "below 2.*got 2"),
    (nn.Linear(3, 2), X, {"outputs": True}, "got True"),
    (nn.Linear(3, 2), X, {"chunk_size": 1}, "integer >= 2.*got 1"),
]


@pytest.mark.parametrize(
    ("model", "samples", "options", "message"), REFUSED, ids=[row[3][:30] for row in REFUSED]
)
def test_what_has_no_kernel_is_refused_in_one_line(model, samples, options, message):
    for function in (
        lambda: empirical_ntk(model, samples, **options),
        lambda: NTKOperator(model, samples, **options),
        lambda: ntk_features(model, samples, 5, **options),
    ):
        with pytest.raises(ValueError, match=message) as caught:
            function()
        assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_a_scripted_model_is_refused():
    with pytest.raises(ValueError, match=r"Python modules, got RecursiveScriptModule.*that it was made of$"):
        empirical_ntk(nn.Sequential(torch.jit.script(nn.Linear(3, 2))), X)


def test_a_call_in_inference_mode_is_refused():
    with torch.inference_mode(), pytest.raises(ValueError, match=r"depend on a parameter.*inference_mode"):
        empirical_ntk(nn.Linear(3, 2), X)


def test_refusals_of_single_functions():
    model = nn.Linear(3, 2)
    for work, message in [
        (lambda: empirical_ntk(model, X, X[:, :2]), r"one shape.*\(3,\).*\(2,\)"),
        (lambda: empirical_ntk(model, X, memory_budget=0), "memory_budget.*got 0"),
        (lambda: NTKOperator(model, X, memory_budget=-1), "memory_budget.*got -1"),
        (lambda: NTKOperator(model, X).product(torch.ones(3, 1)), r"4 rows.*\(3, 1\)"),
        (lambda: NTKOperator(model, X).product([[1.0]] * 4), "block as an array or tensor.*got list"),
        (lambda: NTKOperator(model, X).product(X.to(torch.complex64)), "block.*real numbers.*complex64"),
        (lambda: ntk_features(model, X, 0), "n_features.*>= 1, got 0"),
        (lambda: ntk_features(model, X, 5, random_state=None), "random_state.*got None"),
        (lambda: ntk_features(model, X, 5, random_state=-1), r"from 0 to 2\*\*32 - 1, got -1"),
        (lambda: ntk_features(model, X, 5, random_state=2**32), r"from 0 to 2\*\*32 - 1, got 4294967296"),
        (lambda: ntk_features(model, X, 5, random_state=2**60), r"from 0 to 2\*\*32 - 1, got \d+"),
        (lambda: empirical_ntk(model, X, outputs="random", random_state=-1), "random_state.*got -1"),
        (lambda: empirical_ntk(model, X, outputs="random", random_state="a"), "random_state.*got 'a'"),
    ]:
        with pytest.raises(ValueError, match=message):
            work()


def test_the_models_own_error_says_what_it_was_given():
    with pytest.raises(RuntimeError) as caught:
        empirical_ntk(nn.Linear(4, 2), X)
    assert "batch (3, 3) torch.float32" in caught.value.__notes__[0]


def test_training_mode_without_chance_or_statistics_is_accepted():
    layers = [
        nn.Linear(3, 4),
        nn.LayerNorm(4),
        nn.Dropout(0.0),
        nn.Unflatten(1, (2, 2)),
        nn.InstanceNorm1d(2),
    ]
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(4, 2)).train()
    assert empirical_ntk(model, X).matrix.shape == (4, 4)


def test_spectral_normalisation_in_evaluation_mode_is_accepted():
    model = nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(3, 2))).eval()
    assert empirical_ntk(model, X).matrix.shape == (4, 4)

"""What holds for every loss. A loss gets the whole suite by naming itself in a subclass of LossContract."""

import inspect
import math
import statistics
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import lightly.loss
import lightly.loss.emp_ssl_loss
import lightly.loss.lejepa_loss
import lightly.loss.visreg_loss
import numpy as np
import pandas as pd
import pytest
import torch

from eigenstep import losses
from eigenstep.losses import JointBatch

try:
    from transformers.models.clip.modeling_clip import image_text_contrastive_loss
except ImportError:  # as transformers 5.0 calls it
    from transformers.models.clip.modeling_clip import clip_loss as image_text_contrastive_loss

N, D = 7, 3


def pytest_generate_tests(metafunc):
    if "options" in metafunc.fixturenames:
        metafunc.parametrize("options", metafunc.cls.variants, ids=str)
    if "differentiable_options" in metafunc.fixturenames:
        variants = [v for v in metafunc.cls.variants if not metafunc.cls.constants & v.keys()]
        metafunc.parametrize("differentiable_options", variants, ids=str)
    if "peer" in metafunc.fixturenames:
        metafunc.parametrize("peer", metafunc.cls.peers, ids=lambda peer: str(peer[0]))


def pair(n=N, d=D, scale=0.9, seed=0):
    """Two correlated float64 views with a mean that is not zero."""
    generator = torch.Generator().manual_seed(seed)
    common, noise_a, noise_b = torch.randn(3, n, d, generator=generator, dtype=torch.float64)
    z_a, z_b = scale * (common + 0.4 * noise_a + 0.3), scale * (common + 0.4 * noise_b + 0.3)
    return z_a.requires_grad_(), z_b.requires_grad_()


def value_and_gradients(loss, z_a, z_b):
    value = loss(z_a, z_b)
    return value, *torch.autograd.grad(value, (z_a, z_b))


def assert_close(actual, expected, tolerance):
    """Within `tolerance` of the largest element of each expected tensor."""
    for one, other in zip(actual, expected, strict=True):
        assert one.shape == other.shape
        assert (one - other).abs().max() <= tolerance * other.abs().max(), (one, other)


class LossContract(ABC):
    loss: type
    function: staticmethod
    variants: tuple[dict, ...]
    # Options whose share of the loss is a constant for the gradient, which finite differences do not see.
    constants: frozenset[str] = frozenset()

    @staticmethod
    @abstractmethod
    def reference(a, b, **options):
        """The loss by plain loops over samples and coordinates, on nested lists of scalars."""

    @pytest.mark.slow
    def test_value_and_gradient_equal_the_plain_loops(self, options):
        z_a, z_b = pair()
        expected = value_and_gradients(
            lambda a, b: self.reference(_scalars(a), _scalars(b), **options), z_a, z_b
        )
        assert_close(value_and_gradients(self.loss(**options), z_a, z_b), expected, 1e-12)

    @pytest.mark.slow
    def test_gradient_equals_finite_differences(self, differentiable_options):
        assert torch.autograd.gradcheck(self.loss(**differentiable_options), pair())

    def test_exchanging_the_views_exchanges_the_gradients(self, options):
        z_a, z_b = pair()
        value, gradient_a, gradient_b = value_and_gradients(self.loss(**options), z_a, z_b)
        swapped = value_and_gradients(self.loss(**options), z_b, z_a)
        assert_close(swapped, (value, gradient_b, gradient_a), 1e-12)

    def test_the_order_of_samples_does_not_matter(self, options):
        z_a, z_b = pair()
        order = torch.randperm(N, generator=torch.Generator().manual_seed(1))
        value, gradient_a, gradient_b = value_and_gradients(self.loss(**options), z_a, z_b)
        permuted = value_and_gradients(lambda a, b: self.loss(**options)(a[order], b[order]), z_a, z_b)
        assert_close(permuted, (value, gradient_a, gradient_b), 1e-12)

    def test_weighted_terms_add_up_to_the_loss(self, options):
        z_a, z_b = pair()
        loss = self.loss(**options)
        terms = loss.terms(z_a, z_b)
        assert set(terms) == set(loss.weights)
        total = sum(loss.weights[name] * term for name, term in terms.items())
        assert_close([total], [loss(z_a, z_b)], 1e-14)

    def test_loss_and_terms_are_those_of_the_two_calls_to_the_bit_without_gradient_of_the_terms(
        self, options
    ):
        z_a, z_b = pair()
        loss = self.loss(**options)
        value, terms = loss.loss_and_terms(z_a, z_b)
        found = torch.autograd.grad(value, (z_a, z_b))
        expected, *gradients = value_and_gradients(loss, z_a, z_b)
        assert torch.equal(value, expected)
        assert all(torch.equal(one, other) for one, other in zip(found, gradients, strict=True))
        assert terms.keys() == loss.terms(z_a, z_b).keys()
        for name, term in loss.terms(z_a, z_b).items():
            assert torch.equal(terms[name], term)
            assert not terms[name].requires_grad

    def test_loss_and_terms_gather_the_joint_batch_once(self, options, monkeypatch):
        gathered = []

        def gather(z_a, z_b, labels=None):
            gathered.append(len(z_a))
            return JointBatch(z_a, z_b, labels=labels)

        monkeypatch.setattr("eigenstep.losses._two_view_loss.gather_batch", gather)
        self.loss(gather_distributed=True, **options).loss_and_terms(*pair())
        assert gathered == [N]

    def test_function_equals_module(self, options):
        z_a, z_b = pair()
        assert torch.equal(self.function(z_a, z_b, **options), self.loss(**options)(z_a, z_b))

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2])
    def test_embeddings_of_few_bits_are_computed_in_float32(self, options, dtype):
        z_a, z_b = (z.detach().to(dtype).requires_grad_() for z in pair())
        half = value_and_gradients(self.loss(**options), z_a, z_b)
        single = value_and_gradients(
            self.loss(**options), *(z.detach().float().requires_grad_() for z in (z_a, z_b))
        )
        assert half[0].dtype == torch.float32
        assert half[1].dtype == dtype
        assert torch.equal(half[0], single[0])
        assert torch.equal(half[1], single[1].to(dtype))

    def test_autocast_does_not_lower_the_precision(self, options):
        z_a, z_b = (z.detach().float().requires_grad_() for z in pair())
        expected = value_and_gradients(self.loss(**options), z_a, z_b)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            value = self.loss(**options)(z_a, z_b)
        gradient, _ = torch.autograd.grad(value, (z_a, z_b))
        assert value.dtype == torch.float32
        assert torch.equal(value, expected[0])
        assert torch.equal(gradient, expected[1])

    def test_tiny_float32_embeddings_keep_the_gradient(self, options):
        z_a, z_b = pair(n=32, scale=1e-7)
        expected = value_and_gradients(self.loss(**options), z_a, z_b)
        single = value_and_gradients(
            self.loss(**options), *(z.detach().float().requires_grad_() for z in (z_a, z_b))
        )
        assert_close([z.double() for z in single], expected, 1e-5)

    def test_without_a_process_group_gathering_changes_nothing(self, options):
        z_a, z_b = pair()
        gathered = self.loss(gather_distributed=True, **options)(z_a, z_b)
        assert torch.equal(gathered, self.loss(**options)(z_a, z_b))

    @pytest.mark.slow
    def test_two_processes_equal_one_in_value_and_gradient(self, options, two_processes):
        inputs, weight, results = two_processes
        encoder_weight = weight.clone().requires_grad_()
        x_a, x_b = (torch.cat(views) for views in zip(*inputs, strict=True))
        value = self.loss(**options)(x_a @ encoder_weight.T, x_b @ encoder_weight.T)
        (gradient,) = torch.autograd.grad(value, encoder_weight)

        (value_0, gradient_0), (value_1, gradient_1) = results[_key(self.loss, options)]
        assert_close([(value_0 + value_1) / 2, gradient_0, gradient_1], [value, gradient, gradient], 1e-12)

    @pytest.mark.parametrize(
        ("z_a", "z_b", "message"),
        [
            (torch.rand(4, 3), torch.rand(4, 2), r"same shape, got \(4, 3\) and \(4, 2\)"),
            (torch.rand(4, 3), torch.rand(5, 3), r"same shape, got \(4, 3\) and \(5, 3\)"),
            (torch.rand(4), torch.rand(4), r"shape \(batch, dim\), got \(4,\) and \(4,\)"),
            (torch.rand(4, 3, 2), torch.rand(4, 3, 2), r"shape \(batch, dim\), got \(4, 3, 2\)"),
            (torch.rand(0, 3), torch.rand(0, 3), r"must not be empty, got \(0, 3\)"),
            (torch.ones(4, 3).int(), torch.rand(4, 3), r"floating-point tensors, got torch.int32"),
        ],
        ids=["dim", "batch", "1-D", "3-D", "empty", "integer"],
    )
    def test_bad_embeddings_are_refused_in_one_line(self, z_a, z_b, message):
        with pytest.raises(ValueError, match=message) as error:
            self.loss()(z_a, z_b)
        assert "\n" not in str(error.value)

    @pytest.mark.parametrize("method", ["__call__", "terms", "loss_and_terms"])
    @pytest.mark.parametrize(
        ("z_a", "z_b", "came"),
        [
            (np.ones((4, 3)), np.ones((4, 3)), "numpy.ndarray as z_a and numpy.ndarray as z_b"),
            (torch.rand(4, 3), np.ones((4, 3)), "numpy.ndarray as z_b"),
            (pd.DataFrame(np.ones((4, 3))), torch.rand(4, 3), "pandas.*DataFrame as z_a"),
            (torch.rand(4, 3), [[1.0, 2.0]], "list as z_b"),
            (None, torch.rand(4, 3), "NoneType as z_a"),
        ],
        ids=["arrays", "mixed", "frame", "list", "nothing"],
    )
    def test_what_is_no_tensor_is_named_by_its_type(self, method, z_a, z_b, came):
        with pytest.raises(TypeError, match=f"^expected tensors, got {came}; .* torch.as_tensor[^\n]*$"):
            getattr(self.loss(), method)(z_a, z_b)

    def test_views_on_two_devices_are_refused(self):
        with pytest.raises(ValueError, match="on one device, got cpu and meta"):
            self.loss()(torch.rand(4, 3), torch.rand(4, 3, device="meta"))

    def test_gathering_needs_a_torch_that_can(self, monkeypatch):
        monkeypatch.setattr("torch.distributed.is_available", lambda: False)
        self.loss()(*pair())
        with pytest.raises(ValueError, match=r"^gather_distributed=True needs torch\.distributed"):
            self.loss(gather_distributed=True)

    def test_a_batch_of_one_is_refused(self):
        with pytest.raises(ValueError, match="at least 2 pairs, got 1"):
            self.loss()(torch.rand(1, 3), torch.rand(1, 3))


class EqualsLightly:
    """For a loss that lightly or another library has too: options here, its loss with the same meaning."""

    peers: tuple[tuple[dict, Callable], ...]
    peer_shapes = ((2, 2), (8, 5), (33, 64), (64, 16))
    peer_tolerance = 1e-10

    def test_value_and_gradient_equal_lightly(self, peer):
        options, lightly_loss = peer
        for (n, d), scale in zip(self.peer_shapes, (1.0, 0.3, 2.0, 1e-3), strict=True):
            z_a, z_b = pair(n, d, scale)
            expected = value_and_gradients(lightly_loss, z_a, z_b)
            assert_close(value_and_gradients(self.loss(**options), z_a, z_b), expected, self.peer_tolerance)


class HasLightlysSignature(EqualsLightly):
    """For a loss that is made and called just as lightly's."""

    def test_lightlys_defaults_are_accepted_by_name_and_by_place(self):
        peer = getattr(lightly.loss, self.loss.__name__)
        defaults = {name: each.default for name, each in inspect.signature(peer).parameters.items()}
        z_a, z_b = pair()
        expected = self.loss()(z_a, z_b)
        for loss in (self.loss(**defaults), self.loss(*defaults.values())):
            assert torch.equal(loss(z_a, z_b), expected)
        assert torch.equal(self.function(z_a, z_b, *defaults.values()), expected)


class TestBarlowTwins(HasLightlysSignature, LossContract):
    loss = losses.BarlowTwinsLoss
    function = staticmethod(losses.barlow_twins_loss)
    variants = (
        {},
        {"lambda_param": 0.3, "symmetrize": True, "eps": 0.1, "scale": 0.5},
        {"normalize": "none"},
        {"lambda_param": 1.0, "normalize": "none", "center": False, "symmetrize": True},
    )
    peers = (
        ({}, lightly.loss.BarlowTwinsLoss()),
        ({"lambda_param": 0.7}, lightly.loss.BarlowTwinsLoss(lambda_param=0.7)),
    )

    @staticmethod
    def reference(
        a, b, lambda_param=5e-3, normalize="batch", center=True, symmetrize=False, scale=1.0, eps=1e-5
    ):
        n, d = len(a), len(a[0])
        mean_a, mean_b = _column_means(a), _column_means(b)
        if normalize == "batch":
            deviation_a, deviation_b = (
                [(_variance(view, j, n) + eps) ** 0.5 for j in range(d)] for view in (a, b)
            )
            a = [[(row[j] - mean_a[j]) / deviation_a[j] for j in range(d)] for row in a]
            b = [[(row[j] - mean_b[j]) / deviation_b[j] for j in range(d)] for row in b]
        elif center:
            a, b = (
                [[row[j] - (mean_a[j] + mean_b[j]) / 2 for j in range(d)] for row in view] for view in (a, b)
            )
        total = 0.0
        for j in range(d):
            for k in range(d):
                c_jk = sum(a[i][j] * b[i][k] for i in range(n)) / n
                if symmetrize:
                    c_jk = (c_jk + sum(a[i][k] * b[i][j] for i in range(n)) / n) / 2
                total += (c_jk - 1) ** 2 if j == k else lambda_param * c_jk**2
        return scale * total


class TestNTXent(HasLightlysSignature, LossContract):
    loss = losses.NTXentLoss
    function = staticmethod(losses.nt_xent_loss)
    variants = ({}, {"temperature": 0.1}, {"temperature": 2.0, "normalize": "none"})
    peers = (
        ({}, lightly.loss.NTXentLoss()),
        ({"temperature": 0.07}, lightly.loss.NTXentLoss(temperature=0.07)),
    )

    @staticmethod
    def reference(a, b, temperature=0.5, normalize="cosine"):
        n, e = len(a), _exponentials(a, b, temperature, normalize)
        total = 0.0
        for k in range(2 * n):
            total += -(e[k][(k + n) % (2 * n)] / sum(e[k][m] for m in range(2 * n) if m != k)).log()
        return total / (2 * n)


class TestVICReg(HasLightlysSignature, LossContract):
    loss = losses.VICRegLoss
    function = staticmethod(losses.vicreg_loss)
    variants = ({}, {"lambda_param": 2.0, "mu_param": 5.0, "nu_param": 3.0, "eps": 0.3})
    peers = (
        ({}, lightly.loss.VICRegLoss()),
        (
            {"lambda_param": 1.0, "mu_param": 2.0, "nu_param": 3.0, "eps": 0.01},
            lightly.loss.VICRegLoss(lambda_param=1.0, mu_param=2.0, nu_param=3.0, eps=0.01),
        ),
    )

    @staticmethod
    def reference(a, b, lambda_param=25.0, mu_param=25.0, nu_param=1.0, eps=1e-4):
        n, d = len(a), len(a[0])
        total = lambda_param * sum((a[i][j] - b[i][j]) ** 2 for i in range(n) for j in range(d)) / (n * d)
        for view in (a, b):
            mean = _column_means(view)
            for j in range(d):
                deviation = (_variance(view, j, n - 1) + eps) ** 0.5
                total += mu_param * max(1 - deviation, 0 * deviation) / (2 * d)
                for k in range(d):
                    if k != j:
                        covariance = sum((row[j] - mean[j]) * (row[k] - mean[k]) for row in view) / (n - 1)
                        total += nu_param * covariance**2 / d
        return total


class TestSpectralContrastive(LossContract):
    loss = losses.SpectralContrastiveLoss
    function = staticmethod(losses.spectral_contrastive_loss)
    variants = ({}, {"normalize": "ball", "mu": 1.7})

    @staticmethod
    def reference(a, b, mu=1.0, normalize="none"):
        n, factor = len(a), 1.0
        if normalize == "ball":
            factor = 1 / mu
            a, b = (
                [row if _dot(row, row) < mu else [x * mu**0.5 for x in _unit(row)] for row in view]
                for view in (a, b)
            )
        total = 0.0
        for i in range(n):
            for j in range(n):
                product = _dot(a[i], b[j])
                total += -2 * product / n if i == j else product**2 / (n * (n - 1))
        return factor * total

    def test_the_embeddings_lie_on_both_sides_of_the_ball(self):
        inside = torch.cat(pair()).square().sum(1) < self.variants[1]["mu"]
        assert inside.any()
        assert not inside.all()


class TestWMSE(EqualsLightly, LossContract):
    loss = losses.WMSELoss
    function = staticmethod(losses.wmse_loss)
    variants = ({}, {"eps": 0.2})
    peer_shapes = ((4, 2), (11, 5), (129, 64), (64, 16))
    peers = (
        ({}, lambda z_a, z_b: _lightly_wmse(z_a, z_b)),
        ({"eps": 0.1}, lambda z_a, z_b: _lightly_wmse(z_a, z_b, eps=0.1)),
    )

    @staticmethod
    def reference(a, b, eps=0.0):
        n, d = len(a), len(a[0])
        whitened = []
        for view in (a, b):
            mean = _column_means(view)
            rows = [[row[j] - mean[j] for j in range(d)] for row in view]
            covariance = [
                [
                    (1 - eps) * sum(row[j] * row[k] for row in rows) / (n - 1) + eps * (j == k)
                    for k in range(d)
                ]
                for j in range(d)
            ]
            factor = _cholesky(covariance)
            whitened.append([_forward_substitution(factor, row) for row in rows])
        distances = [
            sum((x - y) ** 2 for x, y in zip(_unit(w_a), _unit(w_b), strict=True))
            for w_a, w_b in zip(*whitened, strict=True)
        ]
        return sum(distances) / n


class TestSpectral(LossContract):
    loss = losses.SpectralLoss
    function = staticmethod(losses.spectral_loss)
    variants = ({}, {"power": 1, "damping": 0.1}, {"power": 1.5, "damping": 0.02, "center": False})

    @staticmethod
    def reference(a, b, power=0.5, damping=1e-3, center=True):
        """By a root from Denman and Beavers' iteration and the logarithm of Cholesky's diagonal."""
        n, d = len(a), len(a[0])
        if center:
            mean = [(x + y) / 2 for x, y in zip(_column_means(a), _column_means(b), strict=True)]
            a, b = ([[row[j] - mean[j] for j in range(d)] for row in view] for view in (a, b))
        damped = [
            [sum(a[i][j] * b[i][k] + a[i][k] * b[i][j] for i in range(n)) / (2 * n) for k in range(d)]
            for j in range(d)
        ]
        for j in range(d):
            damped[j][j] = damped[j][j] + damping
        one = 1 + damping
        if power == 1:
            log_determinant = 2 * sum(row[j].log() for j, row in enumerate(_cholesky(damped)))
            total = 2 * sum(damped[j][j] for j in range(d)) - 2 * one * log_determinant
            return total - 2 * d * (one - one * math.log(one))
        u = torch.stack([torch.stack(row) for row in damped])
        root, inverse = u, torch.eye(d, dtype=u.dtype)
        for _ in range(40):
            root, inverse = (root + inverse.inverse()) / 2, (inverse + root.inverse()) / 2
        half = {0.5: (u @ root, root), 1.5: (root, inverse)}[power]  # u^(2 - power) and u^(1 - power)
        total = 2 * half[0].trace() / (2 - power) - 2 * one * half[1].trace() / (1 - power)
        return total - 2 * d * one ** (2 - power) * (1 / (2 - power) - 1 / (1 - power))


@pytest.mark.filterwarnings("ignore:To copy construct from a tensor")
class TestDCL(HasLightlysSignature, LossContract):
    loss = losses.DCLLoss
    function = staticmethod(losses.dcl_loss)
    variants = ({}, {"sigma": 0.3}, {"temperature": 2.0, "normalize": "none"})
    constants = frozenset({"sigma"})
    peers = (
        ({}, lightly.loss.DCLLoss()),
        ({"temperature": 0.7}, lightly.loss.DCLLoss(temperature=0.7)),
        ({"sigma": 0.5}, lightly.loss.DCLWLoss()),
        ({"temperature": 0.3, "sigma": 2.0}, lightly.loss.DCLWLoss(temperature=0.3, sigma=2.0)),
    )

    @staticmethod
    def reference(a, b, temperature=0.1, sigma=None, normalize="cosine"):
        n, e = len(a), _exponentials(a, b, temperature, normalize)
        weights = [1.0] * n
        if sigma is not None:
            agreement = [(e[i][i + n].detach().log() * temperature / sigma).exp() for i in range(n)]
            weights = [2 - n * x / sum(agreement) for x in agreement]
        total = 0.0
        for k in range(2 * n):
            partner = (k + n) % (2 * n)
            total += -weights[k % n] * e[k][partner].log()
            total += sum(e[k][m] for m in range(2 * n) if m not in (k, partner)).log()
        return total / (2 * n)


class TestNegativeCosineSimilarity(HasLightlysSignature, LossContract):
    loss = losses.NegativeCosineSimilarity
    function = staticmethod(losses.negative_cosine_similarity)
    variants = ({}, {"eps": 1.3})
    peers = (({}, lightly.loss.NegativeCosineSimilarity()),)

    @staticmethod
    def reference(a, b, eps=1e-8):
        total = 0.0
        for x, y in zip(a, b, strict=True):
            norms = [_dot(row, row) ** 0.5 for row in (x, y)]
            norms = [norm if norm > eps else eps for norm in norms]
            total += -_dot(x, y) / (norms[0] * norms[1])
        return total / len(a)

    def test_a_batch_of_one_is_refused(self):
        """Not here: a single pair has a cosine."""
        z = torch.tensor([[3.0, 4.0]])
        assert self.loss()(z, -z) == 1


class LabelledBySign:
    """Labels are a function of the embeddings, so that the loss is called like the others."""

    def forward(self, z_a, z_b):
        return super().forward(z_a, z_b, _sign_labels(z_a, z_b))

    def terms(self, z_a, z_b):
        return super().terms(z_a, z_b, _sign_labels(z_a, z_b))

    def loss_and_terms(self, z_a, z_b):
        return super().loss_and_terms(z_a, z_b, _sign_labels(z_a, z_b))


class SupConLoss(LabelledBySign, losses.SupConLoss):
    pass


class NSCLLoss(LabelledBySign, losses.NSCLLoss):
    pass


class TestSupCon(LossContract):
    loss = SupConLoss
    variants = ({}, {"temperature": 0.5}, {"temperature": 2.0, "normalize": "none"})

    @staticmethod
    def function(z_a, z_b, **options):
        return losses.sup_con_loss(z_a, z_b, _sign_labels(z_a, z_b), **options)

    @staticmethod
    def reference(a, b, temperature=0.1, normalize="cosine"):
        n, e = len(a), _exponentials(a, b, temperature, normalize)
        labels = 2 * [bool(sum(x) + sum(y) > 0) for x, y in zip(a, b, strict=True)]
        total = 0.0
        for k in range(2 * n):
            others = [m for m in range(2 * n) if m != k]
            denominator = sum(e[k][m] for m in others)
            positives = [p for p in others if labels[p] == labels[k]]
            total += sum(-(e[k][p] / denominator).log() for p in positives) / len(positives)
        return total / (2 * n)

    @pytest.mark.slow
    def test_the_embeddings_have_two_classes_one_of_them_on_both_ranks(self, two_processes):
        inputs, weight, _ = two_processes
        assert set(_sign_labels(*pair()).tolist()) == {0, 1}
        on_0, on_1 = (set(_sign_labels(x_a @ weight.T, x_b @ weight.T).tolist()) for x_a, x_b in inputs)
        assert on_0 | on_1 == {0, 1}
        assert on_0 & on_1


class TestNSCL(LossContract):
    loss = NSCLLoss
    variants = ({}, {"temperature": 0.5}, {"temperature": 2.0, "normalize": "none"})

    @staticmethod
    def function(z_a, z_b, **options):
        return losses.nscl_loss(z_a, z_b, _sign_labels(z_a, z_b), **options)

    @staticmethod
    def reference(a, b, temperature=0.1, normalize="cosine"):
        n, e = len(a), _exponentials(a, b, temperature, normalize)
        labels = 2 * [bool(sum(x) + sum(y) > 0) for x, y in zip(a, b, strict=True)]
        total = 0.0
        for k in range(2 * n):
            negatives = [e[k][m] for m in range(2 * n) if labels[m] != labels[k]]
            total += sum(negatives).log() - e[k][(k + n) % (2 * n)].log()
        return total / (2 * n)


class _AlongFixedSlices:
    """A loss that draws the same slices at each call, so that it is called like the others."""

    def forward(self, z_a, z_b):
        return super().forward(z_a, z_b, torch.Generator().manual_seed(0))

    def terms(self, z_a, z_b):
        return super().terms(z_a, z_b, torch.Generator().manual_seed(0))

    def loss_and_terms(self, z_a, z_b):
        return super().loss_and_terms(z_a, z_b, torch.Generator().manual_seed(0))


class LeJEPALoss(_AlongFixedSlices, losses.LeJEPALoss):
    pass


class TestLeJEPA(EqualsLightly, LossContract):
    loss = LeJEPALoss
    variants = (
        {"slices": 5},
        {"slices": 4, "pooled": True, "weight": 0.3, "prediction": 1.0},
        {"slices": 3, "t_max": 5.0, "knots": 9},
    )
    peers = (
        ({}, lambda z_a, z_b: _lightly_lejepa(z_a, z_b, 0.05, 1024)),
        ({"weight": 0.7, "slices": 30}, lambda z_a, z_b: _lightly_lejepa(z_a, z_b, 0.7, 30)),
    )

    @staticmethod
    def function(z_a, z_b, **options):
        return losses.lejepa_loss(z_a, z_b, generator=torch.Generator().manual_seed(0), **options)

    @staticmethod
    def reference(a, b, slices=1024, weight=0.05, pooled=False, prediction=None, t_max=3.0, knots=17):
        n, d = len(a), len(a[0])
        total = 0.0
        for x, y in zip(a, b, strict=True):
            for j in range(d):
                center = (x[j] + y[j]) / 2
                total += ((x[j] - center) ** 2 + (y[j] - center) ** 2) / (2 * n * d)
        total *= 1 - weight if prediction is None else prediction
        samples = [a + b] if pooled else [a, b]
        for sample in samples:
            for u in _scalars(_fixed_slices(d, slices).T):
                projected = [_dot(row, u) for row in sample]
                statistic = 0.0
                for k in range(knots):
                    t = k * t_max / (knots - 1)
                    real = sum((t * x).cos() for x in projected) / len(sample) - math.exp(-(t**2) / 2)
                    imaginary = sum((t * x).sin() for x in projected) / len(sample)
                    step = (1 if k in (0, knots - 1) else 2) * t_max / (knots - 1)
                    statistic += step * math.exp(-(t**2) / 2) * (real**2 + imaginary**2)
                total += weight * len(sample) * statistic / (slices * len(samples))
        return total


class VISRegLoss(_AlongFixedSlices, losses.VISRegLoss):
    pass


class TestVISReg(EqualsLightly, LossContract):
    loss = VISRegLoss
    variants = (
        {"slices": 6},
        {"slices": 5, "weight": 0.3, "lambda_scale": 2.0, "lambda_shape": 0.5, "eps": 0.1},
        {"lambda_shape": 0.0, "lambda_center": 3.0},
    )
    # The deviations that divide are constants for the gradient of the shape.
    constants = frozenset({"slices"})
    # lightly's quantiles are of float32.
    peer_tolerance = 1e-6
    peers = (
        ({}, lambda z_a, z_b: _lightly_visreg(z_a, z_b, 4096, 0.9)),
        (
            {"slices": 20, "weight": 0.6, "eps": 0.01},
            lambda z_a, z_b: _lightly_visreg(z_a, z_b, 20, 0.6, 0.01),
        ),
    )

    @staticmethod
    def function(z_a, z_b, **options):
        return losses.visreg_loss(z_a, z_b, generator=torch.Generator().manual_seed(0), **options)

    @staticmethod
    def reference(
        a, b, slices=4096, weight=0.9, lambda_scale=1.0, lambda_shape=1.0, lambda_center=1.0, eps=1e-4
    ):
        n, d = len(a), len(a[0])
        total = 0.0
        for x, y in zip(a, b, strict=True):
            total += (1 - weight) * sum((x[j] - y[j]) ** 2 for j in range(d)) / (4 * n * d)
        quantiles = [statistics.NormalDist().inv_cdf(i / (n + 1)) for i in range(1, n + 1)]
        for view in (a, b):
            mean, deviation = _column_means(view), [_variance(view, j, n) ** 0.5 for j in range(d)]
            total += weight * lambda_center * sum(m**2 for m in mean) / (2 * d)
            total += weight * lambda_scale * sum((1 - s) ** 2 for s in deviation) / (2 * d)
            divisors = [s.detach() + eps for s in deviation]
            standard = [[(row[j] - mean[j]) / divisors[j] for j in range(d)] for row in view]
            for u in _scalars(_fixed_slices(d, slices).T) if lambda_shape else []:
                projected = sorted((_dot(row, u) for row in standard), key=lambda x: x.item())
                distance = sum((x - q) ** 2 for x, q in zip(projected, quantiles, strict=True))
                total += weight * lambda_shape * distance / (2 * slices * n)
        return total


class TestMMCR(EqualsLightly, LossContract):
    loss = losses.MMCRLoss
    function = staticmethod(losses.mmcr_loss)
    variants = ({}, {"lambda_param": 0.3, "normalize": "none"})
    peers = (
        ({"normalize": "none"}, lambda z_a, z_b: lightly.loss.MMCRLoss()(z_a[:, None], z_b[:, None])),
        (
            {"lambda_param": 0.5},
            lambda z_a, z_b: lightly.loss.MMCRLoss(0.5)(
                *(torch.nn.functional.normalize(z[:, None], dim=-1) for z in (z_a, z_b))
            ),
        ),
    )

    @staticmethod
    def reference(a, b, lambda_param=5e-3, normalize="cosine"):
        """By eigenvalues of Gram matrices in the place of singular values."""
        if normalize == "cosine":
            a, b = ([_unit(row) for row in view] for view in (a, b))
        n, d = len(a), len(a[0])
        centroids = [[(x[j] + y[j]) / 2 for j in range(d)] for x, y in zip(a, b, strict=True)]
        gram = [[sum(row[j] * row[k] for row in centroids) for k in range(d)] for j in range(d)]
        values = torch.linalg.eigvalsh(torch.stack([torch.stack(row) for row in gram]))
        total = -values.sqrt().sum()
        for x, y in zip(a, b, strict=True):
            parallel = _dot(x, x) * _dot(y, y) - _dot(x, y) ** 2
            total += lambda_param * (_dot(x, x) + _dot(y, y) + 2 * parallel**0.5) ** 0.5 / n
        return total


class TestFroSSL(EqualsLightly, LossContract):
    loss = losses.FroSSLLoss
    function = staticmethod(losses.frossl_loss)
    variants = ({}, {"invariance_weight": 0.3})
    peers = (
        ({}, lambda z_a, z_b: lightly.loss.frossl_loss.FroSSLLoss()([z_a, z_b])),
        (
            {"invariance_weight": 2.0},
            lambda z_a, z_b: lightly.loss.frossl_loss.FroSSLLoss(2.0)([z_a, z_b]),
        ),
    )

    @staticmethod
    def reference(a, b, invariance_weight=1.0):
        n, d = len(a), len(a[0])
        a, b = (
            list(zip(*(_unit(column) for column in zip(*view, strict=True)), strict=True)) for view in (a, b)
        )
        total = 0.0
        for view in (a, b):
            moments = [[sum(row[j] * row[k] for row in view) / d for k in range(d)] for j in range(d)]
            total += sum(x**2 for row in moments for x in row).log()
        distance = sum((x[j] - y[j]) ** 2 for x, y in zip(a, b, strict=True) for j in range(d))
        return total + invariance_weight * distance / n


class CorInfoMaxLoss(losses.CorInfoMaxLoss):
    """Before its first batch, at each call."""

    def __init__(self, dim=D, **options):
        super().__init__(dim, **options)
        self.eval()


class TestCorInfoMax(LossContract):
    loss = CorInfoMaxLoss
    variants = ({"dim": D}, {"dim": D, "alpha": 2.0, "memory": 0.4, "eps": 0.1})

    @staticmethod
    def function(z_a, z_b, dim=D, **options):
        return losses.corinfomax_loss(z_a, z_b, **options)

    @staticmethod
    def reference(a, b, dim=D, alpha=250.0, memory=0.01, eps=1e-8):
        a, b = ([_unit(row) for row in view] for view in (a, b))
        n, d = len(a), len(a[0])
        total = alpha * sum((x[j] - y[j]) ** 2 for x, y in zip(a, b, strict=True) for j in range(d)) / (n * d)
        for view in (a, b):
            mean = [(1 - memory) * m for m in _column_means(view)]
            rows = [[row[j] - mean[j] for j in range(d)] for row in view]
            covariance = [
                [
                    (1 - memory) * sum(row[j] * row[k] for row in rows) / n + (memory + eps) * (j == k)
                    for k in range(d)
                ]
                for j in range(d)
            ]
            total += -2 * sum(row[j].log() for j, row in enumerate(_cholesky(covariance))) / d
        return total


class TestCodingRate(EqualsLightly, LossContract):
    loss = losses.CodingRateLoss
    function = staticmethod(losses.coding_rate_loss)
    variants = ({}, {"lambda_param": 3.0, "eps": 0.05})
    peers = (
        ({}, lambda z_a, z_b: _lightly_coding_rate(z_a, z_b, 1.0, 0.5)),
        ({"lambda_param": 2.0, "eps": 0.05}, lambda z_a, z_b: _lightly_coding_rate(z_a, z_b, 2.0, 0.05)),
    )

    @staticmethod
    def reference(a, b, lambda_param=1.0, eps=0.5):
        a, b = ([_unit(row) for row in view] for view in (a, b))
        n, d = len(a), len(a[0])
        total = -lambda_param * sum(_dot(x, y) for x, y in zip(a, b, strict=True)) / n
        for view in (a, b):
            coded = [
                [sum(row[j] * row[k] for row in view) * d / (n * eps) + (j == k) for k in range(d)]
                for j in range(d)
            ]
            rate = sum(row[j].log() for j, row in enumerate(_cholesky(coded)))
            total += -(d + n) / (d * n) * rate / 2
        return total


class TestCLIP(EqualsLightly, LossContract):
    """Beside transformers, since lightly has no such loss; what is learned has its own file."""

    loss = losses.CLIPLoss
    variants = (
        {"learnable": False},
        {"learnable": False, "temperature": 2.0, "normalize": "none"},
    )
    peers = (
        ({"learnable": False}, lambda z_a, z_b: image_text_contrastive_loss(_cosines(z_b, z_a) / 0.07)),
        (
            {"learnable": False, "temperature": 0.5},
            lambda z_a, z_b: image_text_contrastive_loss(_cosines(z_b, z_a) / 0.5),
        ),
    )

    @staticmethod
    def function(z_a, z_b, learnable=False, **options):
        return losses.clip_loss(z_a, z_b, **options)

    @staticmethod
    def reference(a, b, learnable=False, temperature=0.07, normalize="cosine"):
        n, total = len(a), 0.0
        if normalize == "cosine":
            a, b = ([_unit(row) for row in side] for side in (a, b))
        e = [[(_dot(x, y) / temperature).exp() for y in b] for x in a]
        for i in range(n):
            total += -(e[i][i] / sum(e[i][j] for j in range(n))).log()
            total += -(e[i][i] / sum(e[j][i] for j in range(n))).log()
        return total / (2 * n)


class TestSigLIP(EqualsLightly, LossContract):
    """Beside the lines of transformers' SiglipModel, which it has inside its forward."""

    loss = losses.SigLIPLoss
    variants = (
        {"learnable": False},
        {"learnable": False, "temperature": 2.0, "bias": -1.0, "normalize": "none"},
    )
    peers = (
        ({"learnable": False}, lambda z_a, z_b: _transformers_siglip(z_a, z_b, 0.1, -10.0)),
        (
            {"learnable": False, "temperature": 0.5, "bias": 0.3},
            lambda z_a, z_b: _transformers_siglip(z_a, z_b, 0.5, 0.3),
        ),
    )

    @staticmethod
    def function(z_a, z_b, learnable=False, **options):
        return losses.siglip_loss(z_a, z_b, **options)

    @staticmethod
    def reference(a, b, learnable=False, temperature=0.1, bias=-10.0, normalize="cosine"):
        n, total = len(a), 0.0
        if normalize == "cosine":
            a, b = ([_unit(row) for row in side] for side in (a, b))
        for i, x in enumerate(a):
            for j, y in enumerate(b):
                sign = 1 if i == j else -1
                total += (1 + (-sign * (_dot(x, y) / temperature + bias)).exp()).log()
        return total / n


def test_every_loss_of_the_room_has_the_suite():
    public = {getattr(losses, name) for name in losses.__all__ if isinstance(getattr(losses, name), type)}
    tested = {case.loss for case in LossContract.__subclasses__()}
    assert {getattr(losses, loss.__name__) for loss in tested} == public - {
        losses.JointBatch,
        losses.LabelledLoss,
        losses.SlicedLoss,
        losses.TwoViewLoss,
    }


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    """Inputs, weight and each loss's (value, gradient) of two gloo processes with 5 and 3 pairs."""
    folder: Path = tmp_path_factory.mktemp("two_processes")
    x_a, x_b = (x.detach() for x in pair(8, 4))
    inputs = list(zip(x_a.split([5, 3]), x_b.split([5, 3]), strict=True))
    weight = pair(D, 4, seed=2)[0].detach()
    jobs = [(case.loss, options) for case in LossContract.__subclasses__() for options in case.variants]
    named = [(loss.__name__, options) for loss, options in jobs]
    labels = [_sign_labels(x_a @ weight.T, x_b @ weight.T) for x_a, x_b in inputs]
    job = {"inputs": inputs, "labels": labels, "weight": weight, "losses": named}
    torch.save(job, folder / "job.pt")

    worker = Path(__file__).with_name("rank_worker.py")
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error", worker, str(rank), "2", folder], stderr=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    try:
        errors = [process.communicate(timeout=120)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    files = [folder / f"rank{rank}.pt" for rank in range(2)]
    assert all(file.exists() for file in files), "\n".join(errors)
    ranks = [torch.load(file) for file in files]
    results = {_key(*job): (on_0, on_1) for job, on_0, on_1 in zip(jobs, *ranks, strict=True)}
    return inputs, weight, results


def _key(loss, options):
    return loss.__name__, str(options)


def _scalars(z):
    return [list(row.unbind()) for row in z.unbind()]


def _dot(x, y):
    return sum(a * b for a, b in zip(x, y, strict=True))


def _unit(x):
    return [a / _dot(x, x) ** 0.5 for a in x]


def _exponentials(a, b, temperature, normalize):
    """exp s_kl of all views."""
    views = [_unit(view) for view in a + b] if normalize == "cosine" else a + b
    return [[(_dot(view, other) / temperature).exp() for other in views] for view in views]


def _sign_labels(z_a, z_b):
    """Two classes that do not depend on the order of the views: the signs of the samples' sums."""
    if not (isinstance(z_a, torch.Tensor) and isinstance(z_b, torch.Tensor)) or z_b.is_meta:
        return torch.zeros(4).long()
    samples = zip(z_a.float(), z_b.float(), strict=False)
    return torch.tensor([int(x.sum() + y.sum() > 0) for x, y in samples]).long()


def _lightly_wmse(z_a, z_b, eps=0.0):
    """lightly's W-MSE with the whole batch as its one sub-batch: its permutation is without effect."""
    n, d = z_a.shape
    loss = lightly.loss.WMSELoss(embedding_dim=d, w_size=n, eps=eps, track_running_stats=False)
    return loss(torch.cat([z_a, z_b]))


def _fixed_slices(d, slices):
    """Unit columns, drawn as the losses draw them."""
    drawn = torch.randn(d, slices, generator=torch.Generator().manual_seed(0)).double()
    return drawn / drawn.norm(dim=0)


def _lightly_lejepa(z_a, z_b, weight, slices):
    """lightly's loss of two global views, which its class refuses, from its two parts, in float64."""
    views = torch.stack([z_a, z_b])
    sigreg = lightly.loss.lejepa_loss.SIGReg(num_vectors=slices).double()
    sigreg.phi = torch.exp(-sigreg.t.square() / 2)
    sigreg.weights = torch.tensor([3 / 16, *[6 / 16] * 15, 3 / 16]) * sigreg.phi
    sigreg._generate_unit_vectors = lambda *_: _fixed_slices(z_a.shape[1], slices)
    invariance = lightly.loss.lejepa_loss.lejepa_invariance_loss(all_proj=views, global_proj=views)
    return weight * sigreg(views) + (1 - weight) * invariance


def _lightly_visreg(z_a, z_b, slices, weight, eps=1e-4):
    """lightly's loss of two global views, which its class refuses, from its parts."""
    parts, views = lightly.loss.visreg_loss, torch.stack([z_a, z_b])
    drawn = _fixed_slices(z_a.shape[1], slices)
    with patch.object(torch, "randn", lambda *_, **__: drawn):
        shape = parts.visreg_shape_loss(views, slices, eps)
    regularization = parts.visreg_scale_loss(views) + shape + parts.visreg_center_loss(views)
    prediction = lightly.loss.lejepa_loss.lejepa_invariance_loss(all_proj=views, global_proj=views)
    return (1 - weight) * prediction + weight * regularization


def _cosines(z_a, z_b):
    return torch.nn.functional.normalize(z_a) @ torch.nn.functional.normalize(z_b).T


def _transformers_siglip(z_a, z_b, temperature, bias):
    logits_per_text = _cosines(z_b, z_a) / temperature + bias
    eye = torch.eye(logits_per_text.size(0), dtype=z_a.dtype)
    loglik = torch.nn.functional.logsigmoid((-torch.ones_like(logits_per_text) + 2 * eye) * logits_per_text)
    return -torch.sum(loglik, dim=-1).mean()


def _lightly_coding_rate(z_a, z_b, lambda_param, eps):
    """SimDINO's from the coding rate in lightly's EMP-SSL."""
    n, d = z_a.shape
    views = torch.nn.functional.normalize(torch.stack([z_a, z_b]), dim=-1)
    rate = lightly.loss.emp_ssl_loss.tcr_loss(views, eps)
    return -lambda_param * (views[0] * views[1]).sum(1).mean() - (d + n) / (d * n) * rate


def _cholesky(matrix):
    d = len(matrix)
    factor = [[0.0] * d for _ in range(d)]
    for j in range(d):
        for k in range(j + 1):
            rest = matrix[j][k] - sum(factor[j][m] * factor[k][m] for m in range(k))
            factor[j][k] = rest**0.5 if j == k else rest / factor[k][k]
    return factor


def _forward_substitution(factor, x):
    solution = []
    for j, row in enumerate(factor):
        solution.append((x[j] - sum(row[k] * solution[k] for k in range(j))) / row[j])
    return solution


def _column_means(view):
    return [sum(column) / len(view) for column in zip(*view, strict=True)]


def _variance(view, j, divisor):
    mean = _column_means(view)[j]
    return sum((row[j] - mean) ** 2 for row in view) / divisor

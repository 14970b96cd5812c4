"""Any loss of two views is preconditioned by one line, and what normalises is refused."""

import copy
import dataclasses

import lightly.loss
import pytest
import torch
from torch import nn

from eigenstep import losses
from eigenstep.losses import BarlowTwinsLoss
from eigenstep.methods import METHODS, plugged
from eigenstep.optim import EmbeddingPreconditioner, Preconditioned


def pair(n=16, d=4, dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(n, d, generator=generator, dtype=dtype).requires_grad_() for _ in range(2)]


class Distance(nn.Module):
    """A foreign loss with a parameter, state of its own and random numbers."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.calls = 0

    def forward(self, z_a, z_b):
        self.calls += 1
        return self.weight * (z_a - z_b).square().mean() + 0 * torch.rand(())


def per_dimension(z_a, z_b):
    """Blind to each dimension's scale."""
    u = [(z - z.mean(0)) / z.std(0) for z in (z_a, z_b)]
    return (u[0].T @ u[1] / len(z_a)).square().sum()


def by_the_largest(z_a, z_b):
    """Blind to one scale of all, not to the dimensions' own."""
    size = torch.cat([z_a, z_b]).norm()
    return ((z_a - z_b) / size).square().sum()


@pytest.mark.parametrize(
    "loss",
    [
        BarlowTwinsLoss(1.0, normalize="none"),
        losses.SpectralContrastiveLoss(),
        Distance(),
        lambda z_a, z_b: (z_a * z_b).sum(),
    ],
    ids=["barlow twins", "spectral contrastive", "module", "function"],
)
def test_value_stays_and_the_gradient_is_that_behind_a_preconditioner(loss):
    z_a, z_b = pair()
    center = getattr(loss, "center", True)
    preconditioner = EmbeddingPreconditioner(1, 0.1, center=center)
    value = Preconditioned(copy.deepcopy(loss), power=1, damping=0.1)(z_a, z_b)
    assert torch.equal(value, loss(z_a, z_b))
    expected = torch.autograd.grad(loss(*preconditioner(z_a, z_b)), (z_a, z_b))
    assert all(map(torch.equal, torch.autograd.grad(value, (z_a, z_b)), expected))
    assert not torch.equal(expected[0], torch.autograd.grad(loss(z_a, z_b), z_a)[0])


def test_it_centers_as_the_loss_says_unless_told_otherwise():
    uncentered = BarlowTwinsLoss(1.0, normalize="none", center=False)
    assert Preconditioned(BarlowTwinsLoss(1.0, normalize="none")).preconditioner.center
    assert not Preconditioned(uncentered).preconditioner.center
    assert not Preconditioned(losses.SpectralContrastiveLoss()).preconditioner.center
    assert Preconditioned(uncentered, center=True).preconditioner.center
    assert Preconditioned(Distance()).preconditioner.center
    by_a_vector = Distance()
    by_a_vector.center = torch.zeros(4)  # as DINO's loss has one
    assert Preconditioned(by_a_vector).preconditioner.center is True


REFUSED = {
    "Barlow Twins": losses.BarlowTwinsLoss(),
    "SimCLR by cosine": losses.NTXentLoss(),
    "SimCLR by inner product": losses.NTXentLoss(normalize="none"),
    "VICReg": losses.VICRegLoss(),
    "W-MSE": losses.WMSELoss(),
    "DCL": losses.DCLLoss(),
    "cosine": losses.NegativeCosineSimilarity(),
    "ball": losses.SpectralContrastiveLoss(normalize="ball"),
    "spectral": losses.SpectralLoss(),
    "lightly's VICReg": lightly.loss.VICRegLoss(),
}


@pytest.mark.parametrize("name", REFUSED)
def test_losses_that_say_that_they_normalise_are_refused_when_built(name):
    reason = {
        "SimCLR by inner product": "inner product it fails where it was tried",
        "spectral": "preconditions by itself",
    }.get(name, "VICReg with AdamW: accuracy .447 without, .427 with it")
    with pytest.raises(ValueError, match=rf"is not preconditioned: [^\n]*{reason}[^\n]*check=False insists"):
        Preconditioned(REFUSED[name])
    assert Preconditioned(REFUSED[name], check=False)(*pair()).requires_grad


@pytest.mark.parametrize(
    "loss",
    [
        lightly.loss.BarlowTwinsLoss(),
        lightly.loss.NTXentLoss(),
        lightly.loss.DCLLoss(),
        lightly.loss.NegativeCosineSimilarity(),
        by_the_largest,
        per_dimension,
    ],
    ids=["barlow", "ntxent", "dcl", "cosine", "one scale", "each dimension"],
)
def test_foreign_losses_that_do_not_notice_a_scale_are_refused_at_the_first_call(loss):
    tiny = [(1e-6 * z.detach()).requires_grad_() for z in pair()]  # where eps hides what a loss does
    with pytest.raises(ValueError, match=r"twice as large[^\n]*check=False insists$"):
        Preconditioned(loss)(*tiny)
    assert Preconditioned(loss, check=False)(*pair()).requires_grad


def test_a_contrastive_loss_by_inner_product_of_another_library_cannot_be_told():
    """The documentation says so; NT-Xent of this library, which can, is refused."""

    class DotProduct(nn.Module):
        def forward(self, z_a, z_b):
            return nn.functional.cross_entropy(z_a @ z_b.T, torch.arange(len(z_a)))

    Preconditioned(DotProduct())(*pair()).backward()


def test_the_trial_leaves_the_loss_and_torchs_random_state_alone():
    loss = Preconditioned(Distance())
    torch.manual_seed(3)
    loss(*pair())
    loss(*pair())
    assert loss.loss.calls == 2
    drawn = torch.rand(4)
    torch.manual_seed(3)
    torch.rand(2)
    assert torch.equal(drawn, torch.rand(4))


def test_a_loss_that_cannot_be_tried_is_refused_in_one_line():
    def picky(z_a, z_b):
        raise RuntimeError("expected a queue\nof embeddings")

    with pytest.raises(ValueError, match=r"^picky could not be called .* \(expected a queue\); check=False"):
        Preconditioned(picky)(*pair())
    with pytest.raises(TypeError, match=r"can be called as loss\(z_a, z_b\), got 3"):
        Preconditioned(3)


def test_further_arguments_reach_the_loss():
    loss = Preconditioned(losses.SupConLoss(normalize="none"), check=False)
    z_a, z_b = pair()
    labels = torch.arange(16) % 3
    assert torch.equal(loss(z_a, z_b, labels), losses.SupConLoss(normalize="none")(z_a, z_b, labels))


def test_terms_and_gathering_are_the_losss_own():
    loss = BarlowTwinsLoss(1.0, True, normalize="none")
    z_a, z_b = pair()
    assert Preconditioned(loss).terms(z_a, z_b) == loss.terms(z_a, z_b)
    assert Preconditioned(loss).gather_distributed
    assert not Preconditioned(Distance()).gather_distributed
    assert not hasattr(Preconditioned(Distance()), "terms")


def test_its_state_carries_the_losss_own_and_the_covariance():
    loss, other = Preconditioned(Distance()), Preconditioned(Distance())
    loss(*pair())
    other.load_state_dict(loss.state_dict())
    assert torch.equal(other.preconditioner.transform, loss.preconditioner.transform)
    assert {"loss.weight", "preconditioner.moment"} <= loss.state_dict().keys()


def test_a_plugged_loss_is_centred_as_it_says():
    for loss, center in (
        (BarlowTwinsLoss(1.0, normalize="none"), True),
        (BarlowTwinsLoss(1.0, normalize="none", center=False), False),
        (losses.SpectralContrastiveLoss(), False),
        (Distance(), True),
    ):
        method = plugged(loss)
        assert method.is_centered(method.options()) is center


def test_methods_say_what_their_losses_say():
    taken = {
        name for name, method in METHODS.items() if method.refuses_preconditioning(method.options()) is None
    }
    assert taken == {"barlow_twins", "spectral_contrastive"}
    for name, normalize in (
        ("barlow_twins", "batch"),
        ("spectral_contrastive", "ball"),
    ):
        method = METHODS[name]
        options = dataclasses.replace(method.options(), normalize=normalize)
        assert method.refuses_preconditioning(options)
    simclr = METHODS["simclr"]
    assert "fails" in simclr.refuses_preconditioning(simclr.options())

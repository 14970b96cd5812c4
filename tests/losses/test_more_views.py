"""Losses of more than two views, beside lightly's and plain sums over pairs."""

from unittest.mock import patch

import lightly.loss
import lightly.loss.lejepa_loss
import lightly.loss.visreg_loss
import pytest
import torch

from eigenstep import losses

LOCAL, GLOBAL, N, D = 3, 2, 9, 4
TOGETHER = {losses.LeJEPALoss, losses.VISRegLoss, losses.MMCRLoss}
BY_PAIRS = {
    *(losses.BarlowTwinsLoss, losses.NTXentLoss, losses.VICRegLoss, losses.SpectralContrastiveLoss),
    *(losses.SpectralLoss, losses.WMSELoss, losses.DCLLoss, losses.FroSSLLoss, losses.CodingRateLoss),
    losses.NegativeCosineSimilarity,
}
REFUSED = {
    *(losses.CorInfoMaxLoss, losses.SupConLoss, losses.NSCLLoss, losses.CLIPLoss, losses.SigLIPLoss),
}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def views_of(count=GLOBAL + LOCAL):
    common, *noise = torch.randn(count + 1, N, D, generator=seeded(), dtype=torch.float64)
    return [(common + 0.5 * each + 0.2).requires_grad_() for each in noise]


def slices_of(count):
    drawn = torch.randn(D, count, generator=seeded()).double()
    return drawn / drawn.norm(dim=0)


def lightly_lejepa(views, n_global):
    loss = lightly.loss.lejepa_loss.LeJEPALoss(lambda_param=0.3, sigreg_num_vectors=16)
    loss.sigreg.double()
    loss.sigreg.phi = torch.exp(-loss.sigreg.t.square() / 2)
    loss.sigreg.weights = torch.tensor([3 / 16, *[6 / 16] * 15, 3 / 16]) * loss.sigreg.phi
    loss.sigreg._generate_unit_vectors = lambda *_: slices_of(16)
    return loss(local_proj=torch.stack(views[n_global:]), global_proj=torch.stack(views[:n_global]))


def lightly_visreg(views, n_global):
    loss, drawn = lightly.loss.visreg_loss.VISRegLoss(lambda_param=0.3, num_slices=16), slices_of(16)
    with patch.object(torch, "randn", lambda *_, **__: drawn):
        return loss(local_proj=torch.stack(views[n_global:]), global_proj=torch.stack(views[:n_global]))


def lightly_mmcr(views, n_global):
    """Its two halves are of one meaning, and of one size."""
    together = torch.stack(views, 1)
    return lightly.loss.MMCRLoss(0.5)(together[:, ::2], together[:, 1::2])


@pytest.mark.parametrize(
    ("loss", "peer", "tolerance"),
    [
        (losses.LeJEPALoss(0.3, 16), lightly_lejepa, 1e-12),
        (losses.VISRegLoss(0.3, 16), lightly_visreg, 1e-6),  # its quantiles are of float32
        (losses.MMCRLoss(0.5, normalize="none"), lightly_mmcr, 1e-12),
    ],
    ids=["lejepa", "visreg", "mmcr"],
)
@pytest.mark.parametrize("n_global", [2, 3])
def test_losses_of_any_number_of_views_equal_lightlys_in_value_and_gradient(loss, peer, tolerance, n_global):
    views = views_of(6)
    drawn = [seeded()] if isinstance(loss, losses.SlicedLoss) else []
    value, terms = loss.of_views(views, n_global, *drawn)
    expected = peer(views, n_global)
    total = sum(loss.weights[name] * term for name, term in terms.items())
    torch.testing.assert_close(value, expected, rtol=tolerance, atol=0)
    torch.testing.assert_close(total, expected, rtol=tolerance, atol=0)
    for one, other in zip(
        torch.autograd.grad(value, views), torch.autograd.grad(expected, views), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=0, atol=tolerance * float(other.abs().max()))


@pytest.mark.parametrize("kind", sorted(BY_PAIRS, key=str), ids=lambda kind: kind.__name__)
def test_other_losses_are_the_mean_over_ordered_pairs_of_a_global_view_and_any_other(kind):
    loss, views = kind(), views_of()
    value, terms = loss.of_views(views, GLOBAL)
    pairs = [(i, j) for i in range(GLOBAL) for j in range(GLOBAL + LOCAL) if i != j]
    assert len(pairs) == GLOBAL * (GLOBAL + LOCAL - 1)
    expected = sum(loss(views[i], views[j]) for i, j in pairs) / len(pairs)
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-12)
    for name, term in terms.items():
        mean = sum(loss.terms(views[i], views[j])[name] for i, j in pairs) / len(pairs)
        torch.testing.assert_close(term, mean, rtol=1e-12, atol=1e-12)
        assert not term.requires_grad
    for one, other in zip(
        torch.autograd.grad(value, views), torch.autograd.grad(expected, views), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", sorted(BY_PAIRS | TOGETHER, key=str), ids=lambda kind: kind.__name__)
def test_two_views_are_the_call_to_the_bit(kind):
    loss, (z_a, z_b) = kind(), views_of(2)
    drawn = isinstance(loss, losses.SlicedLoss)
    value, _ = loss.of_views([z_a, z_b], 2, *([seeded()] if drawn else []))
    assert torch.equal(value, loss(z_a, z_b, *([seeded()] if drawn else [])))


def test_every_loss_says_what_it_makes_of_more_views():
    kinds = {value for value in vars(losses).values() if isinstance(value, type)}
    concrete = {
        kind for kind in kinds if issubclass(kind, losses.TwoViewLoss) and not kind.__abstractmethods__
    }
    expected = {"by_pairs": BY_PAIRS, "together": TOGETHER, "refused": REFUSED}
    assert concrete == BY_PAIRS | TOGETHER | REFUSED
    for how, kinds in expected.items():
        assert {kind.more_views for kind in kinds} == {how}


def test_what_cannot_be_is_refused_in_one_line():
    views = views_of()
    with pytest.raises(ValueError, match="CorInfoMaxLoss takes two views, got 5"):
        losses.CorInfoMaxLoss(D).of_views(views)
    for loss in (losses.MMCRLoss(), losses.LeJEPALoss(), losses.VICRegLoss()):
        for n_global in (1, 6):
            with pytest.raises(ValueError, match=f"n_global: .* that of all views, 5, got {n_global}"):
                loss.of_views(views, n_global)
        with pytest.raises(ValueError, match="must have the same shape"):
            loss.of_views([*views[:-1], views[-1][:, :2]])

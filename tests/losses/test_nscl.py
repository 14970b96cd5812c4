import pytest
import torch

from eigenstep.losses import DCLLoss, NSCLLoss


@pytest.mark.parametrize("normalize", ["cosine", "none"])
def test_if_all_labels_differ_it_is_dcl(linear_model, normalize):
    z_a, z_b = (x.requires_grad_() for x in (linear_model.x_a, linear_model.x_b))
    labels = torch.randperm(len(z_a), generator=torch.Generator().manual_seed(0))
    value = NSCLLoss(0.3, normalize=normalize)(z_a, z_b, labels)
    expected = DCLLoss(0.3, normalize=normalize)(z_a, z_b)
    torch.testing.assert_close(value, expected, rtol=1e-13, atol=0)
    gradients = torch.autograd.grad(value, (z_a, z_b))
    torch.testing.assert_close(gradients, torch.autograd.grad(expected, (z_a, z_b)), rtol=1e-10, atol=1e-14)


def test_other_images_of_the_class_neither_draw_nor_repel():
    """An image of one's class may lie anywhere: of it alone nothing changes for the others' rows."""
    z_a, z_b = torch.randn(2, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 0, 0, 1, 2, 2])
    z_a.requires_grad_()
    loss = NSCLLoss(normalize="none", temperature=1.0)

    def of_class_0_and_one(rows):
        return loss(z_a[rows], z_b[rows], labels[rows]) * 2 * len(rows)

    # Rows of class 1 see views of class 0 one by one, so two classes' sums differ by log-sum-exp alone.
    alone, both = of_class_0_and_one([0, 3]), of_class_0_and_one([0, 1, 3])
    views, other = torch.cat([z_a[[0, 1]], z_b[[0, 1]]]), torch.cat([z_a[[3]], z_b[[3]]])
    of_3 = (other @ views.T).logsumexp(1).sum() - (other @ views[[0, 2]].T).logsumexp(1).sum()
    of_1 = 2 * -(z_a[1] @ z_b[1]) + (views[[1, 3]] @ other.T).logsumexp(1).sum()
    torch.testing.assert_close(both - alone, of_3 + of_1, rtol=1e-12, atol=1e-12)


def test_a_batch_of_one_class_has_the_alignment_alone_and_a_gradient():
    z_a, z_b = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    z_a.requires_grad_()
    loss, terms = NSCLLoss(0.5).loss_and_terms(z_a, z_b, torch.full((5,), 7))
    assert terms["uniformity"] == 0
    cosine = torch.nn.functional.cosine_similarity(z_a, z_b)
    torch.testing.assert_close(loss, -cosine.mean() / 0.5)
    assert torch.autograd.grad(loss, z_a)[0].isfinite().all()

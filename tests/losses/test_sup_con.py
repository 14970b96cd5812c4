import numpy as np
import pytest
import torch

from eigenstep.losses import NTXentLoss, SupConLoss


@pytest.mark.parametrize("normalize", ["cosine", "none"])
def test_if_all_labels_differ_it_is_nt_xent(linear_model, normalize):
    z_a, z_b = (x.requires_grad_() for x in (linear_model.x_a, linear_model.x_b))
    labels = torch.randperm(len(z_a), generator=torch.Generator().manual_seed(0))
    value = SupConLoss(0.3, normalize=normalize)(z_a, z_b, labels)
    expected = NTXentLoss(0.3, normalize=normalize)(z_a, z_b)
    torch.testing.assert_close(value, expected, rtol=1e-13, atol=0)
    gradients = torch.autograd.grad(value, (z_a, z_b))
    torch.testing.assert_close(gradients, torch.autograd.grad(expected, (z_a, z_b)), rtol=1e-10, atol=1e-14)


def test_small_embeddings_follow_the_cross_correlation_of_classes(linear_model, relative_error):
    temperature, views = 0.5, linear_model.views
    labels, count = torch.arange(40) % 7 // 3, len(views)
    loss = SupConLoss(temperature, normalize="none")
    weight, gradient = linear_model.gradient(lambda z_a, z_b: loss(z_a, z_b, labels), 1e-6)

    gamma = torch.zeros(12, 12, dtype=torch.float64)
    for label in range(3):
        of_class = views[labels.repeat(2) == label]
        total = of_class.sum(0)
        gamma += (torch.outer(total, total) - of_class.T @ of_class) / (len(of_class) - 1) / count
    centre = count / (count - 1) * torch.outer(linear_model.mean, linear_model.mean)
    operator = gamma - centre + views.T @ views / count / (count - 1)
    assert relative_error(gradient, -2 / temperature * weight @ operator) < 1e-8


def test_the_names_of_the_classes_do_not_matter():
    z_a, z_b = torch.rand(2, 6, 3)
    labels = torch.tensor([0, 1, 1, 2, 0, 2])
    expected = SupConLoss()(z_a, z_b, labels)
    for names in (torch.tensor([-7, 2**40, 300]), torch.tensor([5, 0, 255], dtype=torch.uint8)):
        assert torch.equal(SupConLoss()(z_a, z_b, names[labels]), expected)


def test_huge_similarities_do_not_overflow():
    z, labels = 1e3 * torch.eye(8, requires_grad=True), torch.arange(8) // 2
    loss = SupConLoss(temperature=1e-3, normalize="none")
    value = loss(z, z, labels)
    (gradient,) = torch.autograd.grad(value, z)
    assert value.item() == pytest.approx(2 / 3 * 1e9)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("labels", [np.arange(4), [0, 1, 2, 3], None], ids=["array", "list", "nothing"])
def test_labels_that_are_no_tensor_are_named_by_their_type(labels):
    name = {"ndarray": "numpy.ndarray"}.get(type(labels).__name__, type(labels).__name__)
    for call in (SupConLoss(), SupConLoss().terms, SupConLoss().loss_and_terms):
        with pytest.raises(TypeError, match=f"expected tensors, got {name} as labels; .* torch.as_tensor"):
            call(torch.rand(4, 3), torch.rand(4, 3), labels)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.arange(5), r"shape \(batch,\), one for each row of z_a, got \(5,\) for z_a of shape \(4, 3\)"),
        (torch.eye(4).long(), r"one for each row of z_a, got \(4, 4\)"),
        (torch.rand(4), "labels must be integers, got torch.float32"),
    ],
    ids=["batch", "2-D", "float"],
)
def test_bad_labels_are_refused_in_one_line(labels, message):
    for call in (SupConLoss(), SupConLoss().terms):
        with pytest.raises(ValueError, match=message) as error:
            call(torch.rand(4, 3), torch.rand(4, 3), labels)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"normalize": "batch"}, "normalize expects 'cosine' or 'none', got 'batch'"),
        ({"temperature": -0.5}, "temperature expects a positive number, got -0.5"),
    ],
    ids=["normalize", "temperature"],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SupConLoss(**options)

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import rbf_kernel

from eigenstep import ContrastiveKernelPCA
from eigenstep.encoders import PatchFeatures, RandomConvFeatures, convnet
from eigenstep.methods import Embeddings, build_objective
from eigenstep.prediction import (
    NTKConfig,
    PredictConfig,
    draw_pairs,
    embed_views,
    kernel_values,
    network_at,
    predict,
    some_images,
    training_config,
)
from eigenstep.training import ImagesConfig, ProjectorConfig, load_config, resolve


def test_kernels_of_pixels_are_scikit_learns():
    first, second = torch.randn(4, 3, 5, 5), torch.randn(6, 3, 5, 5)
    rows = [images.flatten(1).double().numpy() for images in (first, second)]
    linear = kernel_values(PredictConfig(kernel="linear"), None, [])
    np.testing.assert_allclose(linear(first, second), rows[0] @ rows[1].T)
    for gamma in (None, 0.01):
        of_pixels = kernel_values(PredictConfig(kernel="rbf", rbf_gamma=gamma), None, [])
        np.testing.assert_allclose(of_pixels(first, second), rbf_kernel(*rows, gamma=gamma))
        assert (of_pixels(first, None) == of_pixels(first, None).T).all()


@pytest.fixture
def network(trained):
    config, views = load_config(trained / "config.yaml"), torch.randn(24, 3, 8, 8)
    return config, views, network_at(config, trained, "init", views)


@pytest.mark.slow
def test_a_step_of_the_network_moves_its_embeddings_by_the_tangent_kernel_times_the_gradient(network):
    config, views, encoder = network
    values = kernel_values(PredictConfig(kernel="ntk"), encoder, [])
    kernel, others = values(views, None), torch.randn(5, 3, 8, 8)
    start, start_of_others = embed_views(encoder, views), embed_views(encoder, others)
    embeddings = start.clone().requires_grad_()
    build_objective(config)(Embeddings(*embeddings.chunk(2)))[0].backward()
    loss, _ = build_objective(config)(Embeddings(*encoder(views)[1].chunk(2)))
    optimizer = torch.optim.SGD(encoder.parameters(), lr=1e-3)
    loss.backward()
    optimizer.step()
    gradient = embeddings.grad.numpy()
    # Not wholly: the kernel is the mean over outputs, which at a small start differ by little.
    for rows, before, block in (
        (views, start, kernel),
        (others, start_of_others, kernel_values(PredictConfig(kernel="ntk"), encoder, [])(others, views)),
    ):
        moved = (embed_views(encoder, rows) - before).numpy()
        expected = -1e-3 * block @ gradient
        assert np.linalg.norm(moved - expected) < 0.01 * np.linalg.norm(expected)


@pytest.mark.slow
def test_one_output_alone_and_float64_are_at_hand(network):
    _, views, encoder = network
    wanted = {
        "mean": NTKConfig(dtype="float64"),
        "one": NTKConfig(outputs="1", dtype="float64"),
        "plain": NTKConfig(chunk_size=4),
    }
    kernels = {
        name: kernel_values(PredictConfig(kernel="ntk", ntk=ntk), encoder, [])(views, None)
        for name, ntk in wanted.items()
    }
    np.testing.assert_allclose(kernels["plain"], kernels["mean"], rtol=1e-4)
    assert not np.allclose(kernels["one"], kernels["mean"], rtol=1e-6)


def test_a_network_in_training_mode_has_no_tangent_kernel(network):
    _, views, encoder = network
    with pytest.raises(ValueError, match="expected a model in evaluation mode"):
        kernel_values(PredictConfig(kernel="ntk"), encoder.train(), [])(views, None)


@pytest.mark.slow
@pytest.mark.parametrize(("free", "fits"), [(365_714, False), (365_715, True)])
def test_a_kernel_and_what_is_done_with_it_take_at_most_seven_tenths_of_the_memory(
    tmp_path, monkeypatch, free, fits
):
    """Five matrices of 80 views: 256,000 bytes."""
    monkeypatch.setattr("eigenstep.prediction._kernel_values.available_memory", lambda: free)
    images, projector = ImagesConfig(size=8, patches=40), ProjectorConfig(dim=2)
    config = PredictConfig(kernel="linear", pairs=40, probe=4, images=images, projector=projector)
    if fits:
        predict(config, tmp_path / "out")
        return
    with pytest.raises(ValueError, match=r"kernel of 80 views .*; set a smaller --pairs"):
        predict(config, tmp_path / "out")


def predicted(tmp_path, **options):
    config = PredictConfig(
        pairs=30, probe=12, images=ImagesConfig(size=16), projector=ProjectorConfig(dim=3), **options
    )
    record = predict(config, tmp_path / options["kernel"])
    return config, record, record.prediction["gamma"]


@pytest.mark.parametrize("kernel", ["features", "random_conv", "patches"])
def test_kernels_of_features_are_linear_in_them(kernel, tmp_path):
    config, record, gamma = predicted(tmp_path, kernel=kernel, seed=3)
    training = resolve(training_config(config))
    views = torch.cat(draw_pairs(some_images(training, 30), training, 30))
    if kernel == "features":
        features = network_at(training, None, "init", views).backbone(views).detach().double().numpy()
    else:
        kinds = {"random_conv": RandomConvFeatures, "patches": PatchFeatures}
        features = kinds[kernel](random_state=3).fit_transform(views).astype(float)
    pairs = np.split(features, 2)
    centred = record.prediction["centred"]
    model = ContrastiveKernelPCA(3, kernel="linear", y_is="view", center=centred).fit(*pairs)
    np.testing.assert_allclose(gamma, model.eigenvalues_, rtol=1e-4)
    assert record.config["kernel"] == kernel
    assert ("backbone" in record.config) == (kernel == "features")


@pytest.mark.slow
def test_a_backbone_with_weights_keeps_the_statistics_that_they_have(tmp_path):
    backbone = convnet()
    for module in backbone.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_var.fill_(4.0)
    path = tmp_path / "weights.pth"
    torch.save(backbone.state_dict(), path)
    config, record, gamma = predicted(tmp_path, kernel="features", backbone_weights=str(path))
    training = resolve(training_config(config))
    views = torch.cat(draw_pairs(some_images(training, 30), training, 30))
    features = backbone.eval()(views).detach().double().numpy()
    centred = record.prediction["centred"]
    model = ContrastiveKernelPCA(3, kernel="linear", y_is="view", center=centred)
    model.fit(*np.split(features, 2))
    np.testing.assert_allclose(gamma, model.eigenvalues_, rtol=1e-4)

"""Methods that give views back from embeddings, and what the encoder sees of them."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from eigenstep.methods import METHODS, Embeddings, MAEConfig, build_objective
from eigenstep.training import ImagesConfig, ProjectorConfig, RecordConfig, TrainConfig, train
from eigenstep.views import ViewsConfig

RECONSTRUCTIONS = ("autoencoder", "cross_view_autoencoder", "mae")


def objective(name, shape=(3, 8, 8), dim=4, **options):
    torch.manual_seed(0)
    method = METHODS[name]
    built = method.build(method.options(**options), dim, 1).double()
    built.begin(shape)
    return built.double()


def batch(shape=(3, 8, 8), n=6, dim=4, draws=0):
    generator = torch.Generator().manual_seed(1)
    z_a, z_b = torch.randn(2, n, dim, dtype=torch.float64, generator=generator)
    views = torch.randn(2, n, *shape, dtype=torch.float64, generator=generator)
    drawn = torch.rand(2, n, draws, generator=generator) if draws else (None, None)
    return Embeddings(z_a, z_b, view_a=views[0], view_b=views[1], drawn_a=drawn[0], drawn_b=drawn[1])


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 5, 7), (2, 33, 33), (4, 3, 3), (2, 24), (7,), (1, 4, 5, 6)])
@pytest.mark.parametrize("decoder", ["deep", "linear"])
def test_what_is_given_back_has_the_shape_of_a_view(shape, decoder):
    given = objective("autoencoder", shape, decoder=decoder).decoder(torch.zeros(2, 4, dtype=torch.float64))
    assert given.shape == (2, *shape)


def test_the_loss_is_the_mean_of_squared_differences():
    found = {name: objective(name)(batch())[0].item() for name in ("autoencoder", "cross_view_autoencoder")}
    decoder, given = objective("autoencoder").decoder, batch()
    pairs = {
        "autoencoder": [(given.z_a, given.view_a), (given.z_b, given.view_b)],
        "cross_view_autoencoder": [(given.z_a, given.view_b), (given.z_b, given.view_a)],
    }
    for name, sides in pairs.items():
        rows = [(z, x) for zs, xs in sides for z, x in zip(zs, xs, strict=True)]
        squares = [(decoder(z[None])[0] - x).square().sum().item() for z, x in rows]
        assert found[name] == pytest.approx(sum(squares) / (12 * 3 * 8 * 8), rel=1e-12)


def correlated_views(n=60, m=6):
    rng = np.random.default_rng(0)
    common = rng.normal(size=(n, m)) * [3, 2, 1.5, 1, 0.5, 0.2]
    return [common + 0.5 * rng.normal(size=(n, m)) + 0.3 for _ in range(2)]


def trained_linearly(name, dim):
    """The loss of a linear encoder and a linear decoder at the end of training on two fixed views."""
    x_a, x_b = (torch.tensor(x) for x in correlated_views())
    subject = objective(name, (6,), dim, decoder="linear")
    encoder = nn.Linear(6, dim).double()
    optimizer = torch.optim.LBFGS(
        [*encoder.parameters(), *subject.parameters()],
        max_iter=2000,
        tolerance_grad=1e-10,
        history_size=50,
        tolerance_change=1e-14,
        line_search_fn="strong_wolfe",
    )

    def closure():
        optimizer.zero_grad()
        loss, _ = subject(Embeddings(encoder(x_a), encoder(x_b), view_a=x_a, view_b=x_b))
        loss.backward()
        return loss

    optimizer.step(closure)
    return float(closure().detach())


@pytest.mark.parametrize("dim", [1, 2, 4])
def test_a_linear_autoencoder_ends_at_the_residual_of_pca(dim):
    rows = np.concatenate(correlated_views())
    variances = np.linalg.svd(rows - rows.mean(0), compute_uv=False) ** 2 / rows.size
    assert trained_linearly("autoencoder", dim) == pytest.approx(variances[dim:].sum(), rel=1e-6)


@pytest.mark.parametrize("dim", [1, 2, 4])
def test_a_linear_cross_view_autoencoder_ends_at_reduced_rank_regression(dim):
    """Least squares of the other view, of which the leading directions of what is predicted are kept."""
    x_a, x_b = correlated_views()
    inputs, targets = np.concatenate([x_a, x_b]), np.concatenate([x_b, x_a])
    inputs, targets = inputs - inputs.mean(0), targets - targets.mean(0)
    predicted = inputs @ np.linalg.lstsq(inputs, targets, rcond=None)[0]
    lost = np.linalg.svd(predicted, compute_uv=False)[dim:]
    expected = (((targets - predicted) ** 2).sum() + (lost**2).sum()) / targets.size
    assert trained_linearly("cross_view_autoencoder", dim) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("shape", "patch", "ratio", "patches", "count"),
    [
        ((3, 8, 8), 4, 0.75, 4, 3),
        ((1, 8, 8), 2, 0.6, 16, 10),
        ((2, 7, 9), 4, 0.5, 6, 3),
        ((2, 24), 5, 0.9, 5, 4),
        ((10,), 3, 0.01, 4, 1),
    ],
)
def test_so_many_whole_patches_are_hidden_and_their_pixels_have_no_part(shape, patch, ratio, patches, count):
    subject = objective("mae", shape, patch=patch, ratio=ratio)
    assert subject.draws == patches
    given = batch(shape, draws=patches)
    hidden = subject.hidden(given.drawn_a).expand_as(given.view_a)
    axes = shape[1:] or shape
    for row, drawn in zip(hidden.numpy(), given.drawn_a.numpy(), strict=True):
        smallest = set(np.argsort(drawn)[:count])
        plane = row[0] if len(shape) > 1 else row
        for place in np.ndindex(axes):
            number = 0
            for step, side in zip(place, axes, strict=True):
                number = number * math.ceil(side / patch) + step // patch
            assert plane[place] == (number in smallest)
    seen = subject.alter(given.view_a, given.drawn_a)
    other = given.view_a + hidden * torch.randn(given.view_a.shape, dtype=torch.float64)
    assert torch.equal(subject.alter(other, given.drawn_a), seen)
    assert torch.equal(seen[~hidden], given.view_a[~hidden])


def test_hidden_pixels_are_the_mean_of_those_that_are_seen_and_the_loss_is_of_hidden_ones_alone():
    subject = objective("mae", (2, 4, 6), patch=2, ratio=0.5)
    given = batch((2, 4, 6), draws=6)
    seen = subject.alter(given.view_b, given.drawn_b)
    total = 0.0
    for z, view, drawn in [
        (given.z_a, given.view_a, given.drawn_a),
        (given.z_b, given.view_b, given.drawn_b),
    ]:
        for i in range(6):
            mask = subject.hidden(drawn)[i].expand(2, 4, 6)
            total += (subject.decoder(z)[i] - view[i])[mask].square().mean().item()
    assert subject(given)[0].item() == pytest.approx(total / 12, rel=1e-12)
    for i, channel in np.ndindex(6, 2):
        mask = subject.hidden(given.drawn_b)[i, 0]
        mean = given.view_b[i, channel][~mask].mean()
        torch.testing.assert_close(seen[i, channel][mask], mean.expand(int(mask.sum())))


def test_every_patch_is_hidden_as_often():
    subject = objective("mae", (3, 8, 8), ratio=0.25, patch=4)
    shares = subject.hidden(torch.rand(4000, 4, generator=torch.Generator().manual_seed(0))).double().mean(0)
    torch.testing.assert_close(shares, torch.full_like(shares, 0.25), atol=0.03, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["convnet", "test_vit"])
@pytest.mark.parametrize("loss", [*RECONSTRUCTIONS, "rotation"])
def test_thirty_steps_on_photographs_lower_the_loss(tmp_path, loss, backbone):
    """On one batch of patches as they are, so that no other batch's brightness tells."""
    config = TrainConfig(
        loss=loss,
        backbone=backbone,
        steps=30,
        batch_size=16,
        threads=1,
        images=ImagesConfig(size=32, patches=16),
        views=ViewsConfig(
            crop_scale=(1.0, 1.0),
            crop_ratio=(1.0, 1.0),
            flip_probability=0.0,
            jitter_probability=0.0,
            grayscale_probability=0.0,
        ),
        record=RecordConfig(every=1),
    )
    losses = train(config, tmp_path / "run").metrics["loss"]
    assert losses[-5:].mean() < losses[:5].mean()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mae", {"ratio": 1.0}, r"mae.ratio: expected a number in \(0, 1\), got 1.0"),
        ("mae", {"ratio": 0.0}, r"mae.ratio: expected a number in \(0, 1\), got 0.0"),
        ("mae", {"patch": 0}, "mae.patch is too small: expected at least 1, got 0"),
        ("mae", {"patch": 8}, r"mae.patch: expected less than the sides of a view, \(3, 8, 8\), got 8"),
        ("autoencoder", {"decoder": "flat"}, "decoder: expected deep or linear, got flat"),
    ],
)
def test_what_cannot_be_given_back_is_refused_in_one_line(name, options, message):
    with pytest.raises(ValueError, match=message) as error:
        objective(name, **options)
    assert "\n" not in str(error.value)


def test_views_of_integers_are_refused():
    subject = objective("autoencoder", (5,))
    views = torch.zeros(2, 3, 5, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"views of real numbers, got torch\.int64"):
        subject(Embeddings(*torch.zeros(2, 3, 4, dtype=torch.float64), view_a=views[0], view_b=views[1]))


def test_the_configurations_images_say_what_a_decoder_is_for():
    config = TrainConfig(
        loss="mae",
        mae=MAEConfig(patch=5),
        images=ImagesConfig(size=20, channels=2),
        projector=ProjectorConfig(dim=4),
    )
    built = build_objective(config)
    assert built.decoder(torch.zeros(1, 4)).shape == (1, 2, 20, 20)
    assert built.draws == 16

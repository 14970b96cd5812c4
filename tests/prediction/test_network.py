import copy

import numpy as np
import pytest
import torch

from eigenstep.encoders import initial_encoder
from eigenstep.images import open_images
from eigenstep.prediction import PredictConfig, draw_pairs, embed_views, network_at, predict
from eigenstep.record import read_record
from eigenstep.spectrum import cross_correlation_eigenvalues
from eigenstep.training import ImagesConfig, ProjectorConfig, TrainConfig, derived_seed, load_config
from eigenstep.views import TwoViews


def test_statistics_at_init_make_evaluation_what_training_sees_in_these_views():
    config = TrainConfig(images=ImagesConfig(size=32), projector=ProjectorConfig(dim=3))
    views = torch.randn(100, 3, 32, 32) + 1
    encoder = network_at(config, None, "init", views)
    assert not any(module.training for module in encoder.modules())
    twin = copy.deepcopy(encoder).train()
    # Running variances are unbiased, those of a batch are not.
    gap = (encoder(views)[1] - twin(views)[1]).abs().max()
    assert gap < 5e-3 * twin(views)[1].std()
    before = dict(initial_encoder(config).named_parameters())
    assert all(torch.equal(value, before[name]) for name, value in encoder.named_parameters())
    assert encoder.backbone[1].momentum == 0.1


def test_at_init_it_is_the_network_that_the_run_started_from(trained):
    """The spectrum of the run's first batch, before any step, is what this network gives."""
    config = load_config(trained / "config.yaml")
    images = open_images(
        config.data, config.images, seed=config.seed, batch_size=config.batch_size, device=torch.device("cpu")
    )
    generator = torch.Generator().manual_seed(derived_seed(config.seed, 1, 0))
    views = torch.cat(TwoViews(config.views, 8)(next(images.batches(0)).images, generator))
    encoder = network_at(config, trained, "init", views).train()
    z_a, z_b = encoder(views)[1].chunk(2)
    measured = read_record(trained).eigenvalues["cross_correlation"][0]
    np.testing.assert_allclose(cross_correlation_eigenvalues(z_a, z_b, center=True), measured, rtol=1e-3)


def test_at_final_it_is_the_last_checkpoint(trained):
    config = load_config(trained / "config.yaml")
    views = torch.randn(4, 3, 8, 8)
    final, sixth = (network_at(config, trained, at, views) for at in ("final", "6"))
    assert torch.equal(embed_views(final, views), embed_views(sixth, views))
    start = network_at(config, None, "init", views)
    assert not torch.equal(embed_views(final, views), embed_views(start, views))


def test_moments_that_are_not_there_and_training_mode_are_refused(trained):
    config, views = load_config(trained / "config.yaml"), torch.randn(4, 3, 8, 8)
    with pytest.raises(ValueError, match=r"ntk\.at final is a moment of a run: expected --run RUN"):
        network_at(config, None, "final", views)
    with pytest.raises(ValueError, match="has no checkpoint '3'; it has last, 6"):
        network_at(config, trained, "3", views)
    with pytest.raises(ValueError, match="expected the network in evaluation mode"):
        embed_views(network_at(config, trained, "init", views).train(), views)


@pytest.mark.slow
@pytest.mark.parametrize(("backbone", "noted"), [("convnet", True), ("test_vit", False)])
def test_batch_normalisation_is_noticed(tmp_path, backbone, noted):
    config = PredictConfig(
        kernel="ntk",
        backbone=backbone,
        pairs=4,
        probe=3,
        steps=5,
        threads=1,
        images=ImagesConfig(size=32, patches=8),
        projector=ProjectorConfig(hidden=(), dim=2),
    )
    notes = predict(config, tmp_path / "out").prediction["notes"]
    assert any("batch normalisation is taken in evaluation mode" in note for note in notes) == noted


def test_pairs_are_drawn_from_a_stream_of_the_seed_that_training_leaves_alone():
    config, images = TrainConfig(seed=3, images=ImagesConfig(size=8)), torch.randint(256, (5, 3, 8, 8)).byte()
    generator = torch.Generator().manual_seed(derived_seed(3, 4))
    expected = TwoViews(config.views, 8)(images[[0, 1, 2, 3, 4, 0, 1]], generator)
    for view, of_view in zip(draw_pairs(images, config, 7), expected, strict=True):
        assert torch.equal(view, of_view)

"""The modes of a set by invariance."""

import numpy as np
import pytest
import torch

from eigenstep.encoders.features import RandomConvFeatures
from eigenstep.kernel import ContrastiveKernelPCA
from eigenstep.modes.augmentations import set_modes
from eigenstep.views import TwoViews, ViewsConfig


def test_modes_are_those_of_the_estimator(hues):
    """The reference: the same features as rows of a linear kernel, which knows of no sums of features."""
    images = hues[0]
    features = RandomConvFeatures((8, 8)).fit(images)
    found = set_modes(ViewsConfig(), images, features, components=6, n_principal=24, n_views=2, seed=5)
    two, generator = TwoViews(ViewsConfig(normalize="none"), 16), torch.Generator().manual_seed(5)
    a, b = (features.transform(two.apply(images, two.sample(images, generator))) for _ in range(2))
    model = ContrastiveKernelPCA(
        6, kernel="linear", center=True, order="invariance", n_principal=24, y_is="view"
    ).fit(a, b)
    np.testing.assert_allclose(found.rho, model.rho_, atol=1e-4)
    values = np.asarray(model.transform(features.transform(images)))
    correlations = [abs(np.corrcoef(found.values[:, k], values[:, k])[0, 1]) for k in range(6)]
    assert min(correlations) > 0.999


def test_views_of_noise_alone_have_nothing_in_common():
    """Of features that forget the image, rho is large where modes are made of them, and none held out."""

    class Noise:
        def __init__(self):
            self.rng = np.random.default_rng(0)

        def transform(self, images):
            return self.rng.normal(size=(len(images), 20)).astype(np.float32)

    found = set_modes(ViewsConfig(), torch.zeros(300, 3, 8, 8, dtype=torch.uint8), Noise(), n_principal=20)
    assert found.rho[0] > 0.15
    assert not found.in_common
    # What chance gives, by many repetitions: of modes that are fixed, over 60 images and 3 pairs of views.
    rng = np.random.default_rng(1)
    views = rng.normal(size=(2000, 3, 60))
    by_chance = [np.mean([a @ b for a, b in ((x, y), (x, z), (y, z))]) / np.mean(x @ x) for x, y, z in views]
    assert found.error == pytest.approx(np.std(by_chance), rel=0.1)


def test_fewer_images_than_principal_directions_are_refused(hues):
    features = RandomConvFeatures((4,)).fit(hues[0])
    with pytest.raises(ValueError, match="more images than principal directions, got 160 images for 256"):
        set_modes(ViewsConfig(), hues[0], features)


def test_features_that_are_not_finite_are_refused(hues):
    class Broken:
        def transform(self, images):
            return np.full((len(images), 3), np.nan, dtype=np.float32)

    with pytest.raises(ValueError, match="finite features, got NaN or infinity in 160 of 160"):
        set_modes(ViewsConfig(), hues[0], Broken(), n_principal=3)

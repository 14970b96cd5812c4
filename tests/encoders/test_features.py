"""Features of images that need no training: right, streaming, scikit-learn's contract, and refusals."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn
from torch.nn import functional

from eigenstep.encoders import BackboneFeatures, PatchFeatures, RandomConvFeatures, convnet

KINDS = [
    RandomConvFeatures((4, 6)),
    PatchFeatures(n_filters=5, patch_size=4),
    BackboneFeatures("convnet"),
]


def images(n=12, channels=3, size=16, dtype=np.uint8, seed=0):
    """Smooth random images that use their type's whole range."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.random((n, channels, 4, 4)))
    fine = functional.interpolate(coarse, size=(size, size), mode="bilinear") + 0.1 * torch.from_numpy(
        rng.random((n, channels, size, size))
    )
    values = (fine / 1.1).numpy()
    highest = {np.uint8: 255, np.uint16: 65535}.get(dtype)
    return values.astype(dtype) if highest is None else (values * highest).astype(dtype)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: type(kind).__name__)
@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_they_are_finite_float32_of_any_channels_and_do_not_hang_on_blocks(kind, channels, dtype):
    given = images(channels=channels, dtype=dtype)
    whole = clone(kind).fit(given)
    features = whole.transform(given)
    assert features.dtype == np.float32
    assert features.shape == (12, len(whole.get_feature_names_out()))
    assert np.isfinite(features).all()
    assert features.std(axis=0).max() > 0
    in_blocks = clone(kind).set_params(batch_size=5)
    if not isinstance(kind, BackboneFeatures):  # whose statistics are the mean over blocks
        np.testing.assert_allclose(in_blocks.fit(given).transform(given), features, rtol=1e-3, atol=1e-4)
    whole.batch_size = 5
    np.testing.assert_allclose(whole.transform(torch.from_numpy(given)), features, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: type(kind).__name__)
def test_seeds_decide_them_and_pickles_keep_them(kind):
    given = images()
    once, again = (clone(kind).fit(given).transform(given) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert not np.allclose(clone(kind).set_params(random_state=1).fit_transform(given), once)
    fitted = clone(kind).fit(given)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).transform(given), once)
    state = torch.random.get_rng_state()
    clone(kind).fit(given)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: type(kind).__name__)
def test_whole_numbers_of_other_ranges_are_the_same_images(kind):
    given = images()
    wide = given.astype(np.uint16) * 257
    kind = clone(kind)
    if isinstance(kind, BackboneFeatures):
        kind.set_params(normalize="data")
    fitted = kind.fit(given)
    floats = (given / 255).astype(np.float32)
    for same in (wide, floats):
        np.testing.assert_allclose(fitted.transform(same), fitted.transform(given), rtol=1e-4, atol=1e-5)


def test_random_convolutions_are_standardised_at_every_depth_and_keep_the_layout():
    given = images(64)
    deep = RandomConvFeatures((8,) * 6, grid=1).fit(given)
    by_layer = deep.transform(given).reshape(64, 6, 8).mean(axis=(0, 2))
    # The mean of max(0, x) is .4 for normal x of variance 1, whatever the layer.
    assert (np.abs(by_layer - 0.4) < 0.15).all()
    given[:, :, :, :8] = 0
    flipped = given[:, :, :, ::-1].copy()
    features = RandomConvFeatures((8,)).fit(given)
    assert np.abs(features.transform(given) - features.transform(flipped)).max() > 0.1


def test_patch_features_are_those_of_a_loop_over_patches():
    given = images(5, size=9)
    model = PatchFeatures(n_filters=3, patch_size=4, stride=1, grid=2, threshold=0.2).fit(given)
    standardised = (given / 255 - model.mean_[:, None, None]) / model.scale_[:, None, None]
    filters, biases = model.filters_.numpy().reshape(3, -1), model.biases_.numpy()
    values = np.zeros((5, 6, 6, 6))
    for top in range(6):
        for left in range(6):
            patches = standardised[:, :, top : top + 4, left : left + 4].reshape(5, -1)
            patches = patches - patches.mean(axis=1, keepdims=True)
            patches /= np.sqrt((patches**2).mean(axis=1, keepdims=True) + 0.01)
            response = patches @ filters.T - biases
            values[:, :, top, left] = np.maximum(np.hstack((response, -response)) - 0.2, 0)
    pooled = values.reshape(5, 6, 2, 3, 2, 3).mean(axis=(3, 5)).reshape(5, -1)
    np.testing.assert_allclose(model.transform(given), pooled, rtol=1e-3, atol=1e-4)


def test_whitened_patches_respond_to_filters_with_equal_spread():
    """The responses of whitened patches have about unit variance along all directions, raw ones have not."""
    given = images(200)
    spreads = {}
    for whiten in (True, False):
        model = PatchFeatures(n_filters=40, patch_size=4, threshold=0, grid=1, whiten=whiten).fit(given)
        spreads[whiten] = model.transform(given)[:, :40].mean(axis=0)
    ratio = {whiten: each.max() / np.median(each) for whiten, each in spreads.items()}
    assert ratio[True] < ratio[False]


def test_brightness_and_contrast_of_an_image_do_not_move_its_patch_features():
    given = images(20, dtype=np.float32)
    model = PatchFeatures(n_filters=8, whiten=False).fit(given)
    scale = float(model.scale_.mean())
    model.scale_ = np.full_like(model.scale_, scale)  # channels alike, as the change of all of them is
    before, after = model.transform(given), model.transform(0.8 * given + 0.1)
    assert np.abs(after - before).mean() < 0.05 * before.std()


def test_an_untrained_backbone_gets_the_images_statistics_and_weights_keep_theirs(tmp_path):
    given = images(40)
    model = BackboneFeatures("convnet", normalize="none").fit(given)
    batch = torch.from_numpy(given).float() / 255
    twin = convnet()
    twin.load_state_dict(model.backbone_.state_dict())
    np.testing.assert_allclose(model.transform(given), twin.train()(batch).detach(), atol=0.05)
    for module in twin.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_var.fill_(9.0)
    torch.save(twin.state_dict(), tmp_path / "weights.pth")
    loaded = BackboneFeatures("convnet", tmp_path / "weights.pth", normalize="none").fit(given)
    np.testing.assert_allclose(loaded.transform(given), twin.eval()(batch).detach(), rtol=1e-5, atol=1e-6)
    assert loaded.start_.matched == loaded.start_.expected


@pytest.mark.slow
def test_any_timm_backbone_and_images_of_any_channels_serve():
    features = BackboneFeatures("test_resnet").fit_transform(images(6, channels=5, size=32))
    assert features.shape[0] == 6
    assert features.std(axis=0).max() > 0


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: type(kind).__name__)
def test_bad_images_are_refused_in_one_line(kind):
    fitted, floats = clone(kind).fit(images()), images(dtype=np.float32)
    floats[7, 1, 2, 3] = np.nan
    for given, words in (
        (images()[0], r"expected images of four dimensions \(n, C, H, W\), got shape \(3, 16, 16\)"),
        (images(channels=1), "expected images of 3 channels, as at fit, got shape"),
        (floats, "expected finite images, got NaN or infinity in image 7"),
        (images().astype(np.int64), "expected images as uint8, uint16 or floats, got int64"),
        (images()[:0], "expected at least one image, channel and pixel"),
        ([[1.0]], "as a tensor or an array, got list"),
    ):
        with pytest.raises(ValueError, match=words) as refused:
            fitted.transform(given)
        assert "\n" not in str(refused.value)
    with pytest.raises(ValueError, match="expected batch_size as an integer >= 1, got 0"):
        clone(kind).set_params(batch_size=0).fit(images())


def test_what_does_not_fit_the_features_is_refused():
    with pytest.raises(ValueError, match=r"at least patch_size=6 pixels a side, got 5×5; set a smaller"):
        PatchFeatures().fit(images(size=5))
    with pytest.raises(ValueError, match="expected grid as an integer >= 1, got 0"):
        RandomConvFeatures(grid=0).fit(images())
    with pytest.raises(ValueError, match="unknown backbone 'convnt'"):
        BackboneFeatures("convnt").fit(images())
    with pytest.raises(ValueError, match="expected threshold as a number >= 0, got -1"):
        PatchFeatures(threshold=-1).fit(images())


@pytest.mark.parametrize("kind", KINDS[:2], ids=lambda kind: type(kind).__name__)
def test_constant_images_and_channels_give_finite_features(kind):
    given = images()
    given[:, 2] = 77
    assert np.isfinite(clone(kind).fit_transform(given)).all()
    constant = np.full((4, 3, 16, 16), 200, np.uint8)
    assert np.ptp(clone(kind).fit_transform(constant), axis=0).max() < 1e-4


def test_images_are_read_a_block_at_a_time(tmp_path):
    path = tmp_path / "images.npy"
    np.save(path, images(30))
    mapped = np.load(path, mmap_mode="r")
    features = RandomConvFeatures((4,), batch_size=8).fit(mapped).transform(mapped)
    np.testing.assert_allclose(
        features, RandomConvFeatures((4,)).fit_transform(images(30)), rtol=1e-4, atol=1e-5
    )

"""Runs on images of other than three channels of 8 bits, from the first step to what is made of them."""

import dataclasses

import numpy as np
import pytest
import tifffile
import torch
import yaml

from eigenstep.encoders import load_encoder, prepare_images
from eigenstep.export import export_timm
from eigenstep.images import (
    Batch,
    Images,
    ImagesConfig,
    Pixels,
    channel_statistics,
    image_hashes,
    open_images,
)
from eigenstep.record import read_tree
from eigenstep.report import point_cloud, write_report
from eigenstep.training import load_config, train
from eigenstep.views import ViewsConfig

HIGHEST = {"uint8": 255, "uint16": 65535, "float32": 1}
SETS = [(1, "uint8"), (5, "uint16"), (2, "float32"), (3, "float32")]


class Killed(BaseException):
    """What stands for a process that ends here."""


class Given(Images):
    """Tensors in the place of a data set."""

    def __init__(self, stored, pixels, sharing):
        super().__init__(sharing, len(stored), None)
        self.stored, self.pixels = stored, pixels

    def probe(self, n):
        n = min(n, len(self.stored))
        return self.stored[torch.arange(n) * len(self.stored) // max(n, 1)]

    def statistics(self):
        return channel_statistics([self.stored.numpy()])

    def facts(self):
        return {"used": len(self.stored), "broken": 0, "damaged": 0, "enlarged": 0}

    def joint_facts(self, facts):
        return facts[0]

    def _batches(self, start):
        for _, order in self.sharing.orders(len(self.stored), start):
            yield Batch(self.stored[torch.from_numpy(order)], None)


def stored_of(channels, dtype, count=64, size=16):
    values = np.random.default_rng(channels).beta(2, 5, (count, channels, size, size))
    highest = HIGHEST[dtype]
    return torch.from_numpy((values * highest).astype(dtype))


@pytest.fixture
def given(monkeypatch):
    """`given(5, "uint16")`: all runs train on such images, which are returned."""

    def give(channels, dtype, **said):
        stored = stored_of(channels, dtype)
        pixels = Pixels(channels, dtype, **said)

        def open_given(data, config, *, seed, batch_size, device, rank=0, processes=1, **_):
            options = {"seed": seed, "batch_size": batch_size, "device": device}
            patches = open_images("photos", ImagesConfig(size=8, patches=batch_size), **options)
            return Given(stored, pixels, patches.sharing)

        monkeypatch.setattr("eigenstep.training._loop.open_images", open_given)
        return stored

    return give


def end_at(step):
    def tell(progress):
        if progress.stage == "training" and progress.done == step:
            raise Killed

    return tell


@pytest.mark.parametrize(("channels", "dtype"), SETS)
def test_a_run_keeps_what_its_images_are_and_how_they_go_in(small_config, tmp_path, given, channels, dtype):
    stored = given(channels, dtype)
    record = train(small_config(steps=2), tmp_path / "run")
    config = load_config(tmp_path / "run" / "config.yaml")
    assert config.images.channels == channels
    assert config.views.normalize == "data"
    values = stored.numpy().astype(np.float64) / HIGHEST[dtype]
    np.testing.assert_allclose(config.views.mean, values.mean((0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(config.views.std, values.std((0, 2, 3)), rtol=1e-5)
    assert config.views.hue == (0.1 if channels == 3 else 0)
    assert record.probe.dtype == np.dtype(dtype)
    hashes = image_hashes(torch.from_numpy(record.probe).permute(0, 3, 1, 2))
    assert set(hashes) <= set(image_hashes(stored))


@pytest.mark.parametrize(("channels", "dtype"), [(1, "uint8"), (5, "uint16")])
def test_a_run_of_any_channels_resumes_to_the_same_record(
    small_config, tmp_path, given, folder_bytes, monkeypatch, channels, dtype
):
    given(channels, dtype)
    views = ViewsConfig(turn_probability=0.5, noise_probability=0.5, jitter="by_channel")
    config = small_config(steps=12, views=views)
    train(config, tmp_path / "whole")
    with pytest.raises(Killed):
        train(config, tmp_path / "killed", progress=end_at(9))
    monkeypatch.setattr(Given, "statistics", None)  # they are not computed again
    train(config, tmp_path / "killed", resume=True)
    assert folder_bytes(tmp_path / "killed") == folder_bytes(tmp_path / "whole")


@pytest.mark.filterwarnings("ignore:.*images looked at")
@pytest.mark.parametrize("stream", ["never", "always"])
def test_a_resumed_run_still_tells_what_was_guessed_at_its_start(
    small_config, tmp_path, folder_bytes, stream
):
    (tmp_path / "floats").mkdir()
    for number in range(40):
        values = np.random.default_rng(number).uniform(-3, 40, (16, 16)).astype(np.float32)
        tifffile.imwrite(tmp_path / "floats" / f"{number}.tif", values)
    config = small_config(steps=12, data=str(tmp_path / "floats"))
    images = dataclasses.replace(config.images, stream=stream, workers=0)
    config = dataclasses.replace(config, images=images)
    record = train(config, tmp_path / "whole")
    assert "the lowest and the highest of 40 images" in record.summary["images"]["notes"][0]
    with pytest.raises(Killed):
        train(config, tmp_path / "killed", progress=end_at(9))
    train(load_config(tmp_path / "killed" / "config.yaml"), tmp_path / "killed", resume=True)
    assert folder_bytes(tmp_path / "killed") == folder_bytes(tmp_path / "whole")


def test_a_resumed_run_is_not_given_other_channels_or_another_scale(small_config, tmp_path, given):
    given(5, "uint16")
    config = small_config(steps=2)
    train(config, tmp_path / "run")
    for changed, word in [
        (
            dataclasses.replace(config, images=dataclasses.replace(config.images, channels=4)),
            "images.channels: 4",
        ),
        (dataclasses.replace(config, views=ViewsConfig(normalize="none")), "views.normalize: none, not data"),
    ]:
        with pytest.raises(ValueError, match=f"another configuration .*{word}"):
            train(changed, tmp_path / "run", resume=True)


def test_a_recipe_of_colours_is_refused_for_images_without_before_anything_is_written(
    small_config, tmp_path, given
):
    given(5, "uint8")
    with pytest.raises(ValueError, match=r"got 5 channels; set --views\.hue 0$"):
        train(small_config(views=ViewsConfig(hue=0.1)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_is_known_of_the_channels_is_refused_before_images_are_read(small_config, tmp_path):
    config = small_config(data=str(tmp_path / "nowhere"), views=ViewsConfig(hue=0.1))
    config = dataclasses.replace(config, images=dataclasses.replace(config.images, channels=4))
    with pytest.raises(ValueError, match=r"set --views\.hue 0$"):
        train(config, tmp_path / "run")


def test_channels_to_show_that_are_not_there_are_refused(small_config, tmp_path, given):
    given(5, "uint8")
    config = small_config(steps=1)
    config = dataclasses.replace(config, images=dataclasses.replace(config.images, show=(7, 2, 1)))
    with pytest.raises(ValueError, match=r"channels 1 to 5, got 7 2 1; set --images\.show"):
        train(config, tmp_path / "run")


def test_a_constant_channel_is_named_and_not_divided(small_config, tmp_path, given):
    stored = given(2, "uint8")
    stored[:, 1] = 77
    with pytest.warns(UserWarning, match=r"channel 2 has the same value .*--images\.take"):
        train(small_config(steps=1), tmp_path / "run")
    assert load_config(tmp_path / "run" / "config.yaml").views.std[1] == 1


def test_what_was_guessed_of_the_images_is_told(small_config, tmp_path, given):
    given(1, "float32", range=(0.0, 37.5), notes=("values are 0 to 37.5; set --images.range",))
    with pytest.warns(UserWarning, match=r"0 to 37\.5; set --images\.range"):
        train(small_config(steps=1), tmp_path / "run")
    assert load_config(tmp_path / "run" / "config.yaml").images.range == (0.0, 37.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"show": (7,)}, r"channels 1 to 5, got 7; set --images\.show$"),
        ({"channels": 3}, r"expected images of 3 channels, got images of 5; choose .*--images\.take$"),
        ({"channels": 9}, r"expected images of 9 channels, got .* 5; set --images\.channels, or"),
        ({"take": (1, 9)}, r"--images\.take asks for channel 9 of images that have 5$"),
    ],
)
def test_what_images_do_not_have_is_refused_before_they_are_read(small_config, tmp_path, options, message):
    (tmp_path / "fields").mkdir()
    for number in range(20):
        values = np.zeros((8, 8, 5), np.uint16)
        how = {"photometric": "minisblack", "planarconfig": "contig"}
        tifffile.imwrite(tmp_path / "fields" / f"{number}.tif", values, **how)
    config = small_config(data=str(tmp_path / "fields"))
    config = dataclasses.replace(config, images=dataclasses.replace(config.images, **options))
    stages = []
    with pytest.raises(ValueError, match=message):
        train(config, tmp_path / "run", progress=lambda progress: stages.append(progress.stage))
    assert stages == []
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "backbone", ["convnet", "resnet18_small", "test_vit", "test_convnext", "test_efficientnet"]
)
@pytest.mark.parametrize("channels", [1, 5])
def test_backbones_train_on_any_channels_and_are_loaded_and_exported(
    small_config, tmp_path, given, backbone, channels
):
    stored = given(channels, "uint16")
    size = 160 if backbone in ("test_vit",) else 32
    config = small_config(steps=2, backbone=backbone, batch_size=8)
    config = dataclasses.replace(config, images=dataclasses.replace(config.images, size=size, stored_size=16))
    train(config, tmp_path / "run")
    encoder = load_encoder(tmp_path / "run")
    features, _ = encoder(encoder.prepare(stored))
    assert features.shape == (64, encoder.num_features)
    resolved = load_config(tmp_path / "run" / "config.yaml")
    assert torch.equal(encoder.prepare(stored), prepare_images(stored, resolved))
    lines = export_timm(tmp_path / "run", tmp_path / "backbone.safetensors")
    if backbone == "convnet":
        assert lines is None
    else:
        assert f"in_chans={channels}" in lines
        scope: dict = {}
        exec(lines, scope)
        images = encoder.prepare(stored)[:4]
        torch.testing.assert_close(scope["backbone"].eval()(images), features[:4], rtol=1e-3, atol=1e-4)


def test_images_of_other_channels_are_refused_by_a_trained_encoder(small_config, tmp_path, given):
    given(5, "uint8")
    train(small_config(steps=1), tmp_path / "run")
    with pytest.raises(ValueError, match=r"float32 \(n, 5, H, W\), got torch\.uint8 \(2, 3, 16, 16\)"):
        load_encoder(tmp_path / "run").prepare(torch.zeros(2, 3, 16, 16, dtype=torch.uint8))


@pytest.mark.parametrize(("channels", "dtype"), SETS)
def test_a_report_shows_the_probe_batch_as_pictures(small_config, tmp_path, given, channels, dtype):
    given(channels, dtype)
    record = train(small_config(steps=2), tmp_path / "run")
    sheet = point_cloud(record, [])["thumbnails"]
    assert len(sheet["colours"]) == 12
    assert len(set(sheet["colours"])) > 1
    write_report(tmp_path / "run", tmp_path / "report.html")
    assert sheet["url"] in (tmp_path / "report.html").read_text()


def test_an_earlier_runs_folder_is_of_three_channels_and_resumes(small_config, tmp_path, folder_bytes):
    config = small_config(steps=12)
    train(config, tmp_path / "whole")
    with pytest.raises(Killed):
        train(config, tmp_path / "run", progress=end_at(9))
    tree = read_tree(tmp_path / "run" / "config.yaml")
    tree["images"] = {name: value for name, value in tree["images"].items() if name in EARLIER_IMAGES}
    tree["views"] = {name: value for name, value in tree["views"].items() if name in EARLIER_VIEWS}
    tree["views"]["normalize"] = True
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
    assert load_encoder(tmp_path / "run").config.images.channels == 3
    train(config, tmp_path / "run", resume=True)
    assert folder_bytes(tmp_path / "run") == folder_bytes(tmp_path / "whole")


EARLIER_IMAGES = (
    *("size", "stored_size", "split", "column", "limit", "patches", "broken", "root", "label"),
    *("stream", "workers", "shuffle_buffer"),
)
EARLIER_VIEWS = (
    *("crop_scale", "crop_ratio", "flip_probability", "jitter_probability", "brightness", "contrast"),
    *("saturation", "hue", "grayscale_probability", "blur_probability", "blur_sigma"),
    *("solarize_probability", "solarize_threshold", "mean", "std"),
)

import dataclasses
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import functional

import eigenstep
from eigenstep.encoders import initial_encoder, load_encoder
from eigenstep.record import read_record
from eigenstep.spectrum import principal_projections
from eigenstep.training import (
    CheckpointConfig,
    ImagesConfig,
    ProjectorConfig,
    RecordConfig,
    TrainConfig,
    load_images,
    train,
)


def noise(*shape, seed=0):
    return torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.slow
@pytest.mark.parametrize(("asked", "step"), [("last", 10), ("best", 5), (5, 5)])
def test_the_encoder_of_a_checkpoint_comes_back_bit_by_bit_in_evaluation_mode(
    write_run, network, settings, asked, step
):
    encoder = load_encoder(write_run(best=5), asked)
    images = torch.randn(7, 3, 16, 16)
    expected = network(settings, step)(images)
    assert all(torch.equal(found, wanted) for found, wanted in zip(encoder(images), expected, strict=True))
    assert not any(module.training for module in encoder.modules())
    assert encoder.num_features == expected[0].shape[1]
    assert torch.equal(encoder.backbone(images), expected[0])


def test_two_lines_are_enough(write_run):
    run = write_run()
    encoder = eigenstep.load_encoder(run)
    features, embeddings = encoder(encoder.prepare(noise(2, 3, 30, 40)))
    assert (features.shape, embeddings.shape) == ((2, 256), (2, 5))


def test_loading_touches_no_random_state(write_run):
    run = write_run()
    states = torch.get_rng_state(), random.getstate()
    load_encoder(run)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]


@pytest.mark.slow
def test_a_trained_run_gives_back_the_embeddings_that_it_recorded_of_its_probe_batch(tmp_path):
    # Without batch normalisation, whose statistics a measurement moves on from the checkpoint's.
    settings = TrainConfig(
        backbone="test_vit",
        steps=6,
        batch_size=16,
        threads=1,
        device="cpu",
        images=ImagesConfig(size=32, stored_size=40, patches=40),
        record=RecordConfig(every=3, probe=10, directions=3),
        checkpoint=CheckpointConfig(every=3),
    )
    record = train(settings, tmp_path / "run")
    for checkpoint, row in (("3", 1), ("last", 2)):
        encoder = load_encoder(tmp_path / "run", checkpoint)
        thumbnails = torch.from_numpy(record.probe).permute(0, 3, 1, 2)
        with torch.no_grad():
            embeddings = encoder(encoder.prepare(thumbnails))[1]
        points = record.projections["points"][row]
        np.testing.assert_allclose(
            principal_projections(embeddings, 3), points, atol=1e-6 * np.abs(points).max()
        )
    assert read_record(tmp_path / "run").summary["state"] == "finished"


def test_prepared_images_of_the_stored_size_are_resized_and_normalised(write_run, settings):
    images = noise(4, 3, 20, 20)
    resized = functional.resize(images / 255, [16, 16], antialias=True)
    expected = functional.normalize(resized, list(settings.views.mean), list(settings.views.std))
    torch.testing.assert_close(load_encoder(write_run()).prepare(images), expected, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_prepared_files_are_what_a_run_reads_of_the_same_folder(write_run, tmp_path, settings):
    (tmp_path / "images").mkdir()
    for number, (height, width) in enumerate([(20, 20), (31, 50), (50, 31), (7, 9)]):
        pixels = noise(height, width, 4, seed=number).numpy()
        mode = "RGBA" if number == 1 else "RGB"
        Image.fromarray(pixels[..., : len(mode)], mode).save(tmp_path / "images" / f"{number}.png")
    encoder = load_encoder(write_run())
    paths = sorted((tmp_path / "images").iterdir())
    stored = load_images(str(tmp_path / "images"), settings.images).images
    assert torch.equal(encoder.prepare(paths), encoder.prepare(stored))
    assert torch.equal(encoder.prepare(str(paths[1])), encoder.prepare(stored[1:2]))


def test_images_of_pil_and_tensors_of_any_size_are_cropped_as_files_are(write_run, tmp_path):
    encoder = load_encoder(write_run())
    pixels = noise(2, 3, 31, 50)
    opened = [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in pixels]
    for number, image in enumerate(opened):
        image.save(tmp_path / f"{number}.png")
    expected = encoder.prepare([tmp_path / "0.png", str(tmp_path / "1.png")])
    assert torch.equal(encoder.prepare(opened), expected)
    assert torch.equal(encoder.prepare(opened[0]), expected[:1])
    assert torch.equal(encoder.prepare(pixels), expected)


def test_grey_images_and_arrays_become_colours(write_run):
    encoder = load_encoder(write_run())
    grey = noise(1, 1, 20, 20)
    expected = encoder.prepare(grey.repeat(1, 3, 1, 1))
    for image in (Image.fromarray(grey[0, 0].numpy()), grey[0, 0].numpy(), grey[0, 0, ..., None].numpy()):
        assert torch.equal(encoder.prepare(image), expected)


@pytest.mark.slow
def test_the_whole_height_of_a_wide_image_is_kept_and_its_middle(write_run):
    image = torch.zeros(1, 3, 20, 60, dtype=torch.uint8)
    image[..., 20:40] = 255
    prepared = load_encoder(write_run()).prepare(image)
    white = load_encoder(write_run(name="other")).prepare(torch.full((1, 3, 20, 20), 255, dtype=torch.uint8))
    assert torch.equal(prepared, white)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("images", "message"),
    [
        (
            torch.zeros(2, 3, 20, 20, dtype=torch.float64),
            r"expected images as uint8, uint16 or float32 .* got torch.float64 \(2, 3, 20, 20\)",
        ),
        (torch.full((2, 3, 20, 20), -1.0), r"float32 images within \[0, 1\]"),
        (torch.zeros(20, 20, 3, dtype=torch.uint8), r"got torch.uint8 \(20, 20, 3\)"),
        (
            torch.zeros(1, 1, 20, 20, dtype=torch.uint8),
            r"expected .* \(n, 3, H, W\), got .* \(1, 1, 20, 20\)",
        ),
        ([], "at least one image"),
        ([np.zeros((20, 20, 3))], r"values are float64, whose range nothing says; set --images\.range"),
        ([3], "expected paths, arrays or images of PIL, got int"),
        ("nowhere.png", "there is no image nowhere.png"),
        (Path(__file__), r"test_load_encoder\.py cannot be decoded as an image"),
    ],
)
def test_what_is_no_image_is_refused(write_run, images, message):
    encoder = load_encoder(write_run())
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        encoder.prepare(images)


def test_weights_of_another_configuration_are_refused_naming_them(write_run):
    run = write_run()
    other = write_run(name="other", projector=ProjectorConfig(hidden=(12,), dim=6, batch_norm=True))
    (run / "config.yaml").write_text((other / "config.yaml").read_text())
    with pytest.raises(
        ValueError,
        match=r"projector\.safetensors does not fit the run's .*\.yaml: 3\.weight is 5×12, expected 6×12$",
    ):
        load_encoder(run)


def test_a_checkpoint_without_weights_is_refused(write_run):
    run = write_run()
    (run / "checkpoints" / "step_00000010" / "projector.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"there is no file of weights .*projector\.safetensors"):
        load_encoder(run)
    (run / "checkpoints" / "step_00000010" / "backbone.safetensors").write_bytes(b"torn")
    with pytest.raises(ValueError, match=r"backbone\.safetensors cannot be read as weights"):
        load_encoder(run)


def test_the_initial_encoder_is_the_seeds_and_leaves_random_state_alone(settings):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first, second = (initial_encoder(settings).state_dict() for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    other = initial_encoder(dataclasses.replace(settings, seed=4)).state_dict()
    name = "projector.0.weight"
    assert all(torch.equal(value, second[each]) for each, value in first.items())
    assert not torch.equal(first[name], other[name])

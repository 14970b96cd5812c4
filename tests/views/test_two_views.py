import dataclasses

import pytest
import torch
from torchvision.transforms.v2 import functional as reference

from eigenstep.views import TwoViews, ViewsConfig

EVERYTHING = ViewsConfig(blur_probability=0.5, solarize_probability=0.3)
ADJUSTMENTS = (
    reference.adjust_brightness,
    reference.adjust_contrast,
    reference.adjust_saturation,
    reference.adjust_hue,
)


def images_of(height, width, batch=48, seed=0):
    """Smooth colour images with noise, so that every operation has something to act on."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(batch, 3, 4, 4, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear", align_corners=True)
    return (0.8 * smooth + 0.2 * torch.rand(batch, 3, height, width, generator=generator)).clamp(0, 1)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def reference_view(image, parameters, sample, config, size, kernel_size):
    """torchvision's operations on one image with the parameters of one sample, in SimCLR's order."""
    view = reference.resized_crop(
        image, *parameters.boxes[sample].tolist(), size=[size, size], antialias=True
    )
    if parameters.flip[sample]:
        view = reference.horizontal_flip(view)
    factors = parameters.color_factors[sample].tolist()
    if factors != [1.0, 1.0, 1.0, 0.0]:
        for operation in parameters.color_order[sample].tolist():
            view = ADJUSTMENTS[operation](view, factors[operation])
    if parameters.grayscale[sample]:
        view = reference.rgb_to_grayscale(view, 3)
    if parameters.blur_sigma[sample] > 0:
        view = reference.gaussian_blur(view, [kernel_size] * 2, [parameters.blur_sigma[sample].item()] * 2)
    if parameters.solarize[sample]:
        view = reference.solarize(view, config.solarize_threshold)
    return view


@pytest.mark.slow
@pytest.mark.parametrize(
    ("height", "width", "size"), [(32, 32, 32), (60, 80, 48), (20, 16, 32), (96, 96, 96)]
)
def test_views_equal_torchvisions_pipeline_sample_by_sample(height, width, size):
    # The jump of solarisation amplifies rounding where a value sits on the threshold; none does beyond it.
    config = dataclasses.replace(EVERYTHING, solarize_threshold=1.0, normalize="none")
    images, views = images_of(height, width), TwoViews(config, size)
    parameters = views.sample(images, seeded())
    result = views.apply(images, parameters)
    for sample, (view, image) in enumerate(zip(result, images, strict=True)):
        expected = reference_view(image, parameters, sample, config, size, views.blur_kernel_size)
        torch.testing.assert_close(view, expected, rtol=0, atol=1e-5)


def test_solarisation_comes_last_before_normalisation():
    config = dataclasses.replace(EVERYTHING, solarize_probability=1.0, normalize="none")
    images = images_of(32, 32)
    views = TwoViews(config, 32)
    parameters = views.sample(images, seeded())
    before = dataclasses.replace(parameters, solarize=torch.zeros(48, dtype=torch.bool))
    expected = reference.solarize(views.apply(images, before), 0.5)
    assert torch.equal(views.apply(images, parameters), expected)


def test_normalisation_is_torchvisions():
    images = images_of(32, 32)
    plain = TwoViews(dataclasses.replace(EVERYTHING, normalize="none"), 32)(images, seeded())
    normalised = TwoViews(EVERYTHING, 32)(images, seeded())
    for view, expected in zip(normalised, plain, strict=True):
        expected = reference.normalize(expected, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
        torch.testing.assert_close(view, expected, rtol=1e-5, atol=1e-6)


def test_the_call_is_two_draws_one_after_the_other():
    images, views, generator = images_of(24, 24), TwoViews(EVERYTHING, 24), seeded()
    parameters = [views.sample(images, generator) for _ in range(2)]
    for view, expected in zip(views(images, seeded()), parameters, strict=True):
        assert torch.equal(view, views.apply(images, expected))


def test_the_generator_alone_decides_the_views():
    images, views = images_of(24, 24), TwoViews(EVERYTHING, 24)
    torch.manual_seed(1)
    first = views(images, seeded(5))
    torch.manual_seed(2)
    again, other = views(images, seeded(5)), views(images, seeded(6))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


def test_a_generator_moves_on_between_batches():
    images, views, generator = images_of(24, 24), TwoViews(EVERYTHING, 24), seeded()
    assert not torch.equal(views(images, generator)[0], views(images, generator)[0])


def test_views_of_one_image_all_differ():
    repeated = images_of(24, 24, batch=1).expand(64, -1, -1, -1)
    first, second = TwoViews(EVERYTHING, 24)(repeated, seeded())
    assert len(torch.cat([first, second]).flatten(1).unique(dim=0)) == 128


@pytest.mark.parametrize(("height", "width"), [(32, 32), (40, 24)])
def test_everything_off_is_a_plain_resize(height, width):
    images = images_of(height, width)
    first, second = TwoViews(ViewsConfig.none(), 32)(images, seeded())
    expected = reference.resize(images, [32, 32], antialias=True)
    torch.testing.assert_close(first, expected, rtol=0, atol=1e-5)
    assert torch.equal(first, second)


def test_everything_off_at_the_same_size_is_the_identity():
    images = images_of(32, 32)
    assert torch.equal(TwoViews(ViewsConfig.none(), 32)(images, seeded())[0], images)


def test_bytes_and_floats_give_the_same_views():
    images = (255 * images_of(40, 30)).to(torch.uint8)
    views = TwoViews(dataclasses.replace(EVERYTHING, solarize_probability=0.0), 32)
    for from_bytes, from_floats in zip(views(images, seeded()), views(images / 255, seeded()), strict=True):
        torch.testing.assert_close(from_bytes, from_floats, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "images", [torch.zeros(16, 3, 20, 28), torch.ones(16, 3, 20, 28), images_of(20, 28, 16)]
)
def test_views_that_are_not_normalised_stay_in_range(images):
    config = ViewsConfig(
        brightness=2.0, contrast=2.0, saturation=2.0, hue=0.5, blur_probability=0.5, normalize="none"
    )
    for view in TwoViews(config, 33)(images, seeded()):
        assert view.dtype == torch.float32
        assert view.shape == (16, 3, 33, 33)
        assert view.min() >= 0
        assert view.max() <= 1


@pytest.mark.slow
def test_a_large_batch_is_the_same_in_slices(monkeypatch):
    images, views = images_of(32, 32, batch=100), TwoViews(EVERYTHING, 32)
    whole = views(images, seeded())
    monkeypatch.setattr("eigenstep.views._two_views._SLICE_FLOATS", 7 * 3 * 32 * 32)
    for view, expected in zip(views(images, seeded()), whole, strict=True):
        torch.testing.assert_close(view, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("batch", "size", "slices"), [(90, 16, [30, 30, 30]), (200, 96, [37] * 5 + [15])])
def test_a_slice_is_at_most_a_third_of_the_batch_and_a_million_floats(monkeypatch, batch, size, slices):
    lengths = []
    monkeypatch.setattr(TwoViews, "_change_", lambda self, views, *rest: lengths.append(len(views)))
    monkeypatch.setattr("torch.get_num_threads", lambda: 1)
    images, views = images_of(size, size, batch=batch), TwoViews(ViewsConfig.none(), size)
    views.apply(images, views.sample(images, seeded()))
    assert lengths == slices


def test_autocast_does_not_lower_the_precision():
    images, views = images_of(32, 32), TwoViews(EVERYTHING, 32)
    expected = views(images, seeded())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = views(images, seeded())
    assert torch.equal(result[0], expected[0])
    assert torch.equal(result[1], expected[1])


def test_images_are_never_written_to():
    images = images_of(32, 32)
    before = images.clone()
    TwoViews(EVERYTHING, 32)(images, seeded())
    assert torch.equal(images, before)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_tiny_views_work_with_every_operation(size):
    config = dataclasses.replace(EVERYTHING, blur_probability=1.0)
    for view in TwoViews(config, size)(images_of(5, 4), seeded()):
        assert view.isfinite().all()


@pytest.mark.parametrize("kernel", [(32, 3), (96, 9), (224, 23)])
def test_the_blurs_kernel_is_simclrs(kernel):
    size, expected = kernel
    assert TwoViews(EVERYTHING, size).blur_kernel_size == expected


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.rand(4, 1, 8, 8), r"views\.normalize data: expected views\.mean and views\.std, got none"),
        (torch.rand(3, 8, 8), "four dimensions"),
        (torch.zeros(4, 3, 8, 8, dtype=torch.int32), "got torch.int32"),
        (255 * torch.rand(4, 3, 8, 8), r"floats in \[0, 1\], got values from"),
        (torch.randn(4, 3, 8, 8), "leave the normalisation to the views"),
        (torch.full((4, 3, 8, 8), float("nan")), "from nan to nan"),
    ],
)
def test_wrong_images_are_refused(images, message):
    with pytest.raises(ValueError, match=message):
        TwoViews(ViewsConfig(), 8)(images, seeded())


def test_parameters_of_other_images_are_refused():
    views = TwoViews(ViewsConfig(crop_scale=(1.0, 1.0)), 8)
    parameters = views.sample(torch.rand(4, 3, 16, 16), seeded())
    with pytest.raises(ValueError, match="one entry for each of the 5 images"):
        views.apply(torch.rand(5, 3, 16, 16), parameters)
    with pytest.raises(ValueError, match="inside the 8×8 images"):
        views.apply(torch.rand(4, 3, 8, 8), parameters)


@pytest.mark.parametrize("size", [0, -3])
def test_an_empty_view_is_refused(size):
    with pytest.raises(ValueError, match=f"image_size: expected at least 1 pixel, got {size}"):
        TwoViews(ViewsConfig(), size)


@pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a CUDA device: views there against views on the CPU"
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
def test_a_gpu_gives_the_same_views_from_the_same_cpu_generator(dtype):
    images = images_of(40, 30)
    images = (255 * images).to(dtype) if dtype == torch.uint8 else images
    views = TwoViews(dataclasses.replace(EVERYTHING, solarize_probability=0.0), 32)
    for there, here in zip(views(images.cuda(), seeded()), views(images, seeded()), strict=True):
        assert there.device.type == "cuda"
        torch.testing.assert_close(there.cpu(), here, rtol=0, atol=1e-4)


@pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a CUDA device: views there against views on the CPU"
)
def test_a_generator_on_the_gpu_works():
    generator = torch.Generator("cuda").manual_seed(0)
    for view in TwoViews(EVERYTHING, 32)(images_of(40, 30).cuda(), generator):
        assert view.isfinite().all()

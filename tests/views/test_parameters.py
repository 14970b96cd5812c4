import math

import pytest
import torch
from scipy.stats import chi2_contingency, ks_2samp, kstest
from torchvision.transforms import v2

from eigenstep.views import ViewsConfig, sample_parameters

DRAWS = 6000
EVERYTHING = ViewsConfig(blur_probability=0.5, solarize_probability=0.2)
# Seeds are fixed, so a test passes or fails for good; a wrong distribution gives p-values far below this.
LEAST_P = 1e-3


def draw(config=EVERYTHING, height=32, width=32, seed=0, batch=DRAWS):
    return sample_parameters(batch, height, width, config, torch.Generator().manual_seed(seed))


@pytest.mark.slow
@pytest.mark.parametrize(("height", "width"), [(32, 32), (96, 96), (40, 120), (150, 50), (3, 2)])
def test_boxes_follow_torchvisions_random_resized_crop(height, width):
    config = ViewsConfig(crop_scale=(0.2, 0.9), crop_ratio=(0.6, 1.4))
    torch.manual_seed(1)
    crop = v2.RandomResizedCrop(32, scale=config.crop_scale, ratio=config.crop_ratio)
    image = torch.empty(3, height, width)
    reference = [crop.make_params([image]) for _ in range(DRAWS)]
    boxes = draw(config, height, width).boxes
    for column, name in enumerate(("top", "left", "height", "width")):
        expected = [parameters[name] for parameters in reference]
        assert ks_2samp(boxes[:, column].numpy(), expected).pvalue > LEAST_P, name
    area = [parameters["height"] * parameters["width"] for parameters in reference]
    ratio = [parameters["width"] / parameters["height"] for parameters in reference]
    right = [parameters["left"] + parameters["width"] for parameters in reference]
    assert ks_2samp((boxes[:, 2] * boxes[:, 3]).numpy(), area).pvalue > LEAST_P
    assert ks_2samp((boxes[:, 3].double() / boxes[:, 2]).numpy(), ratio).pvalue > LEAST_P
    assert ks_2samp((boxes[:, 1] + boxes[:, 3]).numpy(), right).pvalue > LEAST_P


@pytest.mark.parametrize(("height", "width"), [(10, 100), (100, 10), (1, 30), (64, 64)])
def test_where_no_try_fits_the_central_crop_is_torchvisions(height, width):
    config = ViewsConfig(crop_scale=(0.999, 1.0), crop_ratio=(0.9, 1.2))
    expected = v2.RandomResizedCrop(32, scale=(2.0, 2.0), ratio=config.crop_ratio)
    fallback = list(expected.make_params([torch.empty(3, height, width)]).values())
    boxes = draw(config, height, width, batch=200).boxes.tolist()
    assert fallback in boxes


def test_a_central_crop_has_at_least_one_pixel():
    boxes = draw(
        ViewsConfig(crop_scale=(0.9, 0.99), crop_ratio=(0.2, 0.25)), height=1, width=1, batch=50
    ).boxes
    assert boxes.unique(dim=0).tolist() == [[0, 0, 1, 1]]


def test_boxes_stay_inside_and_reach_every_border():
    boxes = draw(ViewsConfig(), 20, 30).boxes
    top, left, height, width = boxes.unbind(1)
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] >= 1).all()
    assert (top.min(), (top + height).max(), left.min(), (left + width).max()) == (0, 20, 0, 30)


def test_scale_one_takes_the_whole_image():
    assert draw(ViewsConfig(crop_scale=(1.0, 1.0)), 20, 90).boxes.unique(dim=0).tolist() == [[0, 0, 20, 90]]


def test_color_factors_are_uniform_where_applied_and_neutral_elsewhere():
    config = ViewsConfig(brightness=0.4, contrast=1.5, saturation=0.2, hue=0.1)
    factors = draw(config).color_factors
    untouched = (factors == torch.tensor([1.0, 1.0, 1.0, 0.0])).all(1)
    assert untouched.float().mean() == pytest.approx(0.2, abs=4 * math.sqrt(0.2 * 0.8 / DRAWS))
    torchvision = v2.ColorJitter(config.brightness, config.contrast, config.saturation, config.hue)
    ranges = (torchvision.brightness, torchvision.contrast, torchvision.saturation, torchvision.hue)
    for column, (lowest, highest) in enumerate(ranges):
        applied = factors[~untouched, column].numpy()
        assert kstest(applied, "uniform", (lowest, highest - lowest)).pvalue > LEAST_P


def test_operations_of_no_reach_are_never_applied():
    factors = draw(ViewsConfig(brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0)).color_factors
    assert factors.unique(dim=0).tolist() == [[1.0, 1.0, 1.0, 0.0]]


def test_orders_are_uniform_over_all_permutations():
    codes, counts = (draw().color_order @ torch.tensor([64, 16, 4, 1])).unique(return_counts=True)
    assert len(codes) == 24
    table = torch.stack([counts, torch.full_like(counts, DRAWS // 24)])
    assert chi2_contingency(table.numpy()).pvalue > LEAST_P


def test_events_have_their_probabilities():
    config = ViewsConfig(
        flip_probability=0.3, grayscale_probability=0.15, blur_probability=0.6, solarize_probability=0.45
    )
    drawn = draw(config)
    for events, probability in (
        (drawn.flip, 0.3),
        (drawn.grayscale, 0.15),
        (drawn.blur_sigma > 0, 0.6),
        (drawn.solarize, 0.45),
    ):
        spread = math.sqrt(probability * (1 - probability) / DRAWS)
        assert events.float().mean().item() == pytest.approx(probability, abs=4 * spread)


def test_blur_sigma_is_uniform_where_applied():
    sigma = draw(ViewsConfig(blur_probability=0.5, blur_sigma=(0.1, 2.0))).blur_sigma
    assert kstest(sigma[sigma > 0].numpy(), "uniform", (0.1, 1.9)).pvalue > LEAST_P


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_probabilities_zero_and_one_are_certain(probability):
    config = ViewsConfig(
        flip_probability=probability,
        jitter_probability=probability,
        grayscale_probability=probability,
        blur_probability=probability,
        solarize_probability=probability,
    )
    drawn = draw(config)
    jittered = (drawn.color_factors != torch.tensor([1.0, 1.0, 1.0, 0.0])).any(1)
    for events in (drawn.flip, jittered, drawn.grayscale, drawn.blur_sigma > 0, drawn.solarize):
        assert events.float().unique().tolist() == [probability]


def columns(drawn):
    return torch.cat(
        [
            drawn.boxes,
            drawn.flip[:, None],
            drawn.color_factors,
            drawn.color_order[:, :3],
            drawn.grayscale[:, None],
            drawn.blur_sigma[:, None],
            drawn.solarize[:, None],
        ],
        dim=1,
    ).double()


def test_two_views_and_neighbouring_samples_are_independent():
    generator = torch.Generator().manual_seed(0)
    first, second = (columns(sample_parameters(DRAWS, 32, 32, EVERYTHING, generator)) for _ in range(2))
    for one, other in ((first, second), (first[:-1], first[1:])):
        count = one.shape[1]
        correlation = torch.corrcoef(torch.cat([one, other], 1).T)[:count, count:]
        assert correlation.abs().max() < 5 / math.sqrt(DRAWS)


def test_operations_are_independent_of_each_other():
    drawn = draw(EVERYTHING)
    position = drawn.color_order.argsort(1)
    jittered = (drawn.color_factors[:, :1] != 1).double()
    # Each group may depend within itself. Factors are neutral together, so only their spread is of interest.
    groups = [
        drawn.boxes[:, 1:].double(),
        drawn.flip[:, None].double(),
        jittered,
        *(jittered * (drawn.color_factors - torch.tensor([1.0, 1.0, 1.0, 0.0]))).split(1, dim=1),
        position.double(),
        drawn.grayscale[:, None].double(),
        (drawn.blur_sigma > 0)[:, None].double(),
        drawn.solarize[:, None].double(),
    ]
    owner = torch.cat([torch.full((group.shape[1],), k) for k, group in enumerate(groups)])
    correlation = torch.corrcoef(torch.cat(groups, dim=1).T)
    assert correlation[owner[:, None] != owner].abs().max() < 5 / math.sqrt(DRAWS)


def test_the_seed_decides_everything():
    same, again, other = columns(draw(seed=3)), columns(draw(seed=3)), columns(draw(seed=4))
    assert torch.equal(same, again)
    assert not torch.equal(same, other)


def test_switching_one_operation_leaves_the_others_as_they_were():
    with_blur, without = draw(EVERYTHING), draw(ViewsConfig(solarize_probability=0.2))
    assert not torch.equal(with_blur.blur_sigma, without.blur_sigma)
    for name in ("boxes", "flip", "color_factors", "color_order", "grayscale", "solarize"):
        assert torch.equal(getattr(with_blur, name), getattr(without, name)), name


def test_a_slice_is_the_parameters_of_those_images():
    drawn = draw(batch=10)
    assert len(drawn[3:5]) == 2
    assert torch.equal(columns(drawn[3:5]), columns(drawn)[3:5])


@pytest.mark.parametrize("sizes", [(0, 8, 8), (1, 0, 8), (1, 8, -1)])
def test_empty_sizes_are_refused(sizes):
    with pytest.raises(ValueError, match="at least 1"):
        sample_parameters(*sizes, ViewsConfig(), torch.Generator())

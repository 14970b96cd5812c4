"""Sets by name, the family around one, and their files."""

import pytest

from eigenstep.modes.augmentations import read_set, read_sets, standard_sets, write_sets
from eigenstep.training.recipes import load_recipe
from eigenstep.views import ViewsConfig

BASE = load_recipe("simclr/cifar10-resnet18").views


def test_each_set_of_the_family_differs_from_the_base_in_what_its_name_says():
    found = {each.name: each.views for each in standard_sets(BASE)[0]}
    assert found["full"] == BASE
    assert found["no crop"] == ViewsConfig(**{**vars(BASE), "crop_scale": (1.0, 1.0)})
    assert found["no grey"].grayscale_probability == 0
    assert found["no grey"].hue == BASE.hue
    low, high = (found[name].crop_scale for name in ("stronger crop", "weaker crop"))
    assert sum(low) < sum(BASE.crop_scale) < sum(high)
    assert len(found) == 12
    assert "no solarise" not in found  # which is off
    assert len(set(map(repr, found.values()))) == len(found)


def test_images_of_other_channel_counts_have_no_colour_operations_and_are_told_so():
    sets, left_out = standard_sets(BASE, channels=5)
    assert {"saturation", "hue", "grey"} == set(left_out)
    assert "jitter by channel" in {each.name for each in sets}
    for each in sets:
        each.views.for_channels(5)  # refuses what five channels do not have


def test_sets_written_are_read_back(tmp_path):
    sets = standard_sets(BASE)[0]
    write_sets(sets, tmp_path / "all.yaml")
    assert read_sets(tmp_path / "all.yaml") == sets
    assert read_set(f"{tmp_path}/all.yaml@no crop") == sets[1]
    write_sets(sets[2:3], tmp_path / "best.yaml")
    assert read_set(tmp_path / "best.yaml").views == sets[2].views


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("crop_scal: [0.1, 1.0]\n", "crop_scal"),
        ("hue: 0.9\n", "hue: expected a number in"),
        ("a:\n  hue: 0.1\nb:\n  hue: 0.2\n", "@a"),
        ("{}\n", "empty"),
    ],
)
def test_what_is_no_set_is_refused_in_one_line(tmp_path, text, expected):
    (tmp_path / "sets.yaml").write_text(text)
    with pytest.raises(ValueError, match=expected) as error:
        read_set(tmp_path / "sets.yaml")
    assert "\n" not in str(error.value)

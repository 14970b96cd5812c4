import dataclasses
import math

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from eigenstep.record import differences
from eigenstep.training import (
    ImagesConfig,
    OptimizerConfig,
    ProjectorConfig,
    TrainConfig,
    dump_config,
    load_config,
)
from eigenstep.views import ViewsConfig

numbers = st.floats(allow_nan=False)
counts = st.integers(-(2**70), 2**70)
configs = st.builds(
    TrainConfig,
    data=st.text(),
    steps=counts,
    seed=counts,
    threads=st.none() | counts,
    precision=st.sampled_from(["32-true", "bf16-mixed"]),
    images=st.builds(ImagesConfig, column=st.none() | st.text(), limit=st.none() | counts),
    projector=st.builds(
        ProjectorConfig, hidden=st.lists(counts).map(tuple), batch_norm=st.booleans(), init_scale=numbers
    ),
    optimizer=st.builds(
        OptimizerConfig, lr=st.none() | numbers, schedule=st.sampled_from(["constant", "cosine"])
    ),
    views=st.builds(
        ViewsConfig, hue=st.floats(0, 0.5), normalize=st.sampled_from(["data", "imagenet", "none", None])
    ),
)


@pytest.fixture
def load(tmp_path):
    """`load(text)` reads the text as a configuration file."""

    def read(text: str) -> TrainConfig:
        path = tmp_path / "config.yaml"
        path.write_text(text)
        return load_config(path)

    return read


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(config=configs)
def test_what_is_dumped_loads_to_an_equal_tree(config, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "round-trip.yaml"
    path.write_text(dump_config(config))
    assert load_config(path) == config


def test_the_file_is_plain_yaml_of_every_name_in_the_tree():
    def tree(node):
        return {
            field.name: tree(value) if dataclasses.is_dataclass(value) else value
            for field in dataclasses.fields(node)
            for value in [getattr(node, field.name)]
        }

    def listed(value):
        if isinstance(value, dict):
            return {name: listed(item) for name, item in value.items()}
        return list(value) if isinstance(value, tuple) else value

    assert yaml.safe_load(dump_config(TrainConfig())) == listed(tree(TrainConfig()))


def test_names_that_are_left_out_take_their_defaults(load):
    config = load("loss: vicreg\noptimizer: {momentum: 0.5}")
    assert config == TrainConfig(loss="vicreg", optimizer=OptimizerConfig(momentum=0.5))


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-3", 1e-3), ("'1e-3'", 1e-3), ("1", 1.0), (".5", 0.5), ("1.e+2", 100.0), (".inf", math.inf)],
)
def test_a_number_may_be_written_in_any_way(load, text, value):
    lr = load(f"optimizer: {{lr: {text}}}").optimizer.lr
    assert lr == value
    assert type(lr) is float


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lossy: simclr", r"unknown name lossy .*Did you mean loss\?"),
        ("optimizer: {lrr: 1}", r"unknown name optimizer\.lrr .*Did you mean lr\?"),
        ("views: {croped_scale: [1, 1]}", r"unknown name views\.croped_scale .*Did you mean crop_scale\?"),
        ("1: 2", "unknown name 1 in"),
        ("steps: ten", "steps: expected int, got 'ten'"),
        ("steps: 1.5", "steps: expected int, got 1.5"),
        ("steps: true", "steps: expected int, got True"),
        ("batch_size:", "batch_size: expected int, got None"),
        ("optimizer: {lr: fast}", r"optimizer\.lr: expected float, got 'fast'"),
        ("optimizer: {lr: true}", r"optimizer\.lr: expected float, got True"),
        ("optimizer: {lr: [1]}", r"optimizer\.lr: expected float, got \[1\]"),
        ("optimizer: {name: adam}", r"optimizer\.name: expected one of sgd, adamw, lars, muon, got 'adam'"),
        ("optimizer: sgd", "optimizer: expected a tree of names and values, got 'sgd'"),
        ("optimizer:", "optimizer: expected a tree of names and values, got None"),
        ("images: {limit: many}", r"images\.limit: expected int, got 'many'"),
        ("data: 3", "data: expected str, got 3"),
        ("projector: {batch_norm: 1}", r"projector\.batch_norm: expected bool, got 1"),
        ("projector: {hidden: 128}", r"projector\.hidden: expected a list, got 128"),
        ("projector: {hidden: [128, x]}", r"projector\.hidden: expected int, got 'x'"),
        ("views: {crop_scale: [0.2]}", r"views\.crop_scale: expected 2 values, got \[0\.2\]"),
        (
            "views: {mean: [1, 2, 3, 4]}",
            r"views\.std: expected as many numbers as mean has, got none; set both",
        ),
        ("views: {crop_scale: [0.5, 0.1]}", r"views\.crop_scale: expected \(min, max\)"),
        ("views: {hue: 2}", r"views\.hue: expected a number in \[0, 0\.5\], got 2"),
        ("", "expected a tree of names and values, got NoneType"),
        ("- loss", "expected a tree of names and values, got list"),
        ("loss: [", "config.yaml is not YAML"),
        ("loss: a: b", "config.yaml is not YAML"),
        ("\tloss: simclr", "config.yaml is not YAML"),
        ("!!python/object/apply:os.system [ls]", "config.yaml is not YAML"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line_that_names_it(load, text, message):
    with pytest.raises(ValueError, match=message) as refused:
        load(text)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "config.yaml").write_bytes(b"\xff\xfe\x00loss")
    with pytest.raises(ValueError, match="is not YAML"):
        load_config(tmp_path / "config.yaml")


@pytest.mark.parametrize("name", ["nowhere.yaml", "."])
def test_a_file_that_is_not_there_is_named(tmp_path, name):
    with pytest.raises(FileNotFoundError, match="there is no configuration file"):
        load_config(tmp_path / name)


def test_differences_name_each_leaf_that_differs_and_no_other():
    other = TrainConfig(seed=1, optimizer=OptimizerConfig(lr=0.1))
    assert differences(TrainConfig(), other) == ["seed: 0, not 1", "optimizer.lr: None, not 0.1"]
    assert differences(other, other) == []


@pytest.mark.parametrize(
    ("text", "expected"), [("[0, 4095]", (0.0, 4095.0)), ("[percentile, 1, 99]", ("percentile", 1.0, 99.0))]
)
def test_a_range_is_two_numbers_or_percentiles(load, text, expected):
    config = load(f"images: {{range: {text}}}")
    assert config.images.range == expected
    assert load(dump_config(config)) == config


@pytest.mark.parametrize(
    ("normalize", "channels"), [("true", 3), ("false", 3), ("none", None), ("imagenet", None)]
)
def test_files_of_earlier_releases_are_of_three_channels(load, normalize, channels):
    assert load(f"views: {{normalize: {normalize}}}").images.channels == channels
    assert load(f"images: {{channels: 5}}\nviews: {{normalize: {normalize}}}").images.channels == 5

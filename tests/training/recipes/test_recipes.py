import dataclasses

import datasets
import numpy as np
import pytest
import yaml
from PIL import Image

from eigenstep.methods import METHODS, MethodNodes
from eigenstep.training import resolve, train
from eigenstep.training.config import load_config
from eigenstep.training.recipes import load_recipe, recipe_names, recipe_text

STEPWISE = [name for name in recipe_names() if name.endswith("-stepwise")]
STANDARD = [name for name in recipe_names() if not name.endswith("-stepwise")]
NODES = {field.name for field in dataclasses.fields(MethodNodes)}
MAIN = ("barlow_twins", "simclr", "vicreg")
# Of which no recipe is shipped.
WITHOUT = {
    *("lejepa", "visreg", "mmcr", "frossl", "corinfomax", "coding_rate"),
    *("nscl", "autoencoder", "cross_view_autoencoder", "mae", "rotation"),
}
# Images in the data sets of the recipes, by the names' first part.
IMAGES = {"cifar10": 50_000, "stl10": 100_000}


def parts(name):
    """`simclr/cifar10-resnet18-stepwise` as its loss, data and backbone."""
    loss, rest = name.split("/")
    data, backbone = rest.removesuffix("-stepwise").split("-")
    return loss, data, backbone


def test_the_three_main_losses_have_both_forms_on_both_data_sets_and_the_others_one():
    main = {
        f"{loss}/{where}{form}"
        for loss in MAIN
        for where in ("cifar10-resnet18", "stl10-resnet50")
        for form in ("", "-stepwise")
    }
    others = {f"{loss}/cifar10-resnet18" for loss in METHODS if loss not in (*MAIN, *WITHOUT)}
    assert set(recipe_names()) == main | others
    assert recipe_names() == sorted(recipe_names())


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_is_what_its_name_says_and_can_be_run(name):
    config = load_recipe(name)
    loss, data, backbone = parts(name)
    assert (config.loss, config.backbone) == (loss, backbone)
    assert data in config.data
    assert config.images.size == {"cifar10": 32, "stl10": 96}[data]
    resolved = resolve(config)
    assert resolved.optimizer.lr == config.optimizer.lr
    assert resolve(resolved) == resolved


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_sets_the_options_of_its_own_loss_and_of_no_other(name):
    tree = yaml.safe_load(recipe_text(name))
    assert NODES & set(tree) == {parts(name)[0]} - {"cross_entropy"}


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_leaves_nothing_that_matters_to_a_default(name):
    tree = yaml.safe_load(recipe_text(name))
    assert {"data", "batch_size", "precision", "images", "views"} <= set(tree)
    assert ("epochs" in tree) != ("steps" in tree)
    assert {"hidden", "dim", "batch_norm", "init_scale"} <= set(tree["projector"])
    assert {"name", "lr", "schedule"} <= set(tree["optimizer"])
    assert ("momentum" in tree["optimizer"]) == (tree["optimizer"]["name"] != "adamw")


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_says_where_its_numbers_come_from(name):
    head = [line for line in recipe_text(name).splitlines() if line.startswith("#")]
    assert recipe_text(name).startswith("# ")
    assert "arXiv:" in "".join(head)
    assert any("Numbers:" in line for line in head)
    assert any("Adapted" in line for line in head) or name in STEPWISE


@pytest.mark.parametrize("name", recipe_names())
def test_the_warm_up_is_a_small_part_of_the_run(name):
    config = load_recipe(name)
    steps_per_epoch = IMAGES[parts(name)[1]] // config.batch_size
    steps = config.steps or config.epochs * steps_per_epoch
    warmup = config.optimizer.warmup_steps + config.optimizer.warmup_epochs * steps_per_epoch
    assert warmup <= steps / 20


@pytest.mark.parametrize("name", recipe_names())
def test_the_record_of_a_whole_run_stays_small(name):
    config = load_recipe(name)
    steps = config.steps or config.epochs * (IMAGES[parts(name)[1]] // config.batch_size)
    measurements = steps / config.record.every
    features = min({"resnet18": 512, "resnet50": 2048}[config.backbone], 8192)
    assert measurements * 8 * (2 * config.projector.dim + features) < 2e8  # bytes


@pytest.mark.parametrize("name", recipe_names())
def test_lars_never_runs_without_a_coefficient_of_its_own(name):
    given = yaml.safe_load(recipe_text(name))["optimizer"]
    assert ("trust_coefficient" in given) == (given["name"] == "lars")


@pytest.mark.parametrize("name", STANDARD)
def test_a_standard_recipe_has_the_published_form(name):
    config = load_recipe(name)
    assert config.projector.init_scale == 1.0
    assert config.optimizer.schedule == "cosine"
    assert config.optimizer.weight_decay > 0
    assert config.epochs >= 500
    assert config.barlow_twins.normalize == ("batch" if config.loss == "barlow_twins" else "none")
    assert config.simclr.normalize == ("cosine" if config.loss == "simclr" else "none")


@pytest.mark.parametrize("name", STEPWISE)
def test_a_stepwise_recipe_has_a_small_start_and_a_constant_rate(name):
    config = load_recipe(name)
    assert config.projector.init_scale <= 1e-2
    assert not config.projector.batch_norm_output
    assert config.barlow_twins.normalize == "none"
    assert config.simclr.normalize == "none"
    assert config.optimizer.schedule == "constant"
    assert config.optimizer.name == "sgd"
    assert config.optimizer.weight_decay == 0
    assert config.optimizer.lr < load_recipe(name.removesuffix("-stepwise")).optimizer.lr


def test_an_unknown_recipe_is_refused_with_the_nearest_name():
    with pytest.raises(ValueError, match=r"^unknown recipe 'simclr/.* Did you mean simclr/cifar10-resnet18"):
        load_recipe("simclr/cifar-resnet18")
    for name in ("", "simclr", "../recipes/simclr/cifar10-resnet18", "simclr/cifar10-resnet18.yaml"):
        with pytest.raises(ValueError, match=r"^unknown recipe"):
            recipe_text(name)


@pytest.mark.slow
def test_a_printed_recipe_reads_back_as_the_recipe(tmp_path):
    for name in recipe_names():
        (tmp_path / "mine.yaml").write_text(recipe_text(name))
        assert load_config(tmp_path / "mine.yaml") == load_recipe(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_shrunk_to_nothing_trains(name, labelled_images, tmp_path):
    record = train(shrunk(load_recipe(name), str(labelled_images)), tmp_path / "run")
    assert record.summary["state"] == "finished"
    assert record.metrics["step"][-1] == 2


@pytest.fixture(scope="module")
def labelled_images(tmp_path_factory):
    """A folder of Parquet files: 16 images of two classes as each of the splits train, test and unlabeled."""
    folder = tmp_path_factory.mktemp("labelled")
    (folder / "data").mkdir()  # where splits may have any name
    features = datasets.Features({"img": datasets.Image(), "label": datasets.Value("int64")})
    for seed, split in enumerate(("train", "test", "unlabeled")):
        pixels = np.random.default_rng(seed).integers(0, 256, (16, 12, 12, 3), dtype=np.uint8)
        rows = {"img": [Image.fromarray(image) for image in pixels], "label": [0, 1] * 8}
        table = datasets.Dataset.from_dict(rows, features=features)
        table.to_parquet(folder / "data" / f"{split}-00000-of-00001.parquet")
    return folder


def shrunk(config, data):
    """Two steps of 8 images of 12 px with the small convnet and a narrow head; the rest is the recipe's."""
    replace = dataclasses.replace
    width = {"hidden": (16,) * len(config.projector.hidden), "dim": 4}
    return replace(
        config,
        data=data,
        backbone="convnet",
        steps=2,
        epochs=None,
        batch_size=8,
        threads=1,
        device="cpu",
        images=replace(config.images, size=12),
        projector=replace(config.projector, **width),
        simsiam=replace(config.simsiam, predictor_hidden=8),
        byol=replace(config.byol, predictor_hidden=8),
        optimizer=replace(config.optimizer, warmup_steps=1, warmup_epochs=0),
        record=replace(config.record, every=1, probe=4),
        checkpoint=replace(config.checkpoint, every=2),
        probes=replace(config.probes, every=config.probes.every and 2, neighbours=3),
    )

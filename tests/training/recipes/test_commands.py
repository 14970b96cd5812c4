import dataclasses
import re

import pytest

from eigenstep.cli import main
from eigenstep.training import load_config
from eigenstep.training.recipes import load_recipe, recipe_names, recipe_text

NAME = "simclr/cifar10-resnet18"
TINY = [
    *("--data", "photos", "--device", "cpu", "--backbone", "convnet", "--steps", "2", "--batch-size", "16"),
    *("--threads", "1", "--checkpoint.every", "2"),
    *(
        "--images.size",
        "16",
        "--images.patches",
        "32",
        "--projector.hidden",
        "8",
        "8",
        "--projector.dim",
        "4",
    ),
    *("--record.every", "1", "--record.probe", "8", "--probes.every", "None", "--projector.dim", "4"),
]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("FORCE_COLOR", "EIGENSTEP_DEBUG"):
        monkeypatch.delenv(name, raising=False)


def refused(arguments, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


@pytest.mark.slow
def test_the_list_has_a_line_a_recipe_with_its_facts(capsys):
    assert main(["recipes"]) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.split() == ["recipe", "loss", "backbone", "batch", "length", "optimiser"]
    assert [line.split()[0] for line in lines] == recipe_names()
    assert len({line.index(load_recipe(line.split()[0]).backbone, 45) for line in lines}) == 1  # columns
    (barlow,) = (line for line in lines if line.startswith("barlow_twins/cifar10-resnet18 "))
    assert barlow.split()[1:] == ["barlow_twins", "resnet18", "256", "1000", "epochs", "lars"]
    assert all(re.search(r" \d+ (epochs|steps)  +\w+$", line) for line in lines)


def test_a_recipe_that_is_printed_is_its_file(capsys):
    assert main(["recipes", "byol/cifar10-resnet18"]) == 0
    assert capsys.readouterr().out == recipe_text("byol/cifar10-resnet18")


@pytest.mark.parametrize("command", [["recipes"], ["train", "--recipe"]])
def test_an_unknown_recipe_is_refused_in_one_line_with_the_nearest(command, capsys):
    assert "Did you mean vicreg/stl10-resnet50?" in refused([*command, "vicreg/stl10-resnet5"], capsys)


def test_a_recipe_beside_a_configuration_is_refused_in_one_line(capsys):
    line = ["train", "--recipe", "vicreg/cifar10-resnet18", "--config", "config.yaml"]
    assert "--recipe and --config" in refused(line, capsys)


@pytest.mark.slow
@pytest.mark.parametrize(
    "form", [["--recipe", "simclr/cifar10-resnet18"], ["--recipe=simclr/cifar10-resnet18"]]
)
def test_help_shows_the_recipes_values_as_defaults(form, capsys):
    with pytest.raises(SystemExit):
        main(["train", *form, "--help"])
    text = " ".join(re.sub(r"[│╭╮╰╯─]", " ", capsys.readouterr().out).split())
    assert re.search(r"--epochs .{0,200}default: 1000\)", text)
    assert re.search(r"--optimizer\.lr .{0,400}default: 0\.4\)", text)
    assert re.search(r"--projector\.dim .{0,200}default: 256\)", text)


def test_another_optimizer_has_its_own_defaults_and_not_the_recipes(tmp_path, capsys):
    line = ["train", "--recipe", "simclr/cifar10-resnet18", *TINY, "--optimizer.warmup-epochs", "0"]
    rest = ["--optimizer.name", "muon", "--optimizer.weight-decay", "0.1", "--out", "run"]
    assert main([*line, *rest]) == 0
    optimizer = load_config(tmp_path / "run/config.yaml").optimizer
    assert (optimizer.name, optimizer.lr, optimizer.momentum, optimizer.nesterov) == (
        "muon",
        0.1,
        0.95,
        True,
    )
    assert (optimizer.trust_clip, optimizer.schedule, optimizer.weight_decay) == (False, "cosine", 0.1)
    said = "rate, momentum and the like of lars are not taken over to muon"
    assert said in capsys.readouterr().out
    again = ["train", "--config", "run/config.yaml", "--optimizer.name", "muon", "--optimizer.lr", "0.1"]
    assert main([*again, "--out", "again"]) == 0
    assert load_config(tmp_path / "again/config.yaml").optimizer == dataclasses.replace(optimizer, lr=0.1)
    assert "taken over" not in capsys.readouterr().out


@pytest.mark.slow
def test_options_go_before_the_recipe_and_the_recipe_before_the_defaults(tmp_path, capsys):
    line = ["train", "--recipe", "barlow_twins/cifar10-resnet18", *TINY, "--optimizer.lr", "0.01"]
    assert main([*line, "--optimizer.warmup-epochs", "0", "--out", "run"]) == 0
    config, recipe = load_config(tmp_path / "run/config.yaml"), load_recipe("barlow_twins/cifar10-resnet18")
    assert (config.steps, config.optimizer.lr) == (2, 0.01)
    assert config.views == recipe.views.for_channels(3)
    assert config.barlow_twins == recipe.barlow_twins
    assert config.optimizer.trust_coefficient == recipe.optimizer.trust_coefficient
    assert config.projector.batch_norm


@pytest.mark.slow
def test_a_number_of_steps_takes_the_place_of_the_recipes_epochs(tmp_path, capsys):
    for length, expected in ([["--steps", "2"], (2, None)], [["--epochs", "1"], (None, 1)]):
        out = f"run{length[0]}"
        rest = [item for item in TINY if item != "--steps"]
        rest.pop(rest.index("2"))
        line = ["train", "--recipe", "vicreg/cifar10-resnet18", *rest, *length, "--out", out]
        assert main([*line, "--optimizer.warmup-epochs", "0"]) == 0
        config = load_config(tmp_path / out / "config.yaml")
        assert (config.steps, config.epochs) == expected

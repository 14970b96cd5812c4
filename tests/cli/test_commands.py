import dataclasses
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

import eigenstep
from eigenstep.cli import main
from eigenstep.optim import with_defaults
from eigenstep.training import TrainConfig, load_config, train

SMALL = [
    *("train", "--threads", "1", "--device", "cpu", "--steps", "6", "--batch-size", "16"),
    *("--images.size", "16", "--images.patches", "64", "--record.every", "2", "--record.probe", "8"),
]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Nothing is written into the repository, and the terminal is no terminal."""
    monkeypatch.chdir(tmp_path)
    for name in ("FORCE_COLOR", "EIGENSTEP_DEBUG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def shown(capsys):
    """`shown(["train", "--help"])`: what the command prints when it is asked for help."""

    def show(arguments):
        with pytest.raises(SystemExit) as left:
            main(arguments)
        assert left.value.code == 0
        output = capsys.readouterr()
        assert output.err == ""
        return output.out

    return show


@pytest.fixture
def refused(capsys):
    """`refused(arguments)`: the one line on stderr with which the command refuses them."""

    def refuse(arguments):
        assert main(arguments) == 2
        error = capsys.readouterr().err
        assert error.startswith("eigenstep: ")
        assert error.count("\n") == 1
        assert error.endswith("\n")
        return error.removeprefix("eigenstep: ").rstrip("\n")

    return refuse


def leaves(node, prefix=""):
    for field in dataclasses.fields(node):
        value = getattr(node, field.name)
        if dataclasses.is_dataclass(value):
            yield from leaves(value, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, value


def options(text):
    return set(re.findall(r"(?<![\w-])--[a-z][\w.-]*", text))


def test_help_lists_every_subcommand(shown):
    text = shown(["--help"])
    for command in ("demo", "check", "train", "report", "version"):
        assert re.search(rf"\b{command}\b", text)


def test_the_list_of_subcommands_has_one_sentence_of_each_and_its_own_help_all(shown):
    further = "About a minute on two cores"
    assert further not in " ".join(re.sub("[│•]", " ", shown(["--help"])).split())
    assert further in " ".join(shown(["demo", "--help"]).split())


@pytest.mark.parametrize(
    "arguments",
    [["demo"], ["reproduce", "e1"], ["train"], ["predict"], ["compare", "a", "b"], ["modes", "photos"]],
)
@pytest.mark.parametrize("below", ["", "/run"])
def test_a_file_in_the_way_of_a_folder_is_one_line_and_stays(tmp_path, refused, arguments, below):
    (tmp_path / "mine").write_text("years of work")
    said = refused([*arguments, "--out", f"mine{below}"])
    if arguments != ["predict"] or below:
        assert said == f"mine{below} cannot be made: mine is a file"
    assert (tmp_path / "mine").read_text() == "years of work"


@pytest.mark.parametrize(
    ("command", "expected"),
    [("demo", {"--out", "--overwrite", "--threads"}), ("report", {"--out"}), ("version", set())],
)
def test_help_of_a_subcommand_lists_its_options(shown, command, expected):
    assert options(shown([command, "--help"])) == expected | {"--help"}


@pytest.mark.slow
def test_the_options_of_train_are_the_names_of_the_configuration(shown):
    names = {name.replace("_", "-"): value for name, value in leaves(TrainConfig())}
    own = {"--recipe", "--config", "--out", "--resume", "--overwrite", "--quiet", "--take-over", "--help"}
    own.add("--views.set")
    mentioned = r"\(used with --loss \w+\)|`--data photos`|Other --views options"
    text = re.sub(mentioned, "", shown(["train", "--help"]))
    negations = {
        f"--{name}".replace(last, f"no-{last}")
        for name, value in names.items()
        if isinstance(value, bool)
        for last in [name.split(".")[-1]]
    }
    assert options(text) - negations == own | {f"--{name}" for name in names}


@pytest.mark.slow
def test_check_takes_the_options_of_train_but_for_those_of_its_folder(shown):
    of_the_folder = {"--out", "--resume", "--no-resume", "--overwrite", "--take-over", "--quiet"}
    assert (
        options(shown(["check", "--help"])) - {"--json"}
        == options(shown(["train", "--help"])) - of_the_folder
    )


@pytest.mark.slow
def test_every_option_is_explained(shown):
    plain = re.sub(r"[│╭╮╰╯─]", " ", shown(["train", "--help"]))
    for field in dataclasses.fields(TrainConfig):
        option = re.escape("--" + field.name.replace("_", "-"))
        if not dataclasses.is_dataclass(getattr(TrainConfig(), field.name)):
            assert re.search(rf"{option}\b[^\n]*\n\s+\S+ \S+", plain)


@pytest.mark.slow
def test_values_reach_the_run_by_the_same_names_from_the_line_and_from_a_file(tmp_path, capsys):
    settings = {
        "steps": 2,
        "seed": 5,
        "loss": "vicreg",
        "images": {"size": 12, "stored_size": 20, "patches": 40},
        "views": {"crop_scale": [0.5, 1.0], "normalize": "none"},
        "projector": {"hidden": [9, 7], "batch_norm": True, "init_scale": 0.05},
        "vicreg": {"mu_param": 3.0},
        "optimizer": {"name": "adamw", "lr": 0.001, "schedule": "cosine"},
        "record": {"probe": 8},
    }
    (tmp_path / "settings.yaml").write_text(json.dumps(settings | {"threads": 1, "batch_size": 16}))
    line = ["train", "--threads", "1", "--batch-size", "16", "--out", "line"]
    for name, value in settings.items():
        for inner, leaf in value.items() if isinstance(value, dict) else [(None, value)]:
            option = f"--{name}.{inner}" if inner else f"--{name}"
            parts = leaf if isinstance(leaf, list) else [leaf]
            if isinstance(leaf, bool):
                line.append(option if leaf else f"--{name}.no-{inner}")
            else:
                line += [option, *map(str, parts)]
    assert main(line) == 0
    assert main(["train", "--config", "settings.yaml", "--out", "file"]) == 0
    assert (tmp_path / "line/config.yaml").read_text() == (tmp_path / "file/config.yaml").read_text()
    assert (tmp_path / "line/metrics.jsonl").read_text() == (tmp_path / "file/metrics.jsonl").read_text()
    expected = load_config(tmp_path / "settings.yaml")
    # Of its images it was told how many channels they have, and so what is done to their colours; what the
    # optimiser has by default is written out.
    found = dataclasses.replace(
        expected,
        images=dataclasses.replace(expected.images, channels=3),
        views=expected.views.for_channels(3),
        optimizer=with_defaults(expected.optimizer),
    )
    assert load_config(tmp_path / "line" / "config.yaml") == found
    train(expected, tmp_path / "python")
    assert (tmp_path / "python/metrics.jsonl").read_text() == (tmp_path / "line/metrics.jsonl").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("form", [["--config", "runs/a/config.yaml"], ["--config=runs/a/config.yaml"]])
def test_a_runs_configuration_repeats_it_but_for_what_is_changed(tmp_path, form):
    assert main([*SMALL, "--loss", "simclr", "--out", "runs/a"]) == 0
    assert main(["train", *form, "--out", "b"]) == 0
    assert main(["train", *form, "--seed", "4", "--out", "c"]) == 0
    for name in ("config.yaml", "metrics.jsonl"):
        assert (tmp_path / "runs/a" / name).read_text() == (tmp_path / "b" / name).read_text()
    changed = load_config(tmp_path / "c" / "config.yaml")
    assert dataclasses.replace(changed, seed=0) == load_config(tmp_path / "b" / "config.yaml")
    assert changed.seed == 4


@pytest.mark.slow
def test_runs_are_numbered_where_no_folder_is_named(tmp_path, capsys):
    for _ in range(3):
        assert main(SMALL) == 0
    names = ["photos-barlow_twins-convnet" + suffix for suffix in ("", "-2", "-3")]
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == names
    assert f"eigenstep report runs/{names[-1]}" in capsys.readouterr().out


@pytest.mark.slow
def test_resuming_needs_no_other_option_than_the_folder(tmp_path, capsys):
    assert main([*SMALL, "--seed", "3", "--out", "run"]) == 0
    before = (tmp_path / "run" / "metrics.jsonl").read_text()
    assert main(["train", "--resume", "--out", "run"]) == 0
    assert main(["train", "--out=run", "--resume"]) == 0
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == before


@pytest.mark.slow
def test_what_is_printed_into_a_pipe_is_plain_text(capsys):
    assert main([*SMALL, "--out", "run"]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert all(character.isprintable() or character == "\n" for character in output.out)
    place = "0 % from nothing learned to the floor"
    assert re.search(
        rf"barlow_twins: 6/6 loss \d+\.\d+, 0 modes, took 0:0\d, {place}, \d+ images/s", output.out
    )
    assert "run: run\nreport: eigenstep report run\n" in output.out


@pytest.mark.slow
@pytest.mark.parametrize("name", ['a run\'s "folder"', "$HOME `run`; & (*)", "runs/with space"])
def test_the_command_that_is_printed_for_a_run_can_be_typed(name, capsys, run_in_shell):
    assert main([*SMALL, "--out", name]) == 0
    hint = capsys.readouterr().out.splitlines()[-1]
    run_in_shell(hint.removeprefix("report: "))
    assert (Path(name) / "report.html").is_file()


@pytest.mark.parametrize("name", ["\x1b[2Jrun", "run\x9b31m", "\x1b]0;title\x07", "caf\udce9", "\u202enur"])
@pytest.mark.parametrize("command", ["report", "view", "embed", "compare", "train"])
def test_no_escape_sequence_of_a_name_reaches_the_terminal(tmp_path, capsys, command, name):
    place = str(tmp_path / name)
    arguments = {
        "embed": ["--out", str(tmp_path / "out.npz")],
        "compare": [place],
        "train": ["--out", place, "--resume", "--loss", name],
    }
    assert main([command, place, *arguments.get(command, [])]) == 2
    output = "".join(capsys.readouterr())
    assert output
    assert all(each.isprintable() or each == "\n" for each in output)


@pytest.mark.slow
def test_names_that_look_like_markup_are_printed_as_they_are(tmp_path, capsys):
    (tmp_path / "images").mkdir()
    for number in range(16):
        (tmp_path / "images" / f"{number}.ppm").write_bytes(b"P6 2 2 255 " + bytes(range(12)))
    (tmp_path / "images" / "[b]bold[").mkdir()
    (tmp_path / "images" / "[b]bold[" / "i]:smile:.png").write_text("x")
    assert main([*SMALL, "--data", "images", "--out", "[red]run"]) == 0
    output = capsys.readouterr().out
    assert "1 broken image was skipped: [b]bold[/i]:smile:.png (its content is of no known" in output
    assert "16 images were smaller than the views and were enlarged\n" in output
    assert "│ [red]run │" in output


@pytest.mark.slow
def test_a_report_is_written_where_it_is_asked_for(tmp_path, capsys):
    assert main([*SMALL, "--out", "runs/a"]) == 0
    assert main(["report", "runs/a"]) == 0
    assert main(["report", "runs", "--out", "all.html"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"report: {tmp_path}/runs/a/report.html" in lines
    assert f"report: {tmp_path}/all.html" in lines
    assert (tmp_path / "runs/a/report.html").read_text().startswith("<!DOCTYPE html>")


def test_without_arguments_the_first_commands_are_shown_and_each_of_them_exists(capsys, shown):
    assert main([]) == 0
    said = capsys.readouterr().out
    known = re.findall(r"(?m)^ *(?:│\s*)?\{?(?:• )?([a-z]+)\b", shown(["--help"]))
    named = set(re.findall(r"eigenstep ([a-z]+)", said))
    assert {"demo", "train", "advise", "doctor"} <= named <= set(known)


def test_the_version_is_that_of_the_package(capsys):
    for asked in ("version", "--version"):
        assert main([asked]) == 0
        assert capsys.readouterr().out == f"{eigenstep.__version__}\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--verbose"],
            "Unrecognized options: --verbose (see eigenstep --help)",
        ),
        (["trian"], "Unrecognized options: trian (see eigenstep --help)"),
        (["report"], "Missing from eigenstep report: PATH"),
        (["report", "nowhere"], "no run found in nowhere"),
        (["version", "now"], "Unrecognized options: now (see eigenstep version --help)"),
        (["demo", "--threads", "two"], "Error parsing --threads: invalid literal"),
        (
            ["train", "--optimizer.lrr", "1"],
            "--optimizer.lrr, 1; did you mean --optimizer.lr? (see eigenstep train",
        ),
        (["train", "--steps"], "Missing value for argument '--steps'"),
        (["train", "--steps", "ten"], "Error parsing --steps: expected INT, got 'ten'"),
        (
            ["train", "--freeze", "half"],
            "Error parsing --freeze: expected INT, none, norms or all, got 'half' (see eigenstep",
        ),
        (
            ["train", "--images.range", "low", "3"],
            "Error parsing --images.range: expected FLOAT FLOAT or percentile FLOAT FLOAT, got 'low', '3'",
        ),
        (["train", "--optimizer.name", "adam"], "invalid choice 'adam' for argument '--optimizer.name'"),
        (["train", "--views.crop-scale", "1"], "'--views.crop-scale'. Expected 2 values"),
        (["train", "--views.hue", "2"], "Error parsing --views: hue: expected a number in [0, 0.5], got 2.0"),
        (["train", "--config"], "Missing value for argument '--config'"),
        (["train", "--config", "nowhere.yaml"], "there is no configuration file nowhere.yaml"),
        (["train", "--config", "list.yaml"], "list.yaml: expected a tree of names and values, got list"),
        (["train", "--config", "name.yaml"], "unknown name lossy in the configuration. Did you mean loss?"),
        (["train", "--resume"], "--resume and --overwrite need --out RUN"),
        (["train", "--out", "a", "--resume", "--overwrite"], "one of --resume and --overwrite, got both"),
        (["train", "--data", "empty"], "empty holds no images: it is empty; expected "),
        (
            ["train", "--data", "list.yaml"],
            "list.yaml holds no images: 1 no image (.yaml): list.yaml; ",
        ),
        (["train", "--data", "./nowhere"], "there is no folder ./nowhere"),
        (["train", "--data", "cifar"], "Did you mean cifar10?"),
        (["train", "--data", "broken"], "none of its 1 images can be decoded, for example a.png"),
        (
            ["train", "--data", "mixed", "--images.broken", "refuse"],
            "mixed: a.png cannot be decoded (its content is of no known format of images); mend it",
        ),
        (["train", "--data", "mixed", "--images.split", "test"], "set --images.split to one of train"),
        (["train", "--loss", "barlow"], "Did you mean barlow_twins?"),
        (["train", "--backbone", "resnet_50"], "Did you mean resnet50?"),
        (["train", "--device", "abacus"], "device 'abacus' cannot be used here"),
        (
            ["train", "--batch-size", "99", "--images.patches", "64"],
            "99 is larger than the data set of 64 images",
        ),
        (["train", "--images.patches", str(2**40)], "available; set a smaller --images.patches"),
        (["train", "--out", "mixed"], "mixed exists; use --resume to go on"),
        (["train", "--out", "mixed", "--overwrite"], "mixed exists and is not a run folder"),
        (["train", "--out", "list.yaml/run"], "list.yaml is a file"),
        (["demo", "--out", "mixed"], "mixed exists; use --overwrite"),
        (["demo", "--out", "mixed", "--overwrite"], "mixed holds what is not a demonstration"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_used_is_refused_in_one_line_and_nothing_is_written(
    tmp_path, refused, arguments, message
):
    for name in ("empty", "broken", "mixed"):
        (tmp_path / name).mkdir()
    for name in ("broken", "mixed"):
        (tmp_path / name / "a.png").write_text("x")
    (tmp_path / "mixed" / "b.ppm").write_bytes(b"P6 2 2 255 " + bytes(range(12)))
    (tmp_path / "list.yaml").write_text("- loss")
    (tmp_path / "name.yaml").write_text("lossy: simclr")
    before = sorted(tmp_path.rglob("*"))
    assert message in refused(arguments)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_messages_are_plain_in_a_terminal_too(encoding):
    screen, terminal = pty.openpty()
    found = subprocess.run(
        [sys.executable, "-m", "eigenstep", "demo", "--thread", "3"],
        env={**os.environ, "TERM": "xterm", "PYTHONIOENCODING": encoding},
        stdout=terminal,
        stderr=subprocess.PIPE,
    )
    os.close(screen)
    os.close(terminal)
    expected = "Unrecognized options: --thread, 3; did you mean --threads? (see eigenstep demo --help)"
    assert found.returncode == 2
    assert found.stderr.decode() == f"eigenstep: {expected}\n"


@pytest.mark.slow
def test_a_run_that_diverges_says_at_which_step_and_what_is_kept(tmp_path, refused):
    arguments = [*SMALL, "--steps", "40", "--optimizer.lr", "0.1", "--checkpoint.every", "5", "--out", "run"]
    message = refused(arguments)
    found = re.fullmatch(
        r"the loss is not finite at step (\d+); the last good checkpoint is run/checkpoints/step_000000(\d+);"
        r" try a smaller --optimizer\.lr",
        message,
    )
    assert found
    assert 0 < int(found[1]) - int(found[2]) <= 5
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["state"], summary["step"]) == ("diverged", int(found[1]))


@pytest.mark.slow
def test_an_interruption_says_how_to_go_on(monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("eigenstep.training.train", interrupt)
    assert main([*SMALL, "--out", "run"]) == 130
    assert "--resume continues" in capsys.readouterr().err


@pytest.mark.slow
def test_the_traceback_behind_a_line_is_shown_on_demand(monkeypatch):
    monkeypatch.setenv("EIGENSTEP_DEBUG", "1")
    with pytest.raises(ValueError, match="unknown loss"):
        main([*SMALL, "--loss", "barlow"])


@pytest.mark.slow
def test_help_and_version_load_nothing_heavy():
    code = "import sys; from eigenstep.cli import main; main(['version']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL).returncode == 0


def test_without_the_packages_for_the_command_line_one_line_says_what_to_install(tmp_path):
    (tmp_path / "tyro.py").write_text("raise ModuleNotFoundError('No module named tyro')")
    found = subprocess.run(
        [sys.executable, "-m", "eigenstep", "doctor"],
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 1
    assert found.stderr.startswith("eigenstep: ")
    assert "pip install 'eigenstep[train]'" in found.stderr
    assert found.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_reader_that_goes_away_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "eigenstep", "recipes"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")

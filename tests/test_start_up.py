"""What a start does not import: that, and no seconds, is what keeps it short."""

import subprocess
import sys

import pytest

# What takes from a tenth of a second to several.
SLOW = {
    *("torch", "torchvision", "timm", "lightning_fabric", "torchmetrics", "transformers", "datasets"),
    *(
        "pandas",
        "pyarrow",
        "scipy",
        "sklearn",
        "matplotlib",
        "plotly",
        "huggingface_hub",
        "PIL",
        "onnx",
        "starlette",
    ),
}
COMMANDS = ["train", "check", "predict", "images", "modes", "augmentations", "compare", "probe", "spectrum"]


def imported_by(code):
    """Which of SLOW are loaded when `code` has run."""
    told = f"{code}\nprint('imported', *sorted({SLOW} & set(__import__('sys').modules)), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", f"import sys\n{told}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split()[1:])


@pytest.mark.parametrize("command", COMMANDS)
def test_help_imports_nothing_slow(command):
    code = f"""
from eigenstep.cli import main
try:
    main([{command!r}, "--help"])
except SystemExit as end:
    assert not end.code
"""
    assert imported_by(code) == set()


@pytest.mark.slow
def test_the_first_step_of_the_small_network_imports_torch_and_what_reads_images(tmp_path):
    code = f"""
from eigenstep.cli import main
options = "--steps 1 --batch-size 8 --images.patches 16 --quiet --device cpu --threads 1"
assert main(["train", *options.split(), "--out", {str(tmp_path / "run")!r}]) == 0
"""
    assert imported_by(code) == {"torch", "PIL", "scipy"}


@pytest.mark.slow
def test_a_check_imports_no_more_than_the_training(tmp_path):
    code = """
from eigenstep.cli import main
assert main("check --batch-size 64 --images.patches 256 --device cpu --threads 1".split()) in (0, 1)
"""
    assert imported_by(code) <= {"torch", "PIL", "scipy"}


def test_the_configuration_of_a_training_needs_no_torch():
    code = 'from eigenstep.training import TrainConfig\nTrainConfig(loss="mae")'
    assert imported_by(code) == set()


def test_a_room_names_its_public_modules():
    code = "import eigenstep.training\nassert eigenstep.training.recipes.recipe_names()"
    assert imported_by(code) == set()


def test_a_name_that_a_room_has_not_is_an_attribute_error():
    import eigenstep.training

    with pytest.raises(AttributeError, match=r"module 'eigenstep.training' has no attribute 'trian'"):
        _ = eigenstep.training.trian

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from eigenstep.training.recipes import recipe_names

ROOT = Path(__file__).parents[3]


def test_the_wheel_holds_every_recipe(tmp_path):
    pytest.importorskip("hatchling")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT, check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    shipped = set(zipfile.ZipFile(wheel).namelist())
    assert {f"eigenstep/training/recipes/{name}.yaml" for name in recipe_names()} <= shipped

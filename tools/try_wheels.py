"""Build the sdist and the wheel, and try the wheel in an empty environment of each Python that is found.

    python tools/try_wheels.py                # the base on each Python, the extra `train` on the newest
    python tools/try_wheels.py --train all    # and `train` on each
    python tools/try_wheels.py --out dist     # keep the two files, for twine

Needs pip and a package index, and nothing installed. Environments are made in a temporary folder, which is
removed at the end, by Ctrl-C and by SIGTERM too. The exit code is 1 if anything failed; a Python that was not
found is named, and is no failure.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).parents[1]
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
# An environment of its own can be made with it, and it is the version that its name says.
ASKED = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"

# What the base install does without: everything that comes with an extra.
BASE = """
import importlib.util, subprocess, sys
import numpy as np
import eigenstep
there = [name for name in ("torchvision", "timm", "tyro", "rich", "yaml") if importlib.util.find_spec(name)]
assert not there, f"the base install has {there}"
x = np.random.default_rng(0).normal(size=(60, 4))
model = eigenstep.ContrastiveKernelPCA(2, kernel="rbf", y_is="view").fit(x, x + 0.1)
assert model.transform(x).shape == (60, 2) and np.isfinite(model.learning_times(init_scale=1e-4)).all()
import torch, eigenstep.losses
assert torch.isfinite(eigenstep.losses.BarlowTwinsLoss()(torch.randn(16, 4), torch.randn(16, 4)))
"""
# Images to train on, each of one colour under noise.
DRAWN = """
import pathlib, numpy as np
from PIL import Image
folder, drawn = pathlib.Path("drawn"), np.random.default_rng(0)
folder.mkdir()
for number in range(24):
    pixels = drawn.integers(0, 60, (24, 20, 3)) + drawn.integers(0, 190, 3)
    Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
"""
TRAINING = (
    *("train", "--data", "drawn", "--out", "run", "--steps", "2", "--batch-size", "8", "--images.size", "16"),
    *("--threads", "1", "--device", "cpu"),
)


@dataclass(frozen=True)
class Tried:
    """What came of an environment: `failed` is empty where all was right."""

    python: str
    extra: str
    seconds: float
    megabytes: float
    checks: int
    failed: str = ""


class Failed(Exception):
    """A command that ended otherwise than expected, with the last that it said."""


def find_pythons(path: str, pyenv: Path) -> dict[str, Path]:
    """A Python of each of `VERSIONS` that can make environments: of `path`, or else of pyenv's folder."""
    found: dict[str, Path] = {}
    for version in VERSIONS:
        # pyenv's own commands on the path fail for a version that is not chosen there.
        named = [shutil.which(f"python{version}", path=folder) for folder in path.split(os.pathsep)]
        kept = sorted(pyenv.glob(f"versions/{version}.*/bin/python"))
        for candidate in [*(Path(name) for name in named if name), *kept]:
            if answers(candidate, version):
                found[version] = candidate
                break
    return found


def answers(python: Path, version: str) -> bool:
    try:
        done = subprocess.run([python, "-c", ASKED], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and done.stdout.strip() == version


def package_files(names: Iterable[str]) -> set[str]:
    """The files of the package among those of a wheel, of an sdist or of git, by one name."""
    parts = [name.split("/") for name in names if not name.endswith("/")]
    return {"/".join(each[each.index("eigenstep") :]) for each in parts if _is_of_package(each)}


def _is_of_package(parts: list[str]) -> bool:
    """Below `eigenstep` of a wheel, `src/eigenstep` of git, `eigenstep-VERSION/src/eigenstep` of an sdist."""
    return parts[0] == "eigenstep" or parts[:2] == ["src", "eigenstep"] or parts[1:3] == ["src", "eigenstep"]


def build(out: Path, place: Path) -> tuple[Path, Path]:
    """The sdist and the wheel that is built from it. Raises Failed where they, or git, have other files."""
    make_environment(Path(sys.executable), place)
    install(place, "build")
    call(place / "bin/python", "-m", "build", "--outdir", out, ROOT)  # the wheel from the sdist
    (sdist,), (wheel,) = out.glob("eigenstep-*.tar.gz"), out.glob("eigenstep-*.whl")
    with tarfile.open(sdist) as tar, zipfile.ZipFile(wheel) as archive:
        of_sdist, of_wheel = package_files(tar.getnames()), package_files(archive.namelist())
    folders = {name.rpartition("/")[0] for name in of_sdist}
    differ = (of_sdist - folders) ^ of_wheel
    tracked = subprocess.run(["git", "ls-files", "src"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode == 0:  # elsewhere than in a clone the two have each other alone
        differ |= package_files(tracked.stdout.splitlines()) ^ of_wheel
    if differ:
        raise Failed(f"the sdist, the wheel and git differ in {', '.join(sorted(differ)[:5])}")
    return sdist, wheel


def make_environment(python: Path, place: Path) -> None:
    call(python, "-m", "venv", place)


def install(place: Path, what: str) -> float:
    """Seconds that it took. What is not imported is not compiled, which is a third of the time for torch."""
    start = time.perf_counter()
    call(place / "bin/python", "-m", "pip", "install", "--quiet", "--no-compile", what)
    return time.perf_counter() - start


def try_base(place: Path, folder: Path, version: str) -> int:
    """How many checks the base install has passed."""
    call(place / "bin/python", "-c", BASE, folder=folder)
    said = call(place / "bin/eigenstep", "--version", folder=folder).strip()
    if said != version:
        raise Failed(f"eigenstep --version says {said!r}, the wheel is {version}")
    said = call(place / "bin/eigenstep", folder=folder, code=1)
    if "pip install 'eigenstep[train]'" not in said:
        raise Failed(f"eigenstep without the extra train says {said!r}")
    return 3


def try_train(place: Path, folder: Path, version: str) -> int:
    """How many checks the extra `train` has passed: a training, its report, and what is taken away."""
    call(place / "bin/python", "-c", DRAWN, folder=folder)
    if version not in call(place / "bin/eigenstep", folder=folder):
        raise Failed("eigenstep does not greet with its version")
    commands = [
        ("doctor",),
        TRAINING,
        ("report", "run"),
        ("export", "run", "--format", "timm", "--out", "backbone.safetensors"),
    ]
    for command in commands:
        call(place / "bin/eigenstep", *command, folder=folder)
    written = ("run/summary.json", "run/report.html", "backbone.safetensors", "backbone.safetensors.md")
    missing = [name for name in written if not (folder / name).is_file()]
    if missing:
        raise Failed(f"not written: {', '.join(missing)}")
    return len(commands) + 2


def call(*command: object, folder: Path | None = None, code: int = 0) -> str:
    """What a command says. Raises Failed where its exit code is another one."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=environment | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != code:
        said = done.stdout.strip().splitlines()[-5:]
        what = " ".join(str(part).partition("\n")[0] for part in command[1:4])
        raise Failed(f"{what} ended with {done.returncode}: {' / '.join(said)}")
    return done.stdout


def try_python(version: str, python: Path, wheel: Path, place: Path, with_train: bool) -> Iterator[Tried]:
    """The base alone and then, in the same environment, the extra `train`."""
    environment, folder = place / "environment", place / "work"
    folder.mkdir(parents=True)
    make_environment(python, environment)
    for extra, trying in (("", try_base), ("train", try_train))[: 1 + with_train]:
        seconds = 0.0
        try:
            seconds = install(environment, f"{wheel}[{extra}]" if extra else str(wheel))
            checks, failed = trying(environment, folder, wheel.name.split("-")[1]), ""
        except Failed as error:
            checks, failed = 0, str(error)
        yield Tried(version, extra or "base", seconds, megabytes(environment), checks, failed)
        if failed:
            return


def megabytes(folder: Path) -> float:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def table(rows: Iterable[Tried]) -> Iterator[str]:
    yield "| Python | extra | install | environment | checks |"
    yield "| --- | --- | --- | --- | --- |"
    for row in rows:
        said = f"failed: {row.failed}" if row.failed else f"{row.checks} passed"
        yield f"| {row.python} | {row.extra} | {row.seconds:.0f} s | {row.megabytes:,.0f} MB | {said} |"


def trains_on(which: str, found: Mapping[str, Path]) -> set[str]:
    """The Pythons on which the extra `train` is tried."""
    newest = [version for version in VERSIONS if version in found][-1:]
    return {"all": set(found), "newest": set(newest), "none": set()}[which]


def stop(*_: object) -> NoReturn:
    raise SystemExit(143)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--train", choices=("newest", "all", "none"), default="newest")
    parser.add_argument("--python", nargs="+", choices=VERSIONS, default=VERSIONS, help="which to look for")
    parser.add_argument("--out", type=Path, help="a folder to keep the sdist and the wheel in")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, stop)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = find_pythons(os.environ.get("PATH", ""), pyenv)
    found = {version: python for version, python in found.items() if version in options.python}
    missing = [version for version in options.python if version not in found]
    if missing:
        print(f"not found, and not tried: Python {', '.join(missing)}", flush=True)
    with tempfile.TemporaryDirectory(prefix="eigenstep-wheels-") as folder:
        place = Path(folder)
        os.environ["TMPDIR"] = folder  # for pip, which leaves folders behind where it is killed
        try:
            sdist, wheel = build(place / "dist", place / "build")
        except Failed as error:
            print(f"not built: {error}")
            return 1
        for file in (sdist, wheel):
            print(f"{file.name}: {file.stat().st_size / 1e6:.2f} MB", flush=True)
            if options.out:
                options.out.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, options.out)
        rows: list[Tried] = []
        for version, python in found.items():
            own = place / version
            for row in try_python(version, python, wheel, own, version in trains_on(options.train, found)):
                rows.append(row)
                print(list(table([row]))[-1], flush=True)
            shutil.rmtree(own)  # several would not fit onto a small disk
    print("\n".join(["", *table(rows)]))
    return int(not rows or any(row.failed for row in rows))


if __name__ == "__main__":
    sys.exit(main())

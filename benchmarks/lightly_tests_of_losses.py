"""lightly's own tests of its losses, run on the losses here.

    git clone --depth 1 https://github.com/lightly-ai/lightly && \\
        python benchmarks/lightly_tests_of_losses.py --lightly lightly

The checkout is copied to a temporary folder, and the classes that are here too are replaced there by the
adapter that is printed; nothing is installed. First its tests run on lightly's own losses, then on these.
Each failure must be explained below and each explained test must fail: otherwise the exit code is 1.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path
from shutil import copytree

import eigenstep

REPLACED = {
    "barlow_twins_loss": ["BarlowTwinsLoss"],
    "dcl_loss": ["DCLLoss", "DCLWLoss"],
    "negative_cosine_similarity": ["NegativeCosineSimilarity"],
    "ntx_ent_loss": ["NTXentLoss"],
    "vicreg_loss": ["VICRegLoss"],
    "wmse_loss": ["WMSELoss"],
}

ADAPTER = '''
from eigenstep.losses import BarlowTwinsLoss, DCLLoss, NegativeCosineSimilarity, NTXentLoss, VICRegLoss
from eigenstep.losses import WMSELoss as TwoViewWMSELoss

class DCLWLoss(DCLLoss):
    def __init__(self, temperature=0.1, sigma=0.5, gather_distributed=False):
        super().__init__(temperature, None, gather_distributed, sigma=sigma)

class WMSELoss(TwoViewWMSELoss):
    """Both views in one tensor; sizes of sub-batches and running statistics have no counterpart."""
    def __init__(self, embedding_dim=128, momentum=0.01, eps=0.0, track_running_stats=True,
                 w_iter=1, w_size=256, loss_fn=None, num_samples=2):
        super().__init__(eps=eps)

    def forward(self, input):
        return super().forward(*input.chunk(2))
'''

# Seconds that they may take.
LONGEST = 300

# What the tests use of pytest-mock.
MOCKER = """
import pytest
from unittest import mock

class MockerFixture:
    @property
    def patch(self):
        return self

    def object(self, *args, **options):
        return mock.patch.object(*args, **options).start()

@pytest.fixture
def mocker():
    yield MockerFixture()
    mock.patch.stopall()
"""

ONE_PAIR = "a batch of one pair is refused: it has no negatives, so the loss is 0 whatever the embeddings"
MEMORY_BANK = "there is no memory bank: any size but 0 is refused"
ASSERTION = "refused by a ValueError that says what to do; the test wants an AssertionError"
SUB_BATCHES = "the whole batch of two views is whitened at once: sizes of sub-batches are never looked at"

# Expressions for names of tests, and why they fail.
EXPLAINED = {
    r"test_ntx_ent_loss::test_with_values\[.*-1\]": ONE_PAIR,
    r"test_ntx_ent_loss::test_with_correlated_embedding\[.*-0-1\]": ONE_PAIR,
    r"test_ntx_ent_loss::test_forward_pass(_1d)?": f"its first batch: {ONE_PAIR}",
    r"test_ntx_ent_loss::test_with_correlated_embedding\[.*-[1-9]\d*-\d+\]": MEMORY_BANK,
    r"test_ntx_ent_loss::test_forward_pass_memory_bank": MEMORY_BANK,
    r"test_ntx_ent_loss::test_forward_pass_neg_temp": "a negative temperature is refused",
    r"test_dcl_loss::test_dclloss_forward\[.*\]": "weights are sigma=0.5, as in DCLWLoss, not a function",
    r"test_vicreg_loss::test_forward_pass__error_(batch_size_1|different_shapes)": ASSERTION,
    r"test_vicreg_loss::test_forward__compare_vicregl": "embeddings are (batch, dim), and maps are refused",
    r"test_wmse_loss::test_embedding_dim_error": SUB_BATCHES,
    r"test_wmse_loss::test_num_samples_error": SUB_BATCHES,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--lightly", type=Path, required=True, help="a checkout of lightly, with its tests")
    checkout = parser.parse_args().lightly
    if not (checkout / "tests" / "loss").is_dir():
        parser.error(f"expected a checkout of lightly with tests/loss, got {checkout}")
    print(f"The adapter:\n{ADAPTER}")
    print(f"lightly's losses: {_counts(_run(checkout, replaced=False))}")
    outcomes = _run(checkout, replaced=True)
    print(f"losses here:      {_counts(outcomes)}\n")
    wrong = [
        f"{name} ran no test"
        for name in REPLACED
        if not any(test.startswith(f"test_{name}::") for test in outcomes)
    ]
    for pattern, reason in EXPLAINED.items():
        found = {test: outcome for test, outcome in outcomes.items() if re.fullmatch(pattern, test)}
        failed = [test for test, outcome in found.items() if outcome == "failed"]
        print(f"{len(failed):3} failed of {pattern}\n      {reason}")
        wrong += [
            f"{test} is explained, but {outcome}" for test, outcome in found.items() if outcome != "failed"
        ]
        wrong += [] if found else [f"{pattern} is explained, but there is no such test"]
    wrong += [
        f"{test} failed without an explanation"
        for test, outcome in outcomes.items()
        if outcome == "failed" and not any(re.fullmatch(pattern, test) for pattern in EXPLAINED)
    ]
    print(
        "\n".join(["", *wrong]) if wrong else "\nEvery failure is explained, and every explained test fails."
    )
    return 1 if wrong else 0


def _run(checkout: Path, *, replaced: bool) -> dict[str, str]:
    """The outcome of each test of the losses that are here too: passed, failed or skipped."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("lightly", "tests"):
            copytree(checkout / part, folder / part)
        (folder / "pytest_mock.py").write_text(MOCKER)
        (folder / "adapter.py").write_text(ADAPTER)
        (folder / "pytest.ini").write_text("[pytest]\n")
        for module, names in REPLACED.items() if replaced else ():
            with (folder / "lightly" / "loss" / f"{module}.py").open("a") as file:
                file.write(f"\nfrom adapter import {', '.join(names)}\n")
        files = [f"tests/loss/test_{module}.py" for module in REPLACED]
        # Processes that the tests start import the tests' own modules.
        paths = [folder, folder / "tests" / "loss", Path(eigenstep.__file__).parents[1]]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths)), "USE_PYTEST_POOL": "1"}
        command = [sys.executable, "-m", "pytest", "-p", "pytest_mock", "--junitxml=found.xml", *files]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=LONGEST
        )
        if not (folder / "found.xml").is_file():
            raise SystemExit(f"lightly's tests did not run:\n{done.stdout}{done.stderr}")
        cases = list(ElementTree.parse(folder / "found.xml").iter("testcase"))
    return {_name(case): _outcome(case) for case in cases}


def _name(case: ElementTree.Element) -> str:
    file = next(part for part in case.get("classname", "").split(".") if part.startswith("test_"))
    return f"{file}::{case.get('name')}"


def _outcome(case: ElementTree.Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    return "skipped" if case.find("skipped") is not None else "passed"


def _counts(outcomes: dict[str, str]) -> str:
    counts = Counter(outcomes.values())
    return ", ".join(f"{counts[kind]} {kind}" for kind in ("passed", "failed", "skipped"))


if __name__ == "__main__":
    sys.exit(main())

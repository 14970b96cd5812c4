"""scikit-learn's own tests of KernelPCA, run on ContrastiveKernelPCA.

    python benchmarks/peer_tests_kernel_pca.py

The test file is that of the installed scikit-learn. A copy in a temporary folder has KernelPCA replaced by an
adapter, which renames options and sets what makes the two alike: no pairs, center=True, whiten=False. Tests
that fail have a reason in `REASONS`; one that fails without, or passes in spite of one, makes exit code 1.
"""

import os
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sklearn
import sklearn.decomposition
from sklearn.metrics.pairwise import pairwise_kernels

from eigenstep import ContrastiveKernelPCA

SOLVERS = {"auto": "auto", "dense": "dense", "arpack": "krylov", "randomized": "krylov"}
MAPPING = f"""always: center=True, whiten=False
eigen_solver -> solver: {SOLVERS}
kernel of two vectors -> pairwise_kernels(metric=kernel), of two blocks of rows
remove_zero_eig -> nothing, zero eigenvalues are never kept
other options: as they are"""

NO_MODE = "rows that are all alike have no mode: an error here, zeros or no columns there"
ZEROS = "an eigenvalue of zero is no mode: it is left out, with a warning, where KernelPCA keeps it as 0"
ASYMMETRIC = "a kernel that is not symmetric is refused, where KernelPCA centres it and reads one half"
INDEFINITE = (
    "a kernel with negative eigenvalues is refused, however few components KernelPCA could give of it"
)
REASONS = {
    "test_remove_zero_eig": NO_MODE,
    "test_kernel_conditioning": ZEROS,
    **{f"test_kernel_pca_precomputed_non_symmetric[{solver}]": ASYMMETRIC for solver in SOLVERS},
    # "randomized" expects the refusal.
    **{f"test_precomputed_kernel_not_psd[{solver}]": INDEFINITE for solver in ("auto", "dense", "arpack")},
}


class KernelPCA(ContrastiveKernelPCA):
    """KernelPCA by its own names."""

    def __init__(
        self,
        n_components: int | None = None,
        *,
        kernel: Any = "linear",
        gamma: float | None = None,
        degree: float = 3,
        coef0: float = 1,
        kernel_params: Any = None,
        alpha: float = 1.0,
        fit_inverse_transform: bool = False,
        eigen_solver: str = "auto",
        remove_zero_eig: bool = False,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            n_components,
            kernel=partial(pairwise_kernels, metric=kernel) if callable(kernel) else kernel,
            gamma=gamma,
            degree=degree,
            coef0=coef0,
            kernel_params=kernel_params,
            alpha=alpha,
            fit_inverse_transform=fit_inverse_transform,
            solver=SOLVERS[eigen_solver],
            center=True,
            whiten=False,
            random_state=random_state,
        )
        self.eigen_solver, self.remove_zero_eig = eigen_solver, remove_zero_eig


class Outcomes:
    """A plugin of pytest that keeps each test's outcome and error."""

    def __init__(self) -> None:
        self.passed: list[str] = []
        self.failed: dict[str, str] = {}
        self.skipped: list[str] = []

    def pytest_runtest_logreport(self, report: Any) -> None:
        name = report.nodeid.split("::")[-1]
        if report.failed:
            self.failed[name] = report.longrepr.reprcrash.message.splitlines()[0]
        elif report.skipped:
            self.skipped.append(name)
        elif report.when == "call":
            self.passed.append(name)


def main() -> bool:
    theirs = Path(sklearn.decomposition.__file__).parent / "tests" / "test_kernel_pca.py"
    text = theirs.read_text()
    line = "from sklearn.decomposition import PCA, KernelPCA\n"
    if text.count(line) != 1:
        raise SystemExit(f"expected one line {line!r} in {theirs}, got {text.count(line)}; adapt this script")
    ours = f"from sklearn.decomposition import PCA\nfrom {Path(__file__).stem} import KernelPCA\n"
    outcomes = Outcomes()
    sys.path.insert(0, str(Path(__file__).parent))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "test_kernel_pca.py"
        copy.write_text(text.replace(line, ours))
        # The seed that scikit-learn's own runs take by default.
        copy.with_name("conftest.py").write_text(
            "import pytest\n\n@pytest.fixture\ndef global_random_seed():\n    return 42\n"
        )
        options = ["-p", "no:cacheprovider", "-p", "no:terminal", "--rootdir", folder, "-c", os.devnull]
        pytest.main([*options, str(copy)], plugins=[outcomes])
    print(f"scikit-learn {sklearn.__version__}, {theirs.name}, with\n{MAPPING}\n")
    print(f"{len(outcomes.passed)} passed, {len(outcomes.failed)} failed, {len(outcomes.skipped)} skipped")
    for name, error in outcomes.failed.items():
        print(f"\n{name}\n  {error}\n  reason: {REASONS.get(name, 'NONE IS KNOWN')}")
    surprises = [f"{name} passed" for name in REASONS if name in outcomes.passed]
    surprises += [f"{name} did not run" for name in REASONS if name in outcomes.skipped]
    surprises += [f"{name} failed" for name in outcomes.failed if name not in REASONS]
    if not outcomes.passed:
        surprises.append("no test ran")
    print("\nnot expected: " + ("; ".join(surprises) or "nothing"))
    return len(surprises) > 0


if __name__ == "__main__":
    sys.exit(main())

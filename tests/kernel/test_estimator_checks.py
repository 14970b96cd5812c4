"""scikit-learn's own checks, on every kernel, objective and solver, centred and not.

The suite runs a covering part: each kernel once, and each objective with each solver. All of it, in some two
minutes:

    EIGENSTEP_EVERY_CHECK=1 python -m pytest tests/kernel/test_estimator_checks.py
"""

import itertools
import os

import numpy as np
import pytest
from sklearn.utils.estimator_checks import check_estimator

from eigenstep import ContrastiveKernelPCA
from eigenstep.kernel.functions import KERNEL_NAMES

OBJECTIVES = ("barlow_twins", "simclr", "vicreg")
SOLVERS = ("dense", "krylov", "nystrom")


def own_kernel(a, b):
    return np.exp(-np.abs(a[:, None] - b[None]).sum(axis=2) / 10)


KERNELS = (*KERNEL_NAMES, "precomputed", own_kernel)
# Data of the checks are large enough to make a steeper sigmoid kernel indefinite.
OPTIONS = {"sigmoid": {"gamma": 1e-6, "coef0": 0}}


def possible(kernel, solver, center):
    """Whether the combination is not refused as such, which `test_hard_inputs` and `test_indefinite` hold."""
    return (kernel, solver) != ("precomputed", "nystrom") and (center or kernel != "additive_chi2")


def expected_failures(kernel, solver, center):
    if kernel == "precomputed":
        failures = {
            "check_estimators_dtypes": "a kernel matrix that is cut to integers has negative eigenvalues"
        }
        if not center:
            failures["check_positive_only_tag_during_fit"] = (
                "the check's matrix of normal numbers is no kernel"
            )
        return failures
    if kernel == "cosine" and solver == "nystrom" and center:
        return {
            "check_fit2d_1feature": "cosines of one feature are 1: the message tells of rows, not of features"
        }
    return {}


EVERY = [
    combination
    for combination in itertools.product(KERNELS, OBJECTIVES, SOLVERS, (False, True))
    if possible(combination[0], *combination[2:])
]
COVERING = [
    (kernel, OBJECTIVES[at % 3], SOLVERS[at // 3 % 3], kernel == "additive_chi2" or at % 2 == 1)
    for at, kernel in enumerate(KERNELS)
]


def test_the_covering_part_has_each_kernel_and_each_objective_with_each_solver():
    assert set(COVERING) <= set(EVERY)
    assert {kernel for kernel, *_ in COVERING} == set(KERNELS)
    assert {(objective, solver) for _, objective, solver, _ in COVERING} == set(
        itertools.product(OBJECTIVES, SOLVERS)
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("kernel", "objective", "solver", "center"),
    EVERY if os.environ.get("EIGENSTEP_EVERY_CHECK") else COVERING,
)
def test_scikit_learns_checks_fail_where_that_is_expected_and_nowhere_else(kernel, objective, solver, center):
    options = {"objective": objective, "solver": solver, "center": center} | OPTIONS.get(kernel, {})
    model = ContrastiveKernelPCA(1, kernel=kernel, n_landmarks=10, random_state=0, **options)
    expected = expected_failures(kernel, solver, center)
    results = check_estimator(model, expected_failed_checks=expected, on_skip=None, on_fail=None)
    by_status = {
        status: {
            result["check_name"]: result["exception"] for result in results if result["status"] == status
        }
        for status in ("passed", "xfail", "failed")
    }
    assert not by_status["failed"], by_status["failed"]
    assert set(by_status["xfail"]) == set(expected)
    assert len(by_status["passed"]) > 40

"""What checks of a batch say for causes."""

import pytest

from eigenstep.advice import CAUSES, Signs, advise_signs
from eigenstep.advice.checks import CHECKS, Check, Checked, Finding
from eigenstep.analysis.verdicts import Verdict

BY_NAME = {check.name: check for check in CHECKS}
SPOKEN = [(name, fault) for name, cause in CAUSES.items() for fault in cause.checks]


def checked(fault, state):
    name, _, kind = fault.partition(": ")
    return Checked([(BY_NAME[name], Finding(state, "so it was found", "do this", kind))], 64, 64, 0.0)


def advised(found):
    return advise_signs(Signs({"measurements": 1.0}, {}, "growing"), Verdict("growing", "", {}), found)


@pytest.mark.parametrize(("name", "fault"), SPOKEN)
def test_what_is_wrong_names_its_cause_and_what_is_doubtful_alone_does_not(name, fault):
    found = advised(checked(fault, "wrong"))
    assert [each.cause.name for each in found.causes] == [name]
    assert found.causes[0].action.said in found.sentence
    found = advised(checked(fault, "doubtful"))
    assert [each.cause.name for each in found.considered] == [name]
    assert not found.ill


def test_two_doubts_of_one_cause_name_it():
    faults = ("rate: high", "update: large")
    findings = [each for fault in faults for each in checked(fault, "doubtful").findings]
    assert [each.cause.name for each in advised(Checked(findings, 64, 64, 0.0)).causes] == ["rate_too_high"]


def test_what_is_wrong_and_on_no_list_is_a_symptom_with_what_to_do():
    found = advised(checked("repetition", "wrong"))
    assert found.unknown
    assert "a batch now, repetition: so it was found; do this" in found.sentence


@pytest.mark.parametrize("state", ["passed", "not checked"])
def test_what_is_not_wrong_says_nothing(state):
    found = advised(Checked([(Check("moves", "network", print), Finding(state, "all is well"))], 64, 64, 0.0))
    assert not found.causes
    assert not found.considered

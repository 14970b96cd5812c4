"""Every odd data set is read as those read it who wrote it, and nothing of it is lost without a word."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from odd_inputs import CASES, FULL, look


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_an_odd_data_set_is_read_value_by_value(name, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    seen = look(name, folder)
    expected, facts = seen.expected, seen.facts
    assert seen.images.shape == np.stack(expected.images).shape
    # Half a level of the stored type.
    assert seen.error <= expected.within + 0.5 / FULL.get(facts["dtype"], np.inf)
    assert (facts["used"], facts["broken"]) == (len(expected.images), expected.broken)
    assert sum(facts["passed_over"].values()) == expected.passed_over
    assert len(facts["broken_names"]) == expected.broken
    if expected.labels is not None:
        assert seen.labels == expected.labels

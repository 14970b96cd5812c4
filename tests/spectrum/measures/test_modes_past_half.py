import json

import numpy as np
import pytest

from eigenstep.record import read_record
from eigenstep.spectrum import measures
from eigenstep.spectrum.measures import modes_past_half, modes_past_half_from_eigenvalues
from eigenstep.theory import half_times, mode_eigenvalues


def test_along_the_theorys_trajectory_each_mode_is_learned_from_its_half_time_on():
    gammas = np.array([1.0, 0.5, 0.25, -0.5])
    times = half_times(gammas[:3], 1e-3)
    for side, learned in ((0.999, [0, 1, 2]), (1.001, [1, 2, 3])):
        curves = mode_eigenvalues(gammas, 1e-3, side * times)
        assert [modes_past_half_from_eigenvalues(row) for row in curves] == learned


def test_the_plateau_is_compared_in_the_embeddings_own_scale(pair_of_views):
    a, b, _, cross = pair_of_views(300, 6)
    plateau = 2 * np.median(np.linalg.eigvalsh(cross))
    assert modes_past_half(a, b, center=True, plateau=plateau) == 3
    assert modes_past_half(1e-3 * a, 1e-3 * b, center=True, plateau=plateau) == 0
    assert modes_past_half(1e-3 * a, 1e-3 * b, center=True, plateau=1e-6 * plateau) == 3


def test_a_common_mean_is_a_mode_only_without_centring(pair_of_views):
    a, b, _, _ = pair_of_views(100, 4)
    assert modes_past_half(1e-3 * a + 5, 1e-3 * b + 5, center=False) == 1
    assert modes_past_half(1e-3 * a + 5, 1e-3 * b + 5, center=True) == 0


@pytest.mark.filterwarnings("error")
def test_a_nan_gives_nan():
    z = np.full((5, 2), np.nan)
    assert np.isnan(modes_past_half(z, z, center=True))
    assert np.isnan(modes_past_half_from_eigenvalues([1.0, np.nan]))
    assert np.isnan(modes_past_half_from_eigenvalues([1.0, 0.5], plateau=np.nan))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e200])
def test_what_cannot_be_squared_is_not_known(value):
    z = np.full((4, 2), value)
    assert np.isnan(modes_past_half(z, z, center=True))


@pytest.mark.parametrize("name", ["learned_modes", "learned_modes_from_eigenvalues"])
def test_the_old_name_says_the_new_one(name):
    new = name.replace("learned_modes", "modes_past_half")
    with pytest.warns(DeprecationWarning, match=f"{name} is now {new}"):
        assert getattr(measures, name) is getattr(measures, new)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        measures.nonsense  # noqa: B018


def test_a_record_made_under_the_old_name_is_read_under_the_new_one(tmp_path):
    row = {"step": 0, "time": 0.0, "loss": 1.0, "measures": {"learned_modes": 3.0, "rank_me": 2.0}}
    (tmp_path / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    metrics = read_record(tmp_path).metrics
    assert metrics["measures/modes_past_half"].tolist() == [3.0]
    assert "measures/learned_modes" not in metrics

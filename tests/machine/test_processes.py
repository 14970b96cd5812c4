import subprocess
import sys
from pathlib import Path

import pytest
import torch

from eigenstep.machine import (
    gather_later,
    gather_objects,
    gather_rows,
    is_leader,
    max_over_processes,
    mean_over_processes,
    on_leader,
    own_rank,
    row_counts,
    same_everywhere,
    sum_over_processes,
    world_size,
)

pytestmark = pytest.mark.slow

WORLD = 3


def test_without_a_process_group_everything_is_the_own(monkeypatch):
    rows = torch.rand(5, 3)
    for function in (gather_rows, sum_over_processes, mean_over_processes, max_over_processes):
        assert function(rows) is rows
    assert same_everywhere(rows) is rows
    assert torch.equal(gather_later(rows, 9)(), rows)
    assert row_counts(5, rows.device) == [5]
    assert gather_objects("one") == ["one"]
    assert on_leader(lambda: "led") == "led"
    assert (own_rank(), world_size(), is_leader()) == (0, 1, True)
    monkeypatch.setenv("RANK", "1")
    assert not is_leader()  # the launcher has said so before the group is there


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> list[dict]:
    """What each of three processes holds: with three rows, none and two."""
    folder = tmp_path_factory.mktemp("ranks")
    command = [sys.executable, str(Path(__file__).parent / "rank_worker.py")]
    ranks = [subprocess.Popen([*command, str(rank), str(WORLD), str(folder)]) for rank in range(WORLD)]
    try:
        assert [rank.wait(timeout=120) for rank in ranks] == [0] * WORLD
    finally:
        for rank in ranks:
            rank.kill()
    return [torch.load(folder / f"rank{rank}.pt") for rank in range(WORLD)]


def test_rows_are_joined_in_the_order_of_the_ranks_however_many_each_brings(found):
    joint = torch.cat([each["own"] for each in found])
    for each in found:
        assert each["counts"] == [3, 0, 2]
        assert torch.equal(each["joint"], joint)
        assert torch.equal(each["later"], torch.stack([joint, -joint]))
        assert each["later"].dtype == torch.float32


def test_a_gradient_is_that_of_the_sum_of_all_results(found):
    weights = torch.arange(1.0, 6)[:, None].expand(5, 2) * (1 + 2 + 3)
    for each, expected in zip(found, weights.split([3, 0, 2]), strict=True):
        assert torch.equal(each["gradient"], expected)


def test_values_are_reduced_over_all_and_the_own_one_is_kept(found):
    for rank, each in enumerate(found):
        assert each["sum"].tolist() == [3, -3]
        assert each["mean"].tolist() == [1, -1]
        assert each["largest"].tolist() == [2, 0]
        assert each["value"].tolist() == [rank, -rank]
        assert each["same"].tolist() == [0, 0]
        assert each["objects"] == [{"rank": 0}, {"rank": 1}, {"rank": 2}]


def test_the_leader_works_for_all_and_its_error_is_raised_in_all(found):
    assert [each["place"] for each in found] == [(0, 3, True), (1, 3, False), (2, 3, False)]
    assert {each["led"] for each in found} == {"of 0"}
    assert {each["failure"] for each in found} == {"division by zero"}

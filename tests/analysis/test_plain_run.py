import numpy as np
import pytest

from eigenstep.analysis import beside_plain, differing_settings, find_plain
from eigenstep.theory import subspace_overlap


@pytest.fixture
def muon(forge):
    return forge.configuration(optimizer={"name": "muon", "lr": 0.02}, steps=120)


def test_settings_that_change_nothing_that_is_learned_do_not_count(forge):
    plain = forge.configuration()
    for change in (
        {"steps": 40},
        {"record": {"every": 7}},
        {"embedding_preconditioner": {"damping": 0.5}},
    ):
        assert differing_settings(plain, forge.configuration(**change)) == set(), change
    older = {name: value for name, value in plain.items() if name != "embedding_preconditioner"}
    assert differing_settings(plain, older) == set()
    for change, name in (
        ({"seed": 1}, "seed"),
        ({"optimizer": {"lr": 0.1}}, "optimizer.lr"),
        ({"embedding_preconditioner": {"power": 1.0}}, "embedding_preconditioner.power"),
    ):
        assert name in differing_settings(plain, forge.configuration(**change))


def test_how_long_a_run_goes_on_counts_where_its_rate_falls_towards_the_end(forge):
    falling = {"schedule": "cosine"}
    first, second = (forge.configuration(optimizer=falling, steps=steps) for steps in (300, 40))
    assert differing_settings(first, second) == {"steps"}
    falling["cosine_steps"] = 300
    first, second = (forge.configuration(optimizer=falling, steps=steps) for steps in (300, 40))
    assert differing_settings(first, second) == set()


def test_equal_ends_do_not_differ_where_the_rate_of_one_of_two_runs_falls_towards_its_end(forge):
    constant = forge.configuration()
    falling = forge.configuration(optimizer={"schedule": "cosine"})
    assert differing_settings(constant, falling) == {"optimizer.schedule"}
    shorter = forge.configuration(optimizer={"schedule": "cosine"}, steps=40)
    assert differing_settings(constant, shorter) == {"optimizer.schedule", "steps"}


def test_the_plain_run_is_the_strongest_that_differs_in_nothing_but_the_rule(forge, muon):
    fast = forge("fast", [10.0, 20.0], config=muon)
    others = [
        forge("weak", [60.0], config=forge.configuration()),
        forge("slow", [90.0, 140.0], config=forge.configuration(optimizer={"lr": 0.002})),
        forge("strong", [80.0, 130.0], config=forge.configuration(optimizer={"name": "adamw", "lr": 0.001})),
        forge("other_loss", [5.0, 6.0], config=forge.configuration(loss="simclr")),
        forge("other_seed", [5.0, 6.0], config=forge.configuration(seed=1)),
        forge("as_fast", [5.0, 6.0], config=muon),
    ]
    assert find_plain(fast, others).name == "strong"
    assert find_plain(fast, others[3:]) is None
    assert find_plain(others[0], others) is None  # it is plain itself


def test_how_many_times_sooner_is_the_plain_runs_steps_over_its_own(forge, muon):
    plain = forge("plain", [40.0, 90.0, 150.0], seconds=[0.1 * step for step in range(300)])
    fast = forge(
        "fast",
        [10.0, 18.0, 25.0, 60.0, 75.0],
        config=muon,
        rate=0.4,
        seconds=[0.2 * step for step in range(300)],
    )
    rows = {row.modes: row for row in beside_plain(plain, fast)}
    assert list(rows) == [1, 2, 3, 4]
    for modes, by_hand in {1: 40 / 10, 2: 90 / 18, 3: 150 / 25}.items():
        assert rows[modes].sooner == pytest.approx(by_hand, rel=0.02)
        assert rows[modes].seconds[0] / rows[modes].seconds[1] == pytest.approx(by_hand / 2, rel=0.02)
    assert rows[4].steps[0] is None
    assert (rows[4].sooner, rows[4].overlap) == (None, None)


def test_modes_are_the_same_where_their_functions_are(forge, muon):
    functions = forge.functions(0)
    turned = np.hstack([functions[:, :2], forge.functions(1)[:, 2:]])
    turned = np.linalg.qr(turned)[0] * np.sqrt(forge.images)
    plain = forge("plain", [40.0, 90.0, 150.0], functions=functions)
    # What a mode spans does not depend on its size.
    sizes = np.array([3.0, 2.0, 1.5, 1.0, 1.0, 1.0])
    fast = forge("fast", [10.0, 40.0, 80.0], config=muon, functions=turned * sizes)
    for modes, row in enumerate(beside_plain(plain, fast), start=1):
        assert row.overlap == pytest.approx(
            subspace_overlap(functions[:, :modes], turned[:, :modes]), abs=1e-4
        )
        assert row.chance == modes / (forge.images - 1)
        assert row.note == ""
    assert beside_plain(plain, fast)[1].overlap == pytest.approx(1, abs=1e-4)
    assert beside_plain(plain, fast)[2].overlap < 0.8


def test_modes_that_come_together_are_searched_for_in_all_of_them(forge, muon):
    functions = forge.functions(0)
    swapped = functions[:, [1, 0, 2, 3, 4, 5]]
    plain = forge("plain", [40.0, 90.0], functions=functions)
    fast = forge("fast", [20.0, 20.0], config=muon, functions=swapped)
    first, second = beside_plain(plain, fast)
    # One by one they would seem to have nothing in common: the first of the one is the second of the other.
    assert first.overlap == pytest.approx(1, abs=1e-4)
    assert first.note == "here, 2 modes came together"
    assert first.chance == 2 / (forge.images - 1)
    assert (second.note, second.overlap) == ("", pytest.approx(1, abs=1e-4))


def test_without_a_common_probe_batch_there_is_no_overlap_and_the_reason(forge, muon):
    plain = forge("plain", [40.0])
    other_images = np.ones((forge.images, 4, 4, 3), np.uint8)
    (row,) = beside_plain(plain, forge("fast", [10.0], config=muon, probe=other_images))
    assert row.sooner == pytest.approx(4, rel=0.02)
    assert (row.overlap, row.chance) == (None, None)
    assert row.note == "the records hold no probe batch of the same images"


def test_more_modes_than_directions_are_kept_have_no_overlap(forge, muon):
    plain = forge("plain", [40.0, 90.0], directions=2)
    rows = beside_plain(plain, forge("fast", [10.0, 30.0], config=muon, directions=2))
    assert rows[0].overlap is not None
    assert rows[1].overlap is None
    assert "do not stand out" in rows[1].note


def test_runs_that_learned_nothing_have_no_rows(forge, muon):
    assert beside_plain(forge("plain", [], steps=4), forge("fast", [], config=muon, steps=4)) == []

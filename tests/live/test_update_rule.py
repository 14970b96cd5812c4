import json

import pytest

from eigenstep.live import detail


def test_a_run_that_goes_on_says_its_rule_and_the_gain_so_far(forge, look):
    config = forge.configuration(embedding_preconditioner={"power": 0.5})
    forge("run", [10.0], config=config, steps=30, metrics={"embedding_gain": [float(n) for n in range(30)]})
    reply = detail(look(), {})
    assert reply["analysis"]["rule"]["name"] == "preconditioned"
    assert reply["analysis"]["rule"]["sentence"].endswith("(Cov + 0.001)^-0.5, largest gain 29")
    assert "embedding_gain" in reply["metrics"]["names"]  # the page draws it as a measure


def test_the_table_names_a_rule_that_is_not_plain(forge, look):
    forge("run", [10.0], config=forge.configuration(optimizer={"name": "muon"}), steps=30)
    assert look().card.content["about"].startswith("Barlow Twins · orthogonalised · ")


def test_of_a_plain_run_the_table_says_nothing_and_its_page_that_it_is(forge, look):
    forge("run", [10.0], steps=30)
    entry = look()
    assert "gradient" not in entry.card.content["about"]
    assert detail(entry, {})["analysis"]["rule"] == {
        "name": "gradient",
        "sentence": "SGD, learning rate 0.005",
    }


def test_of_a_run_without_a_configuration_no_rule_is_said(grow_run, look):
    grow_run(rows=30)
    assert detail(look(), {})["analysis"]["rule"] is None


@pytest.mark.parametrize("kind", ["prediction", "run"])
def test_a_closed_form_is_laid_over_what_was_measured_and_not_over_a_prediction(forge, look, kind):
    record = forge("run", [10.0], config=forge.configuration(kind=kind), steps=30)
    entries = {"gamma": [100.0], "start_scales": [1e-4], "half_times": [0.1], "learning_rate": None}
    numbers = {"power": 0.5, "damping": 1e-3}
    rule = {"rule": "preconditioned", "preconditioner": numbers}
    (record.path / "prediction.json").write_text(json.dumps(entries | rule))
    found = detail(look(), {})["facts"]["prediction"]
    assert [mode["time"] for mode in found["modes"]] == [0.1]
    assert (found["curves"] is None) == (kind == "prediction")

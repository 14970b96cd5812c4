import pytest

from eigenstep.analysis import summarise, update_rule


@pytest.mark.parametrize(
    ("optimizer", "power", "names", "sentence"),
    [
        ({"name": "sgd", "lr": 0.005}, None, ("gradient",), "SGD, learning rate 0.005"),
        ({"name": "adamw", "lr": "1e-3"}, None, ("gradient",), "AdamW, learning rate 0.001"),
        ({"name": "lars", "lr": None}, None, ("gradient",), "LARS"),
        ({"name": "muon", "lr": 0.02}, None, ("orthogonalised",), "Muon, learning rate 0.02"),
        (
            {"name": "sgd", "lr": 0.005},
            0.5,
            ("preconditioned",),
            "SGD, learning rate 0.005, with the embeddings' gradient times (Cov + 0.001)^-0.5",
        ),
        (
            {"name": "muon", "lr": 0.02},
            1,
            ("preconditioned", "orthogonalised"),
            "Muon, learning rate 0.02, with the embeddings' gradient times (Cov + 0.001)^-1",
        ),
    ],
    ids=["sgd", "adamw", "lars", "muon", "power", "both"],
)
def test_the_rule_is_what_the_configuration_says(forge, optimizer, power, names, sentence):
    config = forge.configuration(optimizer=optimizer, embedding_preconditioner={"power": power})
    record = forge("run", [], config=config, steps=4)
    rule = update_rule(record)
    assert rule.names == names
    assert rule.sentence == sentence
    assert rule.is_plain == (names == ("gradient",))
    assert summarise(record)["update_rule"] == {"names": list(names), "sentence": sentence}


def test_the_largest_gain_is_the_summarys_and_until_then_the_records(forge):
    config = forge.configuration(embedding_preconditioner={"power": 0.5})
    metrics = {"embedding_gain": [1.0, 17.25, float("nan"), 3.0], "skipped_statistics": [0.0, 0.0, 2.0, 3.0]}
    going_on = update_rule(forge("a", [], config=config, steps=4, metrics=metrics))
    assert (going_on.largest_gain, going_on.skipped) == (17.25, 3)
    assert going_on.sentence.endswith(
        "^-0.5, largest gain 17.2, 3 steps left out of Cov for not being finite"
    )
    ended = update_rule(forge("b", [], config=config, steps=4, metrics=metrics, largest_gain=31.6))
    assert ended.largest_gain == 31.6


def test_a_loss_that_brings_its_own_preconditioner_is_told_by_its_gain(forge):
    metrics = {"embedding_gain": [1.0, 17.25, float("nan"), 3.0], "skipped_statistics": [0.0, 0.0, 0.0, 0.0]}
    rule = update_rule(forge("run", [], steps=4, metrics=metrics))
    assert rule.names == ("preconditioned",)
    assert rule.sentence.endswith(
        ", with the embeddings' gradient preconditioned by the loss, largest gain 17.2"
    )


def test_an_optimiser_that_is_not_known_here_is_named_by_its_first_letters(forge):
    config = forge.configuration(optimizer={"name": "shampoo" * 1000, "lr": [1]})
    rule = update_rule(forge("run", [], config=config, steps=4))
    assert rule.sentence == ("shampoo" * 6)[:40]
    assert rule.names == ("gradient",)


@pytest.mark.parametrize(
    "config",
    [{"kind": "prediction", "optimizer": {"name": "sgd"}}, {"loss": "simclr"}, {"optimizer": "sgd"}],
    ids=["prediction", "none", "strange"],
)
def test_of_what_names_no_optimiser_nothing_is_said(forge, config):
    record = forge("run", [], config=config, steps=4)
    assert update_rule(record) is None
    assert "update_rule" not in summarise(record)

import copy

import numpy as np
import pytest

from eigenstep.advice import CAUSES, Signs, advise_signs
from eigenstep.advice.causes import NAMED
from eigenstep.analysis.verdicts import Verdict
from eigenstep.record import as_dataclass, as_yaml, config_leaves
from eigenstep.training import TrainConfig
from eigenstep.training.recipes import load_recipe, recipe_names

SOUND = {
    "measurements": 20.0,
    "steps": 100.0,
    "diverged": 0.0,
    "loss_fall": 0.2,
    "loss_worst": 0.0,
    "rate_now": 1e-3,
    "rate_mean": 1e-3,
    "variance_first": 0.3,
    "variance_now": 0.6,
    "variance_growth": 2.0,
    "variance_most": 2.2,
    "rank_first": 14.0,
    "rank_now": 16.0,
    "dim": 32.0,
    "features_rank_first": 20.0,
    "mean_cosine": 0.05,
    "embeddings_agreement_first": 0.3,
    "embeddings_agreement": 0.6,
    "features_agreement_first": 0.35,
    "features_agreement": 0.5,
    "weight_backbone": 1.02,
    "weight_projector": 1.02,
    "gradient_backbone_most": 1.0,
    "update_backbone": 4e-3,
    "update_backbone_most": 6e-3,
    "update_projector": 4e-3,
    "update_projector_most": 6e-3,
    "features_silent_now": 0.0,
    "views_mean": 0.0,
    "views_std": 1.0,
    "views_blank": 0.0,
    "views_apart": 0.6,
    "views_equal": 0.0,
    "images_distinct": 1.0,
    "batch": 128.0,
}
OPTIONS = {
    "loss": "simclr",
    "steps": 100,
    "batch_size": 128,
    "freeze": "none",
    "simclr.temperature": 0.5,
    "simclr.normalize": "cosine",
    "optimizer.name": "adamw",
    "optimizer.lr": 1e-3,
    "optimizer.weight_decay": 1e-2,
    "optimizer.warmup_steps": 0,
    "projector.hidden": [128],
    "projector.init_scale": 1.0,
    "views.crop_scale": [0.08, 1.0],
    "views.jitter_probability": 0.8,
}
# What a fault makes of a sound run's signs and options, as an engineer would foresee it.
FAULTS = {
    "rate_too_high": ({"update_backbone_most": 0.9, "weight_backbone": 4.0, "variance_most": 1e5}, {}),
    "rate_too_low": ({"update_backbone": 1e-6, "update_projector": 1e-6}, {"optimizer.lr": 1e-7}),
    "schedule": ({"rate_mean": 1e-5, "rate_now": 2e-5}, {"optimizer.warmup_steps": 10_000}),
    "decay_too_strong": ({"weight_backbone": 0.3, "weight_projector": 0.3}, {"optimizer.weight_decay": 30.0}),
    "same_view_twice": ({"views_equal": 1.0, "views_apart": 0.0, "embeddings_agreement_first": 1.0}, {}),
    "views_too_weak": (
        {"views_apart": 0.05, "features_agreement_first": 0.95},
        {"views.crop_scale": [0.95, 1.0], "views.jitter_probability": 0.0},
    ),
    "views_too_strong": (
        {"views_apart": 0.95, "features_agreement_first": 0.05},
        {"views.crop_scale": [0.01, 0.02]},
    ),
    "views_of_other_images": (
        {"views_apart": 1.0, "features_agreement_first": 0.0, "embeddings_agreement": 0.0},
        {"views.own": "python:views"},
    ),
    "images_repeated": ({"images_distinct": 0.1}, {}),
    "blank_images": ({"views_blank": 0.7, "images_distinct": 0.4, "views_equal": 0.7}, {}),
    "values_not_scaled": ({"views_std": 60.0, "views_mean": 120.0}, {}),
    "temperature": ({"loss_fall": 0.0, "embeddings_agreement": 0.1}, {"simclr.temperature": 50.0}),
    "term_weights": (
        {"rank_now": 2.0, "mean_cosine": 0.9},
        {"loss": "vicreg", "vicreg.mu_param": 0.0, "vicreg.lambda_param": 25.0, "vicreg.nu_param": 1.0},
    ),
    "bottleneck": ({"rank_first": 1.8}, {"projector.hidden": [128, 2]}),
    "batch_too_small": ({"batch": 4.0}, {"batch_size": 4}),
    "no_stop_gradient": ({"mean_cosine": 0.99, "rank_now": 1.5, "loss_fall": 0.9}, {"loss": "python:mine"}),
    "target_momentum": ({}, {"loss": "byol", "byol.momentum": 1.0}),
    "backbone_frozen": (
        {"update_backbone": 0.0, "update_backbone_most": 0.0, "gradient_backbone_most": 0.0},
        {},
    ),
    "start_too_small": ({"variance_first": 1e-9, "variance_now": 1e-8}, {"projector.init_scale": 1e-4}),
    "labels_shuffled": ({"labels_agreement": 0.0}, {"loss": "supcon"}),
    "silent_units": ({"features_silent_now": 0.6}, {}),
    "dropout_too_strong": ({"features_agreement_first": 0.04}, {}),
    "norms_in_evaluation": ({"norms_evaluating": 1.0}, {}),
    "half_precision": ({"loss_scale": 2.0}, {}),
}


def advised(numbers=(), options=(), state="growing"):
    return advise_signs(Signs(SOUND | dict(numbers), OPTIONS | dict(options), state), Verdict(state, "", {}))


def test_a_sound_run_has_no_cause():
    found = advised()
    assert not found.ill
    assert not found.considered
    assert found.sentence == ""


def test_every_cause_has_a_fault_that_shows_it():
    assert set(FAULTS) == set(CAUSES)


@pytest.mark.parametrize("name", FAULTS)
def test_its_fault_is_named_first(name):
    found = advised(*FAULTS[name])
    assert [each.cause.name for each in found.causes][:1] == [name]
    assert found.causes[0].action.said in found.sentence


@pytest.mark.parametrize("name", FAULTS)
def test_its_options_are_options_of_a_training(name):
    numbers, options = FAULTS[name]
    found = advised(numbers, options)
    known = config_leaves(as_tree(TrainConfig()))
    assert set(found.causes[0].action.changes) <= set(known)


def as_tree(config):
    import yaml

    return copy.deepcopy(yaml.safe_load(as_yaml(config)))


@pytest.mark.parametrize("name", FAULTS)
def test_after_its_change_the_option_no_longer_speaks(name):
    numbers, options = FAULTS[name]
    changes = advised(numbers, options).causes[0].action.changes
    after = advised({}, options | {key: value for key, value in changes.items() if value is not None})
    assert name not in [each.cause.name for each in after.causes]


def test_changes_make_a_configuration():
    tree = as_tree(TrainConfig())
    for numbers, options in FAULTS.values():
        for key, value in advised(numbers, options).causes[0].action.changes.items():
            *nodes, leaf = key.split(".")
            node = tree
            for each in nodes:
                node = node[each]
            node[leaf] = list(value) if isinstance(value, tuple) else value
    as_dataclass(TrainConfig, tree)


@pytest.mark.parametrize("name", ["temperature", "term_weights"])
def test_an_option_out_of_its_range_is_no_cause_without_a_symptom(name):
    _, options = FAULTS[name]
    assert not advised({}, options).causes


IMAGES = {"cifar10": 50_000, "stl10": 105_000}


@pytest.mark.parametrize("name", recipe_names())
@pytest.mark.parametrize("share", [0.02, 0.5, 1.0])
def test_a_sound_run_of_a_recipe_has_no_cause_at_any_time(name, share):
    """Recipes are published ones; over their many steps small numbers add up."""
    config = load_recipe(name)
    images = next(number for data, number in IMAGES.items() if data in name)
    steps = config.steps or config.epochs * images // config.batch_size
    warmup = max(config.optimizer.warmup_steps, config.optimizer.warmup_epochs * images // config.batch_size)
    rates = [
        config.optimizer.lr * min(1, (step + 1) / (warmup or 1)) * (1 + np.cos(np.pi * step / steps)) / 2
        for step in range(0, int(share * steps), max(1, steps // 500))
    ]
    numbers = {"steps": share * steps, "rate_mean": float(np.mean(rates)), "rate_now": rates[-1]}
    options = dict(config_leaves(as_tree(config)))
    found = advise_signs(Signs(SOUND | numbers, options, "growing"), Verdict("growing", "", {}))
    assert not found.causes, found.causes[0].evidence


@pytest.mark.parametrize("name", ["views_too_weak", "views_too_strong"])
def test_of_data_that_are_no_images_no_augmentation_is_advised(name):
    numbers, options = FAULTS[name]
    found = advised(numbers | {"views_are_images": 0.0}, options)
    assert name not in [each.cause.name for each in (*found.causes, *found.considered)]


def test_of_a_foreign_loop_each_action_is_a_line_without_options():
    for name, cause in CAUSES.items():
        numbers, _ = FAULTS[name]
        action = cause.act(Signs(SOUND | dict(numbers), {}, "growing")).of_foreign_loop()
        assert action.said
        assert not action.changes
        assert "--" not in action.said.replace("--sheet", "")


def test_two_faults_are_two_causes():
    numbers = FAULTS["values_not_scaled"][0] | FAULTS["images_repeated"][0]
    assert {each.cause.name for each in advised(numbers).causes} == {"values_not_scaled", "images_repeated"}


def test_weights_that_were_thrown_are_no_sign_of_a_missing_term():
    of_ones_own = {"loss": "python:mine", "optimizer.lr": 0.3}
    collapsed = {"mean_cosine": 0.99, "loss_fall": 0.9}
    assert [each.cause.name for each in advised(collapsed, of_ones_own).causes] == ["no_stop_gradient"]
    thrown = collapsed | {"weight_backbone": 18.0, "update_backbone_most": 0.07}
    assert [each.cause.name for each in advised(thrown, of_ones_own).causes] == ["rate_too_high"]


@pytest.mark.parametrize(("rate", "named"), [(0.06, True), (0.01, False)])
def test_a_loop_that_diverges_at_a_rate_that_is_much_for_some_losses_has_a_cause(rate, named):
    options = {"loss": "", "optimizer.name": "sgd", "optimizer.lr": rate}
    found = advised({"diverged": 1.0}, options)
    assert [each.cause.name for each in found.causes] == ["rate_too_high"] * named
    assert ("Set lr=0.006 in the optimiser" in found.sentence) is named
    scaled = advised({"diverged": 1.0, "views_std": 60.0}, options)
    assert "rate_too_high" not in [each.cause.name for each in scaled.causes]


def test_steps_that_are_small_since_all_has_collapsed_are_no_cause():
    small = {"update_backbone": 1e-6, "update_projector": 1e-6}
    assert "rate_too_low" in [each.cause.name for each in advised(small).causes]
    collapsed = advised(small | {"mean_cosine": 0.99})
    assert "rate_too_low" not in [each.cause.name for each in collapsed.causes]


def test_a_symptom_without_a_cause_is_unknown():
    found = advised({"embeddings_agreement": 0.0})
    assert found.unknown
    assert found.sentence.endswith("the cause is not on the list.")


def test_features_that_agree_less_than_at_the_start_are_a_symptom_once_enough_was_measured():
    assert advised({"features_agreement": 0.28}).unknown
    assert not advised({"features_agreement": 0.3}).ill
    assert not advised({"features_agreement": 0.28, "measurements": 5.0}).ill


def test_evidence_of_one_is_what_names_a_cause():
    assert NAMED == 1.0

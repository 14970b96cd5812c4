import pytest

from eigenstep.training import (
    CheckpointConfig,
    ImagesConfig,
    OptimizerConfig,
    ProjectorConfig,
    RecordConfig,
    TrainConfig,
    resolve,
)


@pytest.mark.parametrize("loss", ["barlow_twins", "simclr", "vicreg"])
@pytest.mark.parametrize("name", ["sgd", "adamw", "lars", "muon"])
def test_a_rate_that_is_given_is_kept_and_resolving_again_changes_nothing(loss, name):
    default = resolve(TrainConfig(loss=loss, optimizer=OptimizerConfig(name=name)))
    assert default.optimizer.lr > 0
    assert resolve(default) == default
    assert resolve(TrainConfig(optimizer=OptimizerConfig(lr=0.3))).optimizer.lr == 0.3


@pytest.mark.parametrize(("init_scale", "rate"), [(1e-2, 0.02), (1.0, 0.1)])
def test_muons_rate_is_smaller_from_a_small_start(init_scale, rate):
    projector = ProjectorConfig(init_scale=init_scale)
    config = resolve(TrainConfig(optimizer=OptimizerConfig(name="muon"), projector=projector))
    assert config.optimizer.lr == rate


@pytest.mark.parametrize(
    ("given", "momentum", "nesterov"),
    [
        (OptimizerConfig(), 0.9, False),
        (OptimizerConfig(name="lars"), 0.9, False),
        (OptimizerConfig(name="muon"), 0.95, True),
        (OptimizerConfig(name="muon", momentum=0.0), 0.0, False),
        (OptimizerConfig(name="muon", momentum=0.8, nesterov=False), 0.8, False),
        (OptimizerConfig(nesterov=True), 0.9, True),
    ],
)
def test_momentum_has_the_default_of_its_optimiser(given, momentum, nesterov):
    found = resolve(TrainConfig(optimizer=given)).optimizer
    assert (found.momentum, found.nesterov) == (momentum, nesterov)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"steps": 0}, "steps"),
        ({"batch_size": 1}, "batch_size"),
        ({"seed": -1}, "seed"),
        ({"threads": 0}, "threads"),
        ({"images": ImagesConfig(size=0)}, r"images\.size"),
        ({"images": ImagesConfig(stored_size=0)}, r"images\.stored_size"),
        ({"images": ImagesConfig(limit=0)}, r"images\.limit"),
        ({"images": ImagesConfig(patches=0)}, r"images\.patches"),
        ({"projector": ProjectorConfig(hidden=(8, 0))}, r"projector\.hidden"),
        ({"projector": ProjectorConfig(dim=0)}, r"projector\.dim"),
        ({"projector": ProjectorConfig(init_scale=float("nan"))}, r"projector\.init_scale"),
        ({"optimizer": OptimizerConfig(lr=0.0)}, r"optimizer\.lr"),
        ({"optimizer": OptimizerConfig(lr=float("nan"))}, r"optimizer\.lr"),
        ({"optimizer": OptimizerConfig(lr=1e38)}, r"optimizer\.lr"),
        ({"optimizer": OptimizerConfig(momentum=1.0)}, r"optimizer\.momentum"),
        ({"optimizer": OptimizerConfig(momentum=0.0, nesterov=True)}, r"optimizer\.nesterov"),
        ({"optimizer": OptimizerConfig(name="muon", fallback_share=-0.1)}, r"optimizer\.fallback_share"),
        ({"optimizer": OptimizerConfig(fallback_share=0.1)}, r"optimizer\.fallback_share is muon's.*sgd"),
        ({"optimizer": OptimizerConfig(name="adamw", muon_scale="rms_to_rms")}, r"optimizer\.muon_scale is"),
        ({"optimizer": OptimizerConfig(weight_decay=-1.0)}, r"optimizer\.weight_decay"),
        ({"optimizer": OptimizerConfig(warmup_steps=-1)}, r"optimizer\.warmup_steps"),
        ({"record": RecordConfig(every=0)}, r"record\.every"),
        ({"record": RecordConfig(probe=-1)}, r"record\.probe"),
        ({"record": RecordConfig(directions=0)}, r"record\.directions"),
        ({"checkpoint": CheckpointConfig(every=0)}, r"checkpoint\.every"),
        ({"checkpoint": CheckpointConfig(keep=0)}, r"checkpoint\.keep"),
        ({"loss": "simcrl"}, "unknown loss 'simcrl'.*Did you mean simclr"),
    ],
)
def test_what_no_data_could_make_run_is_refused_by_name(changes, name):
    with pytest.raises(ValueError, match=f"^{name}"):
        resolve(TrainConfig(**changes))

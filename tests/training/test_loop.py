import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from eigenstep.methods import METHODS, Embeddings, build_objective
from eigenstep.training import (
    BarlowTwinsConfig,
    CheckpointConfig,
    ImagesConfig,
    OptimizerConfig,
    ProjectorConfig,
    RecordConfig,
    SimCLRConfig,
    build_encoder,
    derived_seed,
    learning_rates,
    load_config,
    photo_patches,
    resolve,
    train,
)
from eigenstep.views import TwoViews


class Killed(BaseException):
    """What stands for a process that ends here."""


def end_at(step):
    def tell(progress):
        if progress.stage == "training" and progress.done == step:
            raise Killed

    return tell


@pytest.mark.slow
def test_a_configuration_determines_a_run_bit_by_bit(small_config, tmp_path, folder_bytes):
    train(small_config(), tmp_path / "a")
    torch.rand(7)
    np.random.default_rng().random()
    train(small_config(), tmp_path / "b")
    train(load_config(tmp_path / "a" / "config.yaml"), tmp_path / "c")
    expected = folder_bytes(tmp_path / "a")
    assert {"metrics.jsonl", "spectrum/eigenvalues.bin", "spectrum/projections.bin", "summary.json"} < set(
        expected
    )
    assert folder_bytes(tmp_path / "b") == expected
    assert folder_bytes(tmp_path / "c") == expected


@pytest.mark.slow
def test_another_seed_is_another_run(small_config, tmp_path):
    records = [train(small_config(seed=seed, steps=2), tmp_path / str(seed)) for seed in (0, 1)]
    spectra = [record.eigenvalues["cross_correlation"] for record in records]
    assert (spectra[0] != spectra[1]).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sgd", "adamw", "lars", "muon"])
@pytest.mark.parametrize("loss", ["barlow_twins", "simclr", "vicreg"])
def test_every_loss_is_brought_down_by_every_optimiser(small_config, tmp_path, loss, name):
    sgd = {"barlow_twins": 0.01, "simclr": 0.02, "vicreg": 0.005}[loss]
    rate = {"sgd": sgd, "adamw": 0.003, "lars": 3.0, "muon": 0.02}[name]
    config = small_config(loss=loss, optimizer=OptimizerConfig(name=name, lr=rate), steps=30)
    losses = train(config, tmp_path / "run").metrics["loss"]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0] - 0.01


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"barlow_twins": BarlowTwinsConfig(normalize="batch", lambda_param=0.005, symmetrize=False)},
        {"loss": "simclr", "simclr": SimCLRConfig(normalize="cosine", temperature=0.5)},
        {"precision": "bf16-mixed"},
        {"precision": "64-true"},
        {"backbone": "test_resnet"},
    ],
)
def test_published_forms_other_precisions_and_timms_backbones_train(small_config, tmp_path, changes):
    record = train(small_config(steps=6, **changes), tmp_path / "run")
    assert np.isfinite(record.metrics["loss"]).all()
    assert record.metrics["loss"][-1] != record.metrics["loss"][0]


@pytest.mark.slow
def test_each_step_is_one_plain_step_of_torch(small_config, tmp_path, load_weights, epoch_order):
    """From one checkpoint to the next, by a loop written out here."""
    config = resolve(
        small_config(
            steps=8,
            optimizer=OptimizerConfig(lr=0.01, weight_decay=0.01, schedule="cosine", warmup_steps=3),
            checkpoint=CheckpointConfig(every=1, keep=20),
        )
    )
    train(config, tmp_path / "run")
    rates = learning_rates(config.optimizer, 8)
    images = photo_patches(64, 16, config.seed)
    encoder, loss = build_encoder("convnet", 16, config.projector), build_objective(config)
    for step in range(1, 8):
        before, after = (tmp_path / f"run/checkpoints/step_{number:08d}" for number in (step, step + 1))
        load_weights(encoder, before)
        generator = torch.Generator().manual_seed(derived_seed(config.seed, 1, step))
        views = TwoViews(config.views, 16)(images[epoch_order(config, 64, step)], generator)
        encoder.train()(torch.cat(views))
        load_weights(encoder, before)
        z_a, z_b = encoder(torch.cat(views))[1].chunk(2)
        encoder.zero_grad()
        loss(Embeddings(z_a, z_b))[0].backward()
        momentum = torch.load(before / "optimizer.pt")["optimizer"]["state"]
        decayed = [weight for weight in encoder.parameters() if weight.ndim > 1]
        plain = [weight for weight in encoder.parameters() if weight.ndim <= 1]
        with torch.no_grad():
            for index, weight in enumerate([*plain, *decayed]):
                push = weight.grad + (0.01 * weight if weight.ndim > 1 else 0)
                weight -= rates[step] * (0.9 * momentum[index]["momentum_buffer"] + push)
        for part in ("backbone", "projector"):
            expected = load_file(after / f"{part}.safetensors")
            for name, weight in getattr(encoder, part).state_dict().items():
                torch.testing.assert_close(weight, expected[name], rtol=1e-5, atol=1e-7)


@pytest.mark.slow
def test_time_is_the_sum_of_the_rates_of_the_steps_taken(small_config, tmp_path):
    optimizer = OptimizerConfig(lr=0.01, schedule="cosine", warmup_steps=6)
    record = train(small_config(optimizer=optimizer), tmp_path / "run")
    rates = learning_rates(optimizer, 24)
    steps = record.metrics["step"]
    np.testing.assert_allclose(record.metrics["time"], [rates[:step].sum() for step in steps], rtol=1e-12)
    assert np.array_equal(record.eigenvalues["time"], record.metrics["time"])
    np.testing.assert_allclose(record.metrics["learning_rate"], [rates[min(step, 23)] for step in steps])
    for step in (21, 24):
        state = torch.load(tmp_path / f"run/checkpoints/step_{step:08d}/optimizer.pt")
        assert {group["lr"] for group in state["optimizer"]["param_groups"]} == {rates[step - 1]}


@pytest.mark.slow
def test_labels_do_not_matter(small_config, tmp_path, write_parquet, encoded, folder_bytes):
    records, found = [{"bytes": encoded(seed), "path": None} for seed in range(20)], []
    for name, labels in [("a", list(range(20))), ("b", [7] * 20), ("none", None)]:
        columns = {"img": records} | ({"label": labels} if labels else {})
        folder = write_parquet(columns, images=["img"], name=name)
        train(small_config(data=str(folder), steps=4), tmp_path / f"run-{name}")
        found.append(folder_bytes(tmp_path / f"run-{name}"))
        assert str(folder) in found[-1].pop("config.yaml").decode()
    assert found[0] == found[1] == found[2]


@pytest.mark.slow
def test_what_is_going_on_is_told(small_config, tmp_path):
    told = []
    train(small_config(steps=3), tmp_path / "run", progress=told.append)
    assert [(p.stage, p.done, p.total) for p in told] == [("training", step, 3) for step in range(4)]
    assert told[-1].loss == pytest.approx(
        json.loads((tmp_path / "run/metrics.jsonl").read_text().splitlines()[-1])["loss"]
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sgd", "adamw", "lars", "muon"])
def test_a_run_that_ended_at_any_step_resumes_to_the_same_record(small_config, tmp_path, folder_bytes, name):
    config = small_config(
        optimizer=OptimizerConfig(name=name, lr=0.01, schedule="cosine", warmup_steps=4, weight_decay=0.01)
    )
    train(config, tmp_path / "whole")
    for step in (3, 7, 9, 21, 24):
        with pytest.raises(Killed):
            train(config, tmp_path / "resumed", resume=True, progress=end_at(step))
    train(config, tmp_path / "resumed", resume=True)
    assert folder_bytes(tmp_path / "resumed") == folder_bytes(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize(
    "loss",
    [*(name for name, method in METHODS.items() if not method.needs_labels), "in parts"],
)
def test_a_run_of_every_loss_resumes_to_the_same_record(small_config, tmp_path, folder_bytes, loss):
    changes = {"loss": "simsiam", "micro_batch_size": 4} if loss == "in parts" else {"loss": loss}
    config = small_config(**changes, projector=ProjectorConfig(dim=8, init_scale=0.3), steps=16)
    train(config, tmp_path / "whole")
    for step in (9, 15):
        with pytest.raises(Killed):
            train(config, tmp_path / "resumed", resume=True, progress=end_at(step))
    train(config, tmp_path / "resumed", resume=True)
    assert folder_bytes(tmp_path / "resumed") == folder_bytes(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["simclr", "supcon", "cross_entropy"])
@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_on_streamed_images_equals_one_from_memory_and_resumes_to_the_same_record(
    small_config, tmp_path, folder_bytes, write_parquet, encoded, loss, workers
):
    columns = {"img": [{"bytes": encoded(seed), "path": None} for seed in range(40)], "y": list(range(40))}
    columns["y"] = [label % 3 for label in columns["y"]]
    data = str(write_parquet(columns, images=["img"]))
    config = small_config(data=data, loss=loss, steps=16)
    train(config, tmp_path / "memory")
    images = dataclasses.replace(config.images, stream="always", workers=workers)
    streamed = dataclasses.replace(config, images=images)
    train(streamed, tmp_path / "whole")
    for step in (9, 15):
        with pytest.raises(Killed):
            train(streamed, tmp_path / "resumed", resume=True, progress=end_at(step))
    train(streamed, tmp_path / "resumed", resume=True)
    assert folder_bytes(tmp_path / "resumed") == folder_bytes(tmp_path / "whole")
    record = "spectrum/eigenvalues.bin"
    assert (tmp_path / "whole" / record).read_bytes() == (tmp_path / "memory" / record).read_bytes()


@pytest.mark.slow
def test_a_resumed_run_goes_on_from_its_last_checkpoint(small_config, tmp_path):
    with pytest.raises(Killed):
        train(small_config(), tmp_path / "run", progress=end_at(17))
    told = []
    train(small_config(), tmp_path / "run", resume=True, progress=lambda p: told.append(p.done))
    assert told == list(range(14, 25))


@pytest.mark.slow
def test_while_a_run_goes_on_again_it_has_no_summary(small_config, tmp_path):
    train(small_config(), tmp_path / "run")
    with pytest.raises(Killed):
        train(small_config(), tmp_path / "run", resume=True, progress=end_at(24))
    assert not (tmp_path / "run" / "summary.json").exists()


@pytest.mark.slow
def test_a_finished_run_that_is_resumed_stays_as_it_is(small_config, tmp_path, folder_bytes):
    train(small_config(), tmp_path / "run")
    before = folder_bytes(tmp_path / "run")
    train(small_config(), tmp_path / "run", resume=True)
    assert folder_bytes(tmp_path / "run") == before


@pytest.mark.slow
def test_a_run_that_replaces_another_holds_nothing_of_it(small_config, tmp_path, folder_bytes):
    train(small_config(steps=40, seed=5), tmp_path / "run")
    train(small_config(), tmp_path / "run", overwrite=True)
    train(small_config(), tmp_path / "new")
    assert folder_bytes(tmp_path / "run") == folder_bytes(tmp_path / "new")


@pytest.mark.slow
@pytest.mark.parametrize("record_every", [1, 50])
@pytest.mark.parametrize("loss", ["barlow_twins", "simclr"])
def test_a_loss_that_is_not_finite_ends_the_run_at_its_step(
    small_config, tmp_path, epoch_order, loss, record_every
):
    lr = {"barlow_twins": 0.1, "simclr": 0.4}[loss]
    config = small_config(
        loss=loss,
        steps=60,
        optimizer=OptimizerConfig(lr=lr),
        record=RecordConfig(every=record_every),
        checkpoint=CheckpointConfig(every=2),
    )
    first = first_infinite_loss(config, epoch_order)
    assert first > 4
    with pytest.raises(FloatingPointError, match=f"the loss is not finite at step {first}; ") as ended:
        train(config, tmp_path / "run")
    kept = sorted((tmp_path / "run" / "checkpoints").iterdir())
    good = (first - 1) // 2 * 2
    assert [path.name for path in kept] == [f"step_{step:08d}" for step in (good - 2, good)]
    assert f"the last good checkpoint is {kept[-1]}; try a smaller --optimizer.lr" in str(ended.value)
    for path in kept:
        weights = [weight for file in path.glob("*.safetensors") for weight in load_file(file).values()]
        assert all(weight.isfinite().all() for weight in weights)
    lines = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(0, first, record_every))
    assert all(isinstance(line["loss"], float) for line in lines)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["state"], summary["step"]) == ("diverged", first)


def first_infinite_loss(config, epoch_order):
    """The first step whose loss is not finite, by a loop written out here."""
    torch.manual_seed(config.seed)
    encoder, loss = build_encoder("convnet", 16, config.projector), build_objective(config)
    optimizer = torch.optim.SGD(encoder.parameters(), lr=config.optimizer.lr, momentum=0.9)
    images = photo_patches(64, 16, config.seed)
    for step in range(config.steps):
        generator = torch.Generator().manual_seed(derived_seed(config.seed, 1, step))
        views = TwoViews(config.views, 16)(images[epoch_order(config, 64, step)], generator)
        value, _ = loss(Embeddings(*encoder(torch.cat(views))[1].chunk(2)))
        if not value.isfinite():
            return step
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    raise AssertionError("the loss stayed finite")


@pytest.mark.slow
def test_a_weight_that_is_not_finite_ends_the_run_and_is_not_saved(small_config, tmp_path, monkeypatch):
    bad = {"backbone": {"weight": torch.tensor([1.0, float("nan")])}}
    monkeypatch.setattr("eigenstep.training._run.copy_weights", lambda _: bad)
    with pytest.raises(
        FloatingPointError, match="a weight is not finite at step 7; no checkpoint was due before"
    ):
        train(small_config(), tmp_path / "run")
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["state"] == "diverged"


BAD = {
    "a batch larger than the data set": (
        {"batch_size": 65},
        "batch_size 65 is larger than the data set of 64 images",
    ),
    "an unknown loss": ({"loss": "simsiamese"}, "unknown loss 'simsiamese'.*simsiam"),
    "an unknown backbone": ({"backbone": "resnet19"}, "unknown backbone 'resnet19'.*resnet18"),
    "an unknown data set": ({"data": "imagenet"}, "unknown data set 'imagenet'"),
    "an unknown device": ({"device": "abacus"}, "device 'abacus' cannot be used here"),
    "no steps": ({"steps": 0}, "steps is too small"),
    "a temperature of zero": ({"loss": "simclr", "simclr": SimCLRConfig(temperature=0.0)}, "temperature"),
    "patches larger than the photographs": ({"images": ImagesConfig(size=500, patches=64)}, "do not fit"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_run_is_refused_before_anything_is_touched(small_config, tmp_path, folder_bytes, case):
    changes, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        train(small_config(**changes), tmp_path / "new")
    assert not (tmp_path / "new").exists()
    train(small_config(steps=2), tmp_path / "old")
    before = folder_bytes(tmp_path / "old")
    with pytest.raises(ValueError, match=message):
        train(small_config(**changes), tmp_path / "old", overwrite=True)
    assert folder_bytes(tmp_path / "old") == before


@pytest.mark.slow
def test_a_run_that_exists_is_refused_and_untouched(small_config, tmp_path, folder_bytes):
    train(small_config(steps=2), tmp_path / "run")
    before = folder_bytes(tmp_path / "run")
    with pytest.raises(FileExistsError, match="exists; use --resume"):
        train(small_config(steps=2), tmp_path / "run")
    with pytest.raises(ValueError, match=r"another configuration \(optimizer.lr: 0.1, not 0.005\)"):
        train(small_config(steps=3, optimizer=OptimizerConfig(lr=0.1)), tmp_path / "run", resume=True)
    assert folder_bytes(tmp_path / "run") == before


def test_a_place_that_cannot_be_written_is_refused(small_config, tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(NotADirectoryError, match="file is a file"):
        train(small_config(), tmp_path / "file" / "run")
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.slow
def test_a_configuration_in_the_run_folder_has_its_defaults_filled_in(small_config, tmp_path):
    config = small_config(steps=2, loss="vicreg")
    train(config, tmp_path / "run")
    found = load_config(tmp_path / "run" / "config.yaml")
    assert found.optimizer.lr == 0.002
    images = dataclasses.replace(config.images, channels=3)
    expected = dataclasses.replace(config, images=images, views=config.views.for_channels(3))
    assert dataclasses.replace(found, optimizer=config.optimizer) == expected

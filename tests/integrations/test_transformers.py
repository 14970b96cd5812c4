"""`SpectrumCallback` in Hugging Face's Trainer."""

import numpy as np
import pytest
import torch
from torch import nn

from eigenstep.analysis import find_rises
from eigenstep.record import read_record

transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")

EVERY = 4


class TwoViews(nn.Module):
    """A tiny vision transformer; its embeddings of the training steps are in `seen` as the loss sees them."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
        config = transformers.ViTConfig(image_size=4, patch_size=2, num_channels=1, **sizes)
        self.backbone = transformers.ViTModel(config, add_pooling_layer=False)
        self.projector = nn.Linear(16, 5)
        self.seen, self.losses = [], []

    def embed(self, images):
        return self.projector(self.backbone(images).last_hidden_state[:, 0])

    def forward(self, view_a, view_b, labels=None):
        z_a, z_b = self.embed(view_a), self.embed(view_b)
        loss = (z_a - z_b).square().mean() + (z_a.square().sum(1) - 1).square().mean()
        if self.training:
            self.seen.append((z_a.detach().float().clone(), z_b.detach().float().clone()))
            self.losses.append(loss.item())
        return {"loss": loss, "embeddings": z_a}


def pairs(count=96):
    generator = torch.Generator().manual_seed(1)
    a = torch.randn(count, 1, 4, 4, generator=generator)
    b = a + 0.3 * torch.randn(a.shape, generator=generator)
    return [{"view_a": one, "view_b": other} for one, other in zip(a, b, strict=True)]


def train(model, folder, callback, *, checkpoint=None, **options):
    options = {"max_steps": 12, "save_strategy": "no", "logging_steps": 6, "report_to": "none"} | options
    options = {"per_device_train_batch_size": 8, "train_sampling_strategy": "sequential"} | options
    arguments = transformers.TrainingArguments(
        str(folder),
        learning_rate=0.01,
        optim="sgd",
        use_cpu=True,
        disable_tqdm=True,
        **options,
    )
    trainer = transformers.Trainer(
        model, arguments, train_dataset=pairs(), eval_dataset=pairs(16), callbacks=[callback]
    )
    trainer.train(resume_from_checkpoint=checkpoint)
    return trainer


def callback(layer="projector", **options):
    from eigenstep.integrations.transformers import SpectrumCallback

    return SpectrumCallback(layer, every=EVERY, **options)


def check_record(record, model, eigenvalues, micro_batches=1, rtol=1e-9):
    size = EVERY * micro_batches
    steps = range(0, len(model.seen) - size + 1, size)
    assert record.metrics["step"].tolist() == [EVERY * (1 + at // size) for at in steps]
    for row, at in zip(record.eigenvalues["cross_correlation"], steps, strict=True):
        np.testing.assert_allclose(row, eigenvalues(model.seen[at : at + size]), rtol=rtol, atol=rtol)
    means = [np.mean(model.losses[at : at + size]) for at in steps]
    np.testing.assert_allclose(record.metrics["loss"], means, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"eval_strategy": "steps", "eval_steps": 3, "lr_scheduler_type": "linear"},
        {"gradient_accumulation_steps": 2, "lr_scheduler_type": "linear"},
        {"bf16": True, "lr_scheduler_type": "linear"},
    ],
    ids=["evaluation between steps", "accumulation", "bfloat16"],
)
def test_the_record_holds_what_the_loss_saw(options, tmp_path, eigenvalues):
    model = TwoViews()
    train(model, tmp_path, callback(), **options)
    record = read_record(tmp_path / "eigenstep")
    rtol = 1e-6 if "bf16" in options else 1e-9
    check_record(record, model, eigenvalues, options.get("gradient_accumulation_steps", 1), rtol)
    rates = 0.01 * (1 - np.arange(12) / 12)
    np.testing.assert_allclose(record.metrics["time"], np.cumsum(rates)[3::4])
    assert record.config["monitor"]["layer"] == "projector"
    assert record.config["monitor"]["planned_steps"] == 12
    assert record.summary["state"] == "finished"
    assert not model.projector._forward_hooks
    assert not model._forward_hooks


@pytest.mark.slow
def test_a_resumed_run_goes_on_in_its_record_as_if_never_stopped(tmp_path):
    saving = {"save_strategy": "steps", "save_steps": 6}
    train(TwoViews(), tmp_path / "whole", callback())
    train(TwoViews(), tmp_path / "run", callback(), **saving)
    assert read_record(tmp_path / "run" / "eigenstep").metrics["step"].tolist() == [4, 8, 12]
    train(TwoViews(), tmp_path / "run", callback(), checkpoint=tmp_path / "run" / "checkpoint-6", **saving)
    resumed, expected = (read_record(tmp_path / name / "eigenstep") for name in ("run", "whole"))
    for name in ("step", "time", "loss"):
        np.testing.assert_array_equal(resumed.metrics[name], expected.metrics[name])
    np.testing.assert_array_equal(resumed.eigenvalues, expected.eigenvalues)
    assert not (tmp_path / "run" / "eigenstep-2").exists()


@pytest.mark.slow
def test_a_run_from_the_start_leaves_the_record_that_is_there_alone(tmp_path):
    train(TwoViews(), tmp_path, callback())
    before = (tmp_path / "eigenstep" / "metrics.jsonl").read_bytes()
    train(TwoViews(), tmp_path, callback())
    assert read_record(tmp_path / "eigenstep-2").metrics["step"].tolist() == [4, 8, 12]
    with pytest.raises(FileExistsError, match="holds a record already"):
        train(TwoViews(), tmp_path, callback(out=tmp_path / "eigenstep"))
    assert (tmp_path / "eigenstep" / "metrics.jsonl").read_bytes() == before


@pytest.mark.slow
def test_whatever_the_trainer_reports_to_gets_the_newest_values_when_it_logs(tmp_path, tensorboard_values):
    options = {"logging_steps": 5, "report_to": ["tensorboard"]}
    trainer = train(TwoViews(), tmp_path, callback(), **options)
    record = read_record(tmp_path / "eigenstep")
    columns = {
        name.replace("measures", "spectrum"): values
        for name, values in record.metrics.items()
        if name.startswith("measures/")
    }
    leading = record.eigenvalues["cross_correlation"]
    columns |= {f"spectrum/eigenvalue_{mode + 1}": leading[:, mode] for mode in range(5)}
    rows = record.eigenvalues
    columns["spectrum/learned_modes"] = np.array(
        [
            len(find_rises(rows["time"][:end], rows["cross_correlation"][:end]))
            for end in range(1, len(rows) + 1)
        ]
    )
    assert columns.keys() >= {"spectrum/rank_me", "spectrum/modes_past_half", "spectrum/eigenvalue_5"}
    columns = {name: values for name, values in columns.items() if np.isfinite(values).all()}
    history = [row for row in trainer.state.log_history if "spectrum/rank_me" in row]
    assert [row["step"] for row in history] == [5, 10, 12]
    logged = tensorboard_values(tmp_path)
    for name, values in columns.items():
        np.testing.assert_array_equal([row[name] for row in history], values)
        assert list(logged[f"train/{name}"]) == [5, 10, 12]
        np.testing.assert_allclose(list(logged[f"train/{name}"].values()), values, rtol=1e-6)


def words(count=24, length=7):
    """Sentences of a language model, of which some words are not predicted."""
    generator = torch.Generator().manual_seed(2)
    ids = torch.randint(20, (count, length), generator=generator)
    labels = ids.masked_fill(torch.rand(ids.shape, generator=generator) < 0.3, -100)
    return [{"input_ids": row, "labels": wanted} for row, wanted in zip(ids, labels, strict=True)]


@pytest.mark.slow
@pytest.mark.parametrize("micro_batches", [1, 3])
def test_a_loss_that_the_model_divides_by_all_items_of_a_step_is_recorded_as_the_trainer_tells_it(
    micro_batches, tmp_path
):
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(vocab_size=20, **sizes))
    arguments = transformers.TrainingArguments(
        str(tmp_path),
        per_device_train_batch_size=2,
        gradient_accumulation_steps=micro_batches,
        max_steps=4,
        logging_steps=1,
        report_to="none",
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
    )
    recorder = callback("model.norm", views=1, planned_steps=None)
    trainer = transformers.Trainer(model, arguments, train_dataset=words(), callbacks=[recorder])
    trainer.train()
    told = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    record = read_record(tmp_path / "eigenstep")
    assert record.metrics["step"].tolist() == [4]
    assert record.metrics["count"].tolist() == [4 * 2 * micro_batches]
    np.testing.assert_allclose(record.metrics["loss"], [np.mean(told)], rtol=1e-3)  # it tells four digits
    assert record.config["monitor"]["layout"] == "ntc"


@pytest.mark.slow
def test_a_training_that_an_exception_ended_lets_go_when_the_model_is_trained_again(tmp_path):
    class Ending(transformers.TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            if state.global_step == 5:
                raise KeyboardInterrupt

    model, first, second = TwoViews(), callback(), callback()
    arguments = {"report_to": "none", "use_cpu": True, "disable_tqdm": True, "max_steps": 8}
    for name, callbacks in (("first", [first, Ending()]), ("second", [second])):
        trainer = transformers.Trainer(
            model,
            transformers.TrainingArguments(str(tmp_path / name), save_strategy="no", **arguments),
            train_dataset=pairs(),
            callbacks=callbacks,
        )
        if name == "first":
            with pytest.raises(KeyboardInterrupt):
                trainer.train()
        else:
            trainer.train()
    records = [read_record(tmp_path / name / "eigenstep") for name in ("first", "second")]
    assert [record.summary["state"] for record in records] == ["interrupted", "finished"]
    assert [record.metrics["step"].tolist() for record in records] == [[4], [4, 8]]
    assert not model.projector._forward_hooks
    assert not model._forward_hooks


@pytest.mark.slow
def test_the_end_of_a_training_says_the_likeliest_cause(tmp_path):
    watching = callback()
    with pytest.warns(
        UserWarning, match=r"Likely cause: the batch is too small .* \(eigenstep advise "
    ) as told:
        train(TwoViews(), tmp_path, watching, max_steps=5 * EVERY)
    assert len([each for each in told if "Likely cause" in str(each.message)]) == 1
    found = read_record(watching.out).metrics
    assert (found["health/update_backbone"] > 0).all()
    assert (found["health/batch"] == 8).all()
    assert np.isfinite(found["health/views_apart"]).all()

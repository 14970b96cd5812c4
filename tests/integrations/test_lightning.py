"""`SpectrumCallback` in Lightning's Trainer, under both of its names."""

import sys
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import eigenstep
from eigenstep.analysis import find_rises
from eigenstep.record import read_record

EVERY = 4


@pytest.fixture
def pytorch_lightning():
    return pytest.importorskip("pytorch_lightning")


def two_views(lightning):
    """A module whose embeddings, step by step, are in `seen` as its loss sees them."""

    class TwoViews(lightning.LightningModule):
        def __init__(self, joint=False, manual=False):
            super().__init__()
            torch.manual_seed(0)
            self.backbone = nn.Linear(6, 8)
            self.projector = nn.Linear(8, 5)
            self.probe = nn.Linear(8, 2)
            self.joint, self.automatic_optimization = joint, not manual
            self.seen, self.losses = [], []

        def forward(self, x):
            return self.projector(self.backbone(x))

        def training_step(self, batch, batch_index):
            a, b = batch
            z_a, z_b = self(torch.cat([a, b])).chunk(2) if self.joint else (self(a), self(b))
            self.seen.append((z_a.detach().float().clone(), z_b.detach().float().clone()))
            loss = (z_a - z_b).square().mean() + (z_a.square().sum(1) - 1).square().mean()
            self.losses.append(loss.item())
            if not self.automatic_optimization:
                probing = self.probe(self.backbone(a).detach()).square().mean()
                for optimizer, value in zip(self.optimizers(), (loss, probing), strict=True):
                    optimizer.zero_grad()
                    self.manual_backward(value)
                    optimizer.step()
            return loss

        def validation_step(self, batch, batch_index):
            for x in batch:
                self(1e3 * x)

        def configure_optimizers(self):
            embedding = torch.optim.SGD([*self.backbone.parameters(), *self.projector.parameters()], lr=0.05)
            if self.automatic_optimization:
                schedule = torch.optim.lr_scheduler.LambdaLR(embedding, lambda step: 1 / (1 + step))
                return [embedding], [{"scheduler": schedule, "interval": "step"}]
            return embedding, torch.optim.SGD(self.probe.parameters(), lr=0.5)

    return TwoViews


def batches(count=12, size=16, share=slice(None)):
    """`count` batches of the pairs, or a process's share of them."""
    generator = torch.Generator().manual_seed(1)
    a = torch.randn(count * size, 6, generator=generator)
    b = a + 0.3 * torch.randn(a.shape, generator=generator)
    pairs = torch.utils.data.TensorDataset(a[share], b[share])
    return torch.utils.data.DataLoader(pairs, batch_size=len(pairs) // count)


def fit(lightning, module, folder, *callbacks, data=None, ckpt_path=None, **options):
    callbacks = list(callbacks)
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    options = {"logger": False, "max_epochs": 1, "enable_checkpointing": len(callbacks) > 1} | options
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few workers, and of few batches between two logs
        trainer = lightning.Trainer(default_root_dir=folder, callbacks=callbacks, **quiet, **options)
        trainer.fit(module, data or batches(), batches(2), ckpt_path=ckpt_path)
    return trainer


def callback(layer="projector", **options):
    from eigenstep.integrations.lightning import SpectrumCallback

    return SpectrumCallback(layer, every=EVERY, **options)


def windows(steps, every=EVERY):
    return [steps[at : at + every] for at in range(0, len(steps) - every + 1, every)]


def check_record(record, module, eigenvalues, rtol=1e-9):
    assert record.metrics["step"].tolist() == [4, 8, 12]
    for row, window in zip(record.eigenvalues["cross_correlation"], windows(module.seen), strict=True):
        np.testing.assert_allclose(row, eigenvalues(window), rtol=rtol, atol=rtol)
    means = [np.mean(window) for window in windows(module.losses)]
    np.testing.assert_allclose(record.metrics["loss"], means, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "joint", "manual"),
    [
        ("pytorch_lightning", False, False),
        ("pytorch_lightning", False, True),
        ("pytorch_lightning", True, False),
        ("lightning.pytorch", True, True),
    ],
)
def test_the_record_holds_what_the_loss_saw_and_nothing_of_validation(
    package, joint, manual, tmp_path, eigenvalues
):
    lightning = pytest.importorskip(package)
    module = two_views(lightning)(joint, manual)
    fit(lightning, module, tmp_path, callback(views=2 if joint else None), val_check_interval=3)
    record = read_record(tmp_path / "eigenstep")
    check_record(record, module, eigenvalues)
    rates = [0.05] * 12 if manual else [0.05 / (1 + step) for step in range(12)]
    np.testing.assert_allclose(record.metrics["time"], np.cumsum(rates)[3::4])
    assert record.config["monitor"]["layer"] == "projector"
    assert record.config["monitor"]["planned_steps"] == 12
    assert record.summary["state"] == "finished"


@pytest.mark.slow
def test_mixed_precision_is_measured_as_it_comes(pytorch_lightning, tmp_path, eigenvalues):
    module = two_views(pytorch_lightning)()
    fit(pytorch_lightning, module, tmp_path, callback(), precision="bf16-mixed")
    check_record(read_record(tmp_path / "eigenstep"), module, eigenvalues, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("views", [None, 1])
def test_accumulated_batches_make_one_step(pytorch_lightning, views, tmp_path, eigenvalues):
    module = two_views(pytorch_lightning)()
    fit(pytorch_lightning, module, tmp_path, callback(views=views), accumulate_grad_batches=3)
    record = read_record(tmp_path / "eigenstep")
    assert record.metrics["step"].tolist() == [4]
    seen = module.seen if views is None else [(z, z) for pair in module.seen for z in pair]
    np.testing.assert_allclose(record.eigenvalues["cross_correlation"][0], eigenvalues(seen), rtol=1e-9)
    np.testing.assert_allclose(record.metrics["loss"], np.mean(module.losses), rtol=1e-5)


@pytest.mark.parametrize("joint", [False, True])
def test_further_crops_are_passed_over(pytorch_lightning, joint, tmp_path, eigenvalues):
    class Crops(two_views(pytorch_lightning)):
        def training_step(self, batch, batch_index):
            views = [*batch, *(each + torch.randn(each.shape) for each in batch * 2)]
            z = self(torch.cat(views)).chunk(6) if joint else [self(view) for view in views]
            self.seen.append((z[0].detach().clone(), z[1].detach().clone()))
            return sum((each - z[0].detach()).square().mean() + each.square().mean() for each in z)

    module, choice = Crops(), {"per_call": 6} if joint else {}
    fit(pytorch_lightning, module, tmp_path, callback(views=(0, 1), **choice))
    for row, window in zip(
        read_record(tmp_path / "eigenstep").eigenvalues["cross_correlation"],
        windows(module.seen),
        strict=True,
    ):
        np.testing.assert_allclose(row, eigenvalues(window), rtol=1e-9, atol=1e-9)


def test_one_view_a_batch_is_not_paired_with_the_next_batch(pytorch_lightning, tmp_path, eigenvalues):
    class OneView(two_views(pytorch_lightning)):
        def training_step(self, batch, batch_index):
            z = self(batch[0])
            self.seen.append((z.detach(), z.detach()))
            return z.square().mean()

    module = OneView()
    fit(pytorch_lightning, module, tmp_path, callback(), accumulate_grad_batches=2)
    record = read_record(tmp_path / "eigenstep")
    np.testing.assert_allclose(
        record.eigenvalues["cross_correlation"][0], eigenvalues(module.seen[:8]), rtol=1e-9
    )


@pytest.mark.slow
def test_a_resumed_run_goes_on_in_its_record_as_if_never_stopped(pytorch_lightning, tmp_path):
    def epochs(count, *callbacks, **options):
        module, data = two_views(pytorch_lightning)(), batches(10)
        fit(
            pytorch_lightning,
            module,
            tmp_path,
            *callbacks,
            data=data,
            max_epochs=count,
            logger=True,
            **options,
        )

    def checkpoints():
        folder = tmp_path / "checkpoints"
        return pytorch_lightning.callbacks.ModelCheckpoint(dirpath=folder, save_top_k=-1, filename="{epoch}")

    epochs(2, callback(out=tmp_path / "whole"))
    epochs(2, callback(), checkpoints())
    (record,) = tmp_path.rglob("eigenstep")
    assert len(read_record(record).metrics["step"]) == 5
    epochs(2, callback(), checkpoints(), ckpt_path=tmp_path / "checkpoints" / "epoch=0.ckpt")

    resumed, expected = read_record(record), read_record(tmp_path / "whole")
    assert resumed.metrics["step"].tolist() == expected.metrics["step"].tolist() == [4, 8, 12, 16, 20]
    for name in ("time", "loss"):
        np.testing.assert_array_equal(resumed.metrics[name], expected.metrics[name])
    np.testing.assert_array_equal(resumed.eigenvalues, expected.eigenvalues)
    assert list(tmp_path.rglob("eigenstep")) == [record]


@pytest.mark.slow
def test_a_record_is_not_written_over(pytorch_lightning, tmp_path):
    fit(pytorch_lightning, two_views(pytorch_lightning)(), tmp_path, callback(out=tmp_path / "run"))
    before = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    with pytest.raises(FileExistsError, match="holds a record already"):
        fit(pytorch_lightning, two_views(pytorch_lightning)(), tmp_path, callback(out=tmp_path / "run"))
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == before
    watch = callback()
    for _ in range(2):  # without `out` the next free folder is taken, by the same callback too
        fit(pytorch_lightning, two_views(pytorch_lightning)(), tmp_path, watch)
    assert {path.name for path in tmp_path.iterdir()} == {"run", "eigenstep", "eigenstep-2"}


def test_a_layer_that_is_not_there_is_told_before_the_first_step(pytorch_lightning, tmp_path):
    module = two_views(pytorch_lightning)()
    with pytest.raises(ValueError, match=r"no layer 'project'.*projector"):
        fit(pytorch_lightning, module, tmp_path, callback("project"))
    assert not module.seen


def test_several_layers_have_a_folder_each(pytorch_lightning, tmp_path):
    fit(pytorch_lightning, two_views(pytorch_lightning)(), tmp_path, callback(["backbone", "projector"]))
    dims = {
        name: read_record(tmp_path / "eigenstep" / name).config["monitor"]["dim"]
        for name in ("backbone", "projector")
    }
    assert dims == {"backbone": 8, "projector": 5}


def test_an_interrupted_run_says_so_and_holds_no_hook(pytorch_lightning, tmp_path):
    class Failing(two_views(pytorch_lightning)):
        def training_step(self, batch, batch_index):
            if batch_index == 5:
                raise RuntimeError("out of luck")
            return super().training_step(batch, batch_index)

    module = Failing()
    with pytest.raises(RuntimeError, match="out of luck"):
        fit(pytorch_lightning, module, tmp_path, callback())
    assert read_record(tmp_path / "eigenstep").summary["state"] == "interrupted"
    assert not module.projector._forward_hooks


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "background"), [("pytorch_lightning", True), ("lightning.pytorch", False)]
)
def test_loggers_and_callbacks_get_the_records_values(package, background, tmp_path, tensorboard_values):
    lightning = pytest.importorskip(package)

    class Watching(lightning.Callback):
        def __init__(self):
            self.values = []

        def on_train_batch_start(self, trainer, *args):
            self.values.append(dict(trainer.callback_metrics))

        def on_train_epoch_end(self, trainer, module):
            self.values.append(dict(trainer.callback_metrics))

    watching = Watching()
    fit(
        lightning,
        two_views(lightning)(),
        tmp_path,
        callback(background=background),
        watching,
        logger=True,
        enable_checkpointing=False,
    )
    version = tmp_path / "lightning_logs" / "version_0"
    record = read_record(version / "eigenstep")
    logged = {
        tag: values for tag, values in tensorboard_values(version).items() if tag.startswith("spectrum/")
    }
    columns = {
        f"spectrum/{name.removeprefix('measures/')}": values
        for name, values in record.metrics.items()
        if name.startswith("measures/")
    }
    columns |= {
        f"spectrum/eigenvalue_{i + 1}": record.eigenvalues["cross_correlation"][:, i] for i in range(5)
    }
    rows = record.eigenvalues
    columns["spectrum/learned_modes"] = np.array(
        [
            len(find_rises(rows["time"][:end], rows["cross_correlation"][:end]))
            for end in range(1, len(rows) + 1)
        ]
    )
    assert columns.keys() >= {"spectrum/rank_me", "spectrum/modes_past_half", "spectrum/eigenvalue_1"}
    assert logged.keys() == {name for name, values in columns.items() if np.isfinite(values).all()}
    for name, values in logged.items():
        assert list(values) == [3, 7, 11]  # Lightning counts from zero
        np.testing.assert_allclose(list(values.values()), columns[name], rtol=1e-6)
    first, *_, last = watching.values
    assert "spectrum/rank_me" not in first
    assert float(last["spectrum/rank_me"]) == pytest.approx(columns["spectrum/rank_me"][-1])


def test_without_lightning_the_import_says_what_to_install(pytorch_lightning, monkeypatch):
    from eigenstep.integrations import lightning

    for name in ("pytorch_lightning", "lightning", "lightning.pytorch"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModuleNotFoundError, match="pip install lightning"):
        lightning._callback_classes()


@pytest.mark.slow
@pytest.mark.parametrize("manual", [False, True])
def test_the_record_has_the_signs_by_which_causes_are_named(tmp_path, pytorch_lightning, manual):
    module, watching = two_views(pytorch_lightning)(manual=manual), callback()
    module.backbone.requires_grad_(False)
    fit(pytorch_lightning, module, tmp_path, watching)
    found = read_record(watching.out).metrics
    rates = found["learning_rate"]
    moved = found["health/update_projector"] * found["health/weight_projector"]
    np.testing.assert_allclose(moved, rates * found["health/gradient_projector"], rtol=1e-4)
    assert (found["health/update_backbone"] == 0).all()
    assert (found["health/batch"] == 16).all()
    assert np.isfinite(found["health/views_apart"]).all()
    assert eigenstep.advise(watching.out).causes[0].cause.name == "backbone_frozen"

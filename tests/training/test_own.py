"""Data sets, views and encoders that are given from Python."""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from eigenstep.cli import main
from eigenstep.encoders import initial_encoder, load_encoder, try_encoder
from eigenstep.images import ImagesConfig
from eigenstep.live import RunsFolder, detail
from eigenstep.methods import METHODS
from eigenstep.record import read_record
from eigenstep.report import write_report
from eigenstep.training import CheckpointConfig, ProbesConfig, load_config, train

sys.path.insert(0, str(Path(__file__).parent))

from own_objects import LENGTH, Killed, Net, Waves, end_at, jitter, same, waves

pytestmark = pytest.mark.slow


def weights_of(run):
    folder = sorted((run / "checkpoints").glob("step_*"))[-1]
    return load_file(folder / "backbone.safetensors")


def test_series_train_and_their_names_stand_in_the_configuration(small_config, tmp_path):
    encoder = Net()
    before = encoder.head.weight.detach().clone()
    record = train(small_config(steps=40), tmp_path / "run", images=Waves(), views=jitter, encoder=encoder)
    stored = load_config(tmp_path / "run" / "config.yaml")
    assert (stored.data, stored.backbone, stored.views.own) == ("python:Waves", "python:Net", "python:jitter")
    assert stored.projector.dim == 5
    assert record.metrics["loss"][-1] < record.metrics["loss"][0]
    assert record.eigenvalues["cross_correlation"].shape[1] == 5
    assert record.probe is None
    assert record.summary["images"]["used"] == 48
    assert not torch.equal(encoder.head.weight, before)  # the module itself is trained
    assert torch.equal(weights_of(tmp_path / "run")["head.weight"], encoder.head.weight)


@pytest.mark.parametrize("changes", [{}, {"micro_batch_size": 4}, {"loss": "byol"}])
def test_a_run_that_is_resumed_with_its_objects_has_the_same_record(
    small_config, tmp_path, folder_bytes, changes
):
    config = small_config(steps=16, probes=ProbesConfig(every=8, test_split="train"), **changes)

    def begin(name, **more):
        train(config, tmp_path / name, images=Waves(), views=jitter, encoder=Net(), **more)

    begin("whole")
    for step in (9, 15):
        with pytest.raises(Killed):
            begin("run", resume=True, progress=end_at(step))
    begin("run", resume=True)
    assert folder_bytes(tmp_path / "run") == folder_bytes(tmp_path / "whole")


@pytest.mark.parametrize("broken", [(), (3, 4, 40)])
def test_items_that_processes_fetch_are_those_in_memory(small_config, tmp_path, folder_bytes, broken):
    """But for broken ones: in memory they are left out, while training the next item stands in."""
    config = small_config(steps=9)
    records = {}
    for stream, workers in (("never", None), ("always", 0), ("always", 2)):
        images = dataclasses.replace(config.images, stream=stream, workers=workers)
        name = f"{stream}-{workers}"
        run = dataclasses.replace(config, images=images)
        records[name] = train(run, tmp_path / name, images=Waves(broken=broken), views=jitter, encoder=Net())
    losses = [record.metrics["loss"] for record in records.values()]
    assert np.array_equal(losses[1], losses[2])
    if not broken:
        assert np.array_equal(losses[0], losses[1])
    for record in records.values():
        images = record.summary["images"]
        assert images["used"] + images["broken"] == 48
        assert sorted(images["broken_names"]) == [
            f"item {row} (RuntimeError: row {row} is)" for row in sorted(broken, key=str)
        ]


@pytest.mark.parametrize("stream", ["never", "always"])
def test_broken_items_are_refused_by_name_where_that_is_asked_for(small_config, tmp_path, stream):
    images = ImagesConfig(broken="refuse", stream=stream, workers=0)
    config = small_config(images=images)
    message = r"python:Waves: item 5 cannot be decoded \(RuntimeError: row 5 is\)"
    with pytest.raises(ValueError, match=message) as refused:
        train(config, tmp_path / "run", images=Waves(broken=(5,)), views=jitter, encoder=Net())
    assert "\n" not in str(refused.value)


def test_steps_see_the_items_in_the_order_of_their_seed(small_config, tmp_path, epoch_order):
    seen = []

    def watch(batch, generator):
        seen.append(batch.clone())
        return jitter(batch, generator)

    config = small_config(steps=4)
    train(config, tmp_path / "run", images=waves()[0], views=watch, encoder=Net())
    x = torch.from_numpy(waves()[0])
    for step, batch in enumerate(seen[1:]):  # the first one tries the encoder
        assert torch.equal(batch, x[epoch_order(config, 48, step)])


def test_what_views_draw_is_the_steps(small_config, tmp_path, folder_bytes):
    def by_torchs_own_state(batch):
        return batch + 0.1 * torch.randn_like(batch), batch

    config = small_config(steps=8)
    for views in (jitter, by_torchs_own_state):
        for name in ("a", "b"):
            torch.rand(3)
            run = tmp_path / f"{name}-{views.__name__}"
            train(config, run, images=waves()[0], views=views, encoder=Net())
        assert folder_bytes(run) == folder_bytes(run.with_name(f"a-{views.__name__}"))


def test_an_own_encoder_that_is_compiled_learns_the_same(small_config, tmp_path, monkeypatch):
    compiled = []

    def without_a_compiler(network):
        compiled.append(network)
        return compile_by_torch(network, backend="eager")

    compile_by_torch = torch.compile
    monkeypatch.setattr(torch, "compile", without_a_compiler)
    losses = [
        train(
            small_config(steps=4, compile=compile),
            tmp_path / str(compile),
            images=Waves(),
            views=jitter,
            encoder=Net(),
        ).metrics["loss"]
        for compile in (False, True)
    ]
    assert len(compiled) == 1
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)


@pytest.mark.parametrize("loss", METHODS)
def test_every_loss_trains_on_ones_own(small_config, tmp_path, loss):
    if loss == "rotation":
        with pytest.raises(ValueError, match=r"rotation turns square images: .* got \(2, 24\); choose"):
            train(small_config(loss=loss), tmp_path / "run", images=Waves(), views=jitter, encoder=Net(False))
        assert not (tmp_path / "run").exists()
        return
    record = train(
        small_config(steps=3, loss=loss), tmp_path / "run", images=Waves(), views=jitter, encoder=Net(False)
    )
    assert record.summary["state"] == "finished"


def test_labels_of_items_are_what_probes_learn(small_config, tmp_path):
    """Features of a network that sees frequencies tell them apart; with labels mixed up they do not."""
    mixed = Waves(1)
    mixed.classes = np.random.default_rng(5).permutation(mixed.classes)
    probes = ProbesConfig(every=10, neighbours=3)
    config = small_config(steps=10, probes=probes)
    found = {}
    for name, test in {"true": Waves(1), "mixed": mixed}.items():
        record = train(
            config,
            tmp_path / name,
            images={"train": Waves(), "test": test},
            views=jitter,
            encoder=Net(),
        )
        found[name] = record.probes["knn_features"][-1]
        assert len(record.probes["step"]) == 2
    assert found["true"] > 0.75
    assert found["mixed"] < 0.55  # of three classes


def test_the_plain_view_is_what_probes_and_the_probe_batch_see(small_config, tmp_path):
    class Halved:
        def __init__(self):
            self.seen = []

        def __call__(self, batch, generator):
            return jitter(batch / 2, generator)

        def plain(self, batch):
            self.seen.append(batch.shape)
            return batch / 2

    views = Halved()
    probes = ProbesConfig(every=10, test_split="train", test_limit=7)
    halves = Waves()
    halves.x = halves.x / 2
    config = small_config(steps=4, probes=probes)
    one = train(config, tmp_path / "a", images=Waves(), views=views, encoder=Net())
    other = train(config, tmp_path / "b", images=halves, views=jitter, encoder=Net())
    assert {tuple(shape) for shape in views.seen} == {
        *((12, 2, LENGTH), (48, 2, LENGTH), (7, 2, LENGTH)),
        (2, 2, LENGTH),  # which is tried
    }
    np.testing.assert_allclose(one.projections["points"], other.projections["points"], rtol=1e-4, atol=1e-6)
    assert np.array_equal(one.probes["knn_embeddings"], other.probes["knn_embeddings"])


class Photographs:
    """As torchvision's: images of Pillow with labels and a list of targets."""

    def __init__(self, folder):
        self.classes = sorted(path.name for path in folder.iterdir())
        self.samples = [
            (path, number)
            for number, name in enumerate(self.classes)
            for path in sorted((folder / name).iterdir())
        ]
        self.targets = [number for _, number in self.samples]

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, row):
        path, number = self.samples[row]
        return Image.open(path), number


@pytest.mark.parametrize("stream", ["auto", "always"])
def test_images_of_pillow_are_what_their_files_are(small_config, tmp_path, labelled_folder, stream):
    """The run of a folder and of a data set of its images differ in nothing but its name."""
    images = ImagesConfig(size=16, stored_size=18, stream=stream, workers=0)
    config = small_config(
        images=images, steps=6, data=str(labelled_folder), probes=ProbesConfig(every=3, neighbours=3)
    )
    splits = {name: Photographs(labelled_folder / name) for name in ("train", "test")}
    by_name = train(config, tmp_path / "named")
    own = train(config, tmp_path / "own", images=splits)
    assert own.config["data"] == "python:Photographs"
    assert np.array_equal(by_name.metrics["loss"], own.metrics["loss"])
    assert np.array_equal(by_name.probe, own.probe)
    assert np.array_equal(by_name.projections, own.projections)
    for name in by_name.probes:
        assert np.array_equal(by_name.probes[name], own.probes[name]), name
    for record in (by_name, own):
        assert record.summary["images"]["broken"] == 1
    assert "item 17 (UnidentifiedImageError" in own.summary["images"]["broken_names"][0]


def test_arrays_and_tensors_of_images_are_trained_on_as_images(small_config, tmp_path, noise):
    pixels = np.stack([noise(16, 16, 3, seed=row) for row in range(32)])
    forms = {
        "array": pixels,
        "tensor": torch.from_numpy(pixels).permute(0, 3, 1, 2),
        "items": [{"image": each, "label": 0} for each in pixels],
        "pillow": [Image.fromarray(each) for each in pixels],
        "pairs": [(each, 1) for each in pixels],
    }
    losses = [
        train(small_config(steps=4), tmp_path / name, images=images).metrics["loss"]
        for name, images in forms.items()
    ]
    assert all(np.array_equal(losses[0], loss) for loss in losses)
    assert read_record(tmp_path / "array").probe.shape == (12, 16, 16, 3)


def test_views_without_a_plain_view_that_the_encoder_takes_are_refused(small_config, tmp_path, noise):
    def turned(batch, generator):
        view = batch.permute(0, 3, 1, 2) / 255
        return view, view.flip(-1)

    rows = np.stack([noise(8, 8, 3, seed=row) for row in range(32)])
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 4))
    with pytest.raises(
        ValueError, match=r"plain view \(2, 8, 8, 3\) .* give turned a method plain"
    ) as refused:
        train(small_config(steps=2), tmp_path / "run", images=rows, views=turned, encoder=network)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()
    turned.plain = lambda batch: batch.permute(0, 3, 1, 2) / 255
    train(small_config(steps=2), tmp_path / "run", images=rows, views=turned, encoder=network)


def test_own_views_of_named_images_are_given_them_as_they_are_stored(small_config, tmp_path):
    seen = []

    def views(batch, generator):
        seen.append((batch.dtype, tuple(batch.shape)))
        return tuple(view / 255 for view in jitter(batch.float(), generator))

    record = train(small_config(steps=4), tmp_path / "run", views=views)
    assert set(seen[1:]) == {(torch.uint8, (16, 3, 16, 16))}
    assert record.config["data"] == "photos"
    assert record.probe is not None
    with pytest.raises(ValueError, match="python:views are a Python object") as refused:
        load_encoder(tmp_path / "run").prepare(torch.zeros(2, 3, 20, 20, dtype=torch.uint8))
    assert "\n" not in str(refused.value)


def test_an_own_encoder_sees_the_ordinary_views(small_config, tmp_path, network):
    """The run's own convnet, handed over as a module, learns what it learns by name."""
    config = small_config(steps=6)
    by_name = train(config, tmp_path / "named")
    own = train(config, tmp_path / "own", encoder=initial_encoder(config))
    assert np.array_equal(by_name.metrics["loss"], own.metrics["loss"])
    assert np.array_equal(by_name.projections, own.projections)
    module = initial_encoder(dataclasses.replace(config, seed=9))
    loaded = load_encoder(tmp_path / "own", encoder=module)
    images = torch.randint(256, (3, 3, 20, 20), dtype=torch.uint8)
    expected = load_encoder(tmp_path / "named")
    with torch.no_grad():
        for one, other in zip(
            loaded(loaded.prepare(images)), expected(expected.prepare(images)), strict=True
        ):
            assert torch.equal(one, other)
    with pytest.raises(ValueError, match="its encoder is convnet, which has a name; leave out encoder="):
        load_encoder(tmp_path / "named", encoder=module)
    with pytest.raises(ValueError, match="does not fit the encoder that was given"):
        load_encoder(tmp_path / "own", encoder=Net())


def test_tables_rows_train_by_a_network_of_numbers(small_config, tmp_path):
    rows = np.random.default_rng(0).normal(size=(40, 7))  # float64
    net = nn.Sequential(nn.Linear(7, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3))
    record = train(small_config(steps=8), tmp_path / "run", images=rows, views=jitter, encoder=net)
    assert record.config["projector"]["dim"] == 3
    assert record.config["data"] == "python:ndarray"
    lists = train(
        small_config(steps=8), tmp_path / "lists", images=rows.tolist(), views=jitter, encoder=_net()
    )
    arrays = train(small_config(steps=8), tmp_path / "arrays", images=rows, views=jitter, encoder=_net())
    assert np.array_equal(lists.metrics["loss"], arrays.metrics["loss"])


def _net():
    torch.manual_seed(0)
    return nn.Linear(7, 3)


def test_whole_numbers_reach_the_encoder_as_they_are(small_config, tmp_path):
    """Such as words of a vocabulary; the plain view has to say so."""

    class Masked:
        def __call__(self, batch, generator):
            return tuple(batch.where(torch.rand(batch.shape, generator=generator) > 0.2, 0) for _ in range(2))

        def plain(self, batch):
            return batch

    words = np.random.default_rng(0).integers(1, 50, (40, 6))
    net = nn.Sequential(nn.Embedding(50, 8), nn.Flatten(), nn.Linear(48, 4))
    record = train(small_config(steps=4), tmp_path / "run", images=words, views=Masked(), encoder=net)
    assert record.summary["state"] == "finished"


def test_pages_show_such_runs_and_commands_that_need_the_objects_say_so(small_config, tmp_path, capsys):
    run = tmp_path / "run"
    train(small_config(steps=8), run, images=Waves(), views=jitter, encoder=Net())
    write_report(run, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "A Net trained with Barlow Twins on Waves, 5 embedding dimensions" in page
    folder = RunsFolder(tmp_path)
    folder.refresh()
    (entry,) = folder.entries.values()
    reply = detail(entry, {"cloud": {}})
    assert reply["metrics"]["count"] == 3
    assert reply["cloud"]["frames"] == 3
    assert reply["cloud"]["thumbnails"] is None
    (card,) = json.loads(folder.table(0))["cards"]
    assert card["about"] == "Barlow Twins · Net · Waves"
    capsys.readouterr()
    commands = {
        "embed": ["--out", str(tmp_path / "e.npz")],
        "probe": [],
        "export": ["--out", str(tmp_path / "m.onnx")],
        "compare": [str(run), "--out", str(tmp_path / "c")],
    }
    for command, options in commands.items():
        assert main([command, str(run), *options]) == 2, command
        error = capsys.readouterr().err
        assert "is a Python object" in error, command
        assert error.count("\n") == 1, command
    assert main(["predict", "--run", str(run), "--out", str(tmp_path / "p")]) == 2
    assert "was given python:Waves from Python" in capsys.readouterr().err
    assert main(["train", "--resume", "--out", str(run)]) == 2
    assert "train(config, out, resume=True, images=Waves)" in capsys.readouterr().err


def test_to_resume_the_same_objects_are_needed(small_config, tmp_path, folder_bytes):
    run, config = tmp_path / "run", small_config(steps=4)
    given = {"images": Waves(), "views": jitter, "encoder": Net()}
    train(config, run, **given)
    before = folder_bytes(run)
    for keyword, name in (("images", "Waves"), ("views", "jitter"), ("encoder", "Net")):
        rest = {key: value for key, value in given.items() if key != keyword}
        if keyword == "views":
            rest["images"] = np.zeros((40, 16, 16, 3), np.uint8)
        for base in (config, load_config(run / "config.yaml")):
            with pytest.raises(ValueError, match=rf"resume=True, {keyword}={name}\)|images=Waves") as refused:
                train(base, run, resume=True, **rest)
            assert "\n" not in str(refused.value)
    with pytest.raises(ValueError, match=r"projector.dim: 5, not 9|projector"):
        train(config, run, resume=True, **given | {"encoder": Net(dim=9)})
    assert folder_bytes(run) == before
    longer = load_config(run / "config.yaml")
    train(longer, run, resume=True, **given)  # its own file, with the objects, is the same configuration


BAD = {
    "one view": ({"views": lambda batch, generator: batch}, "must return two views"),
    "other rows": (
        {"views": lambda batch, generator: (batch[1:], batch[1:])},
        r"must return tensors \(2, ...\)",
    ),
    "two shapes": ({"views": lambda batch, generator: (batch, batch[..., 1:])}, "two views of one shape"),
    "features alone": (
        {"encoder": nn.Conv1d(2, 3, 3)},
        r"must return embeddings \(4, d\).*shape \(4, 3, 22\)",
    ),
    "three": ({"encoder": Net(channels=3)}, r"Net does not take views of shape \(4, 2, 24\) \(RuntimeError"),
    "no weights": ({"encoder": nn.Flatten()}, "Flatten has no parameter that can be trained"),
    "shapes": ({"images": [torch.zeros(2, 24), torch.zeros(2, 20)] * 20}, r"float32 \(2, 20\) in item 1"),
    "pairs": ({"images": [(torch.zeros(2, 24), torch.zeros(2, 24))] * 20}, "two views that belong together"),
    "words": ({"images": ["a", "b"] * 20}, "none of its|can be decoded"),
    "mappings": ({"images": [{"z": 1}] * 20}, "expected items with a key image or x, got z"),
    "few": ({"images": waves()[0][:8]}, "batch_size 16 is larger than the data set"),
    "nothing": ({"images": waves()[0][:0]}, "has no items"),
    "weights too": ({"backbone_weights": "w.pth"}, "backbone_weights: expected none with encoder="),
}


class NotFinite(Net):
    def forward(self, x):
        return super().forward(x)[1] / 0


class Detached(Net):
    def forward(self, x):
        return super().forward(x)[1].detach()


BAD["not finite"] = ({"encoder": NotFinite()}, "gives features that are not finite")
BAD["detached"] = ({"encoder": Detached()}, "gives embeddings without a gradient")


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_trained_is_refused_in_one_line_before_anything_is_touched(
    small_config, tmp_path, case
):
    changes, message = BAD[case]
    config = small_config(**{key: value for key, value in changes.items() if key == "backbone_weights"})
    given = {"images": Waves(), "views": jitter, "encoder": Net()}
    given |= {key: value for key, value in changes.items() if key in given}
    with pytest.raises(ValueError, match=message) as refused:
        train(config, tmp_path / "run", **given)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"images": "cifar10"}, "name files by TrainConfig.data"),
        ({"images": iter([])}, "expected an array, a tensor or a data set"),
        ({"views": "jitter"}, "views: expected a callable"),
        ({"views": lambda a, b, c: None}, "views: expected a callable .* with the arguments"),
        ({"encoder": "resnet18"}, "encoder: expected a torch.nn.Module, got str"),
    ],
)
def test_what_is_of_another_kind_is_refused(small_config, tmp_path, given, message):
    with pytest.raises(TypeError, match=message):
        train(small_config(), tmp_path / "run", **given)


def test_an_encoder_is_tried_without_leaving_a_trace(small_config, tmp_path):
    """Running statistics, gradients and random states are those of a module that was never called."""

    encoder, state = Net(), torch.random.get_rng_state()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    _, dim = try_encoder(encoder, torch.randn(4, 2, LENGTH, generator=torch.Generator()))
    assert dim == 5
    assert torch.equal(torch.random.get_rng_state(), state)
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(parameter.grad is None for parameter in encoder.parameters())


def test_two_processes_learn_what_one_does_where_views_draw_nothing(small_config, tmp_path, two_ranks):
    config = small_config(steps=6, precision="64-true", checkpoint=CheckpointConfig(every=3))
    one = train(config, tmp_path / "one", images=Waves(), views=same, encoder=_without_dropout())
    ranks = two_ranks("own", {"folder": str(tmp_path / "two"), "steps": 6})
    assert ranks[0]["state"] == "finished"
    two = read_record(tmp_path / "two" / "same")
    np.testing.assert_allclose(two.metrics["loss"], one.metrics["loss"], rtol=1e-9)
    for name, value in weights_of(tmp_path / "one").items():
        other = weights_of(tmp_path / "two" / "same")[name]
        torch.testing.assert_close(other, value, rtol=1e-8, atol=1e-10)
    # Views that draw are drawn for each part: other ones, and yet the same in every run.
    assert ranks[0]["drawn"] == ranks[1]["drawn"]
    assert ranks[0]["again"] == ranks[0]["drawn"]
    assert ranks[0]["first views"] != ranks[1]["first views"]
    # Every process would wait for the gradient of a parameter that has none.
    assert "unused.weight of Net has no part in its embeddings" in ranks[0]["idle"]
    assert not (tmp_path / "two" / "idle").exists()


def _without_dropout():
    net = Net()
    net.drop = nn.Identity()
    return net

"""Pairs of two kinds of data and two encoders, given from Python."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from eigenstep.analysis import analyse
from eigenstep.cli import main
from eigenstep.encoders import ProjectorConfig, TwoEncoders, load_encoder
from eigenstep.images import ImagesConfig, Pairs
from eigenstep.live import RunsFolder, detail
from eigenstep.losses import BarlowTwinsLoss, CLIPLoss, SigLIPLoss
from eigenstep.record import read_record
from eigenstep.report import write_report
from eigenstep.training import OptimizerConfig, ProbesConfig, RecordConfig, load_config, train
from eigenstep.views import ViewsConfig

sys.path.insert(0, str(Path(__file__).parent))

from own_objects import PAIRS, Killed, end_at, paired, train_on_pairs, two_networks

pytestmark = pytest.mark.slow


@pytest.fixture
def whole_batch(small_config):
    """A run that sees all pairs at every step, by plain gradient descent."""
    return small_config(
        steps=6,
        batch_size=PAIRS,
        precision="64-true",
        optimizer=OptimizerConfig(lr=0.05, momentum=0.0, weight_decay=0.0, schedule="constant"),
        record=RecordConfig(every=1, probe=12, directions=4),
    )


@pytest.mark.parametrize("loss", [CLIPLoss, SigLIPLoss, BarlowTwinsLoss])
@pytest.mark.parametrize("micro", [None, 16])
def test_the_weights_are_those_of_a_plain_loop(whole_batch, tmp_path, loss, micro):
    """The temperature and the bias, which are learned, included; also where the batch passes in parts."""
    x, y = paired()
    objective, by_hand = loss(), loss()
    first, second = two_networks()
    config = dataclasses.replace(whole_batch, micro_batch_size=micro)
    record = train(config, tmp_path / "run", images=Pairs(x, y), encoder=(first, second), objective=objective)

    a, b = (network.double() for network in two_networks())
    by_hand = by_hand.double()
    parameters = [*a.parameters(), *b.parameters(), *by_hand.parameters()]
    losses = []
    for _ in range(6):
        value = by_hand(a((torch.as_tensor(x) / 255).double()), b(torch.as_tensor(y).double()))
        losses.append(value.item())
        for parameter, gradient in zip(parameters, torch.autograd.grad(value, parameters), strict=True):
            parameter.data -= 0.05 * gradient
    np.testing.assert_allclose(record.metrics["loss"][:6], losses, rtol=1e-8)
    for trained, expected in ((first, a), (second, b), (objective, by_hand)):
        for name, parameter in expected.named_parameters():
            assert torch.allclose(trained.get_parameter(name).double(), parameter, rtol=1e-6), name


def test_recorded_are_the_singular_values_of_the_cross_covariance(whole_batch, tmp_path):
    x, y = paired()
    first, second = two_networks()
    images, encoder = Pairs(x, y), (first, second)
    record = train(whole_batch, tmp_path / "run", images=images, encoder=encoder, objective=CLIPLoss())
    a, b = first((torch.as_tensor(x) / 255).double()), second(torch.as_tensor(y).double())
    cross = np.cov(a.detach().numpy().T, b.detach().numpy().T, ddof=0)[:4, 4:]
    np.testing.assert_allclose(
        record.eigenvalues["cross_correlation"][-1], np.linalg.svd(cross)[1], rtol=1e-6
    )
    for column, z in (("covariance_a", a), ("covariance_b", b)):
        expected = np.linalg.eigvalsh(np.cov(z.detach().numpy().T, ddof=0))[::-1]
        np.testing.assert_allclose(record.eigenvalues[column][-1], expected, rtol=1e-6)
    stored = load_config(tmp_path / "run" / "config.yaml")
    assert (stored.data, stored.backbone) == ("python:Pairs", "python:TwoEncoders(Sequential, Sequential)")
    assert (stored.views.own, stored.record.modes) == ("python:(None, None)", "singular_values")
    assert record.is_rectangular
    assert record.projections["points"].shape[1:] == (12, 4)


def test_a_small_start_learns_the_leading_singular_vectors_first(small_config, tmp_path):
    """Of vectors under CLIP by inner product: the first modes that numpy finds in the data."""
    generator = np.random.default_rng(0)
    shared = generator.normal(size=(256, 3)) * [3.0, 1.0, 0.3]
    x, y = (shared @ np.linalg.qr(generator.normal(size=(d, 3)))[0].T for d in (8, 6))
    x, y = (each + 0.1 * generator.normal(size=each.shape) for each in (x, y))
    first, second = (nn.Linear(d, 4, bias=False) for d in (8, 6))
    for layer in (first, second):
        nn.init.normal_(layer.weight, std=1e-3, generator=torch.Generator().manual_seed(1))
    config = small_config(
        steps=40, batch_size=256, optimizer=OptimizerConfig(lr=0.02, momentum=0.0, schedule="constant")
    )
    loss = CLIPLoss(1.0, learnable=False, normalize="none")
    train(config, tmp_path / "run", images=Pairs(x, y), encoder=(first, second), objective=loss)
    left, _, right = np.linalg.svd((x - x.mean(0)).T @ (y - y.mean(0)) / 256)
    product = first.weight.T @ second.weight  # (8, 6)
    u, values, v = np.linalg.svd(product.detach().numpy())
    assert values[1] < 0.2 * values[0]
    assert abs(u[:, 0] @ left[:, 0]) > 0.99
    assert abs(v[0] @ right[0]) > 0.99


@pytest.mark.parametrize("changes", [{}, {"micro_batch_size": 4}, {"batch_size": 10}])
def test_a_run_that_is_resumed_has_the_same_record(small_config, tmp_path, folder_bytes, changes):
    config = small_config(steps=16, **changes)

    def begin(name, **more):
        images, encoder = Pairs(*paired()), ("convnet", two_networks(16)[1])
        train(config, tmp_path / name, images=images, encoder=encoder, objective=SigLIPLoss(), **more)

    begin("whole")
    for step in (9, 15):
        with pytest.raises(Killed):
            begin("run", resume=True, progress=end_at(step))
    begin("run", resume=True)
    assert folder_bytes(tmp_path / "run") == folder_bytes(tmp_path / "whole")
    kept = sorted((tmp_path / "run" / "checkpoints").glob("step_*"))[-1]
    assert load_file(kept / "objective.safetensors").keys() == {"loss.logit_scale", "loss.logit_bias"}


def test_pairs_that_processes_fetch_are_those_in_memory(small_config, tmp_path):
    losses = []
    for stream, workers in (("never", None), ("always", 0), ("always", 2)):
        config = small_config(steps=6, images=ImagesConfig(stream=stream, workers=workers))
        run = tmp_path / f"{stream}-{workers}"
        record = train(config, run, images=Pairs(*paired()), encoder=two_networks(), objective=CLIPLoss())
        losses.append(record.metrics["loss"])
    assert np.array_equal(losses[0], losses[1])
    assert np.array_equal(losses[0], losses[2])


def test_two_processes_learn_what_one_does(small_config, tmp_path, two_ranks):
    said = two_ranks("pairs", {"folder": str(tmp_path / "two")})
    one, two = train_on_pairs(tmp_path / "one"), read_record(tmp_path / "two" / "run")
    assert [each["state"] for each in said] == ["finished", "finished"]
    np.testing.assert_allclose(two.metrics["loss"], one.metrics["loss"], rtol=1e-9)
    for column in ("cross_correlation", "covariance_a", "covariance_b"):
        np.testing.assert_allclose(two.eigenvalues[column], one.eigenvalues[column], atol=1e-10)


def test_names_are_encoders_of_what_the_pairs_are_and_come_back(small_config, tmp_path):
    x, y = paired()
    config = small_config(steps=3, projector=ProjectorConfig(dim=6))
    pair = TwoEncoders("resnet10t", "mlp")
    train(config, tmp_path / "run", images=Pairs(x, y), encoder=pair, objective=CLIPLoss())
    again = TwoEncoders("resnet10t", "mlp")
    again.build(((2, 8, 8), (5,)), ProjectorConfig(dim=6))
    loaded = load_encoder(tmp_path / "run", encoder=again)
    views = torch.as_tensor(x[:4]).float() / 255, torch.as_tensor(y[:4]).float()
    _, (z_a, z_b) = loaded(views)
    assert (z_a.shape, z_b.shape) == ((4, 6), (4, 6))
    assert torch.equal(again.second(views[1])[1], z_b)
    for name, trained in pair.named_parameters():
        assert torch.equal(again.get_parameter(name), trained), name


def test_encoders_by_name_that_are_made_go_on_from_their_weights(small_config, tmp_path):
    pair, config = TwoEncoders("convnet", "mlp"), small_config(steps=1, loss="vicreg")
    train(config, tmp_path / "run", images=Pairs(*paired()), encoder=pair)
    made = pair.first, pair.second
    train(config, tmp_path / "again", images=Pairs(*paired()), encoder=pair)
    assert (pair.first, pair.second) == made


def test_data_sets_and_images_of_pil_are_pairs_too(small_config, tmp_path):
    x, y = paired()
    images = [Image.fromarray(np.moveaxis(np.repeat(each[:1], 3, axis=0), 0, 2)) for each in x]
    items = list(zip(images, y, strict=True))
    arrays = np.repeat(x[:, :1], 3, axis=1)
    losses = [
        train(
            small_config(steps=4), tmp_path / str(place), images=pairs, encoder=("convnet", "linear")
        ).metrics["loss"]
        for place, pairs in enumerate([Pairs(items), Pairs(arrays, torch.as_tensor(y)), Pairs(images, y)])
    ]
    assert np.array_equal(losses[0], losses[1])
    assert np.array_equal(losses[0], losses[2])


def test_a_side_is_augmented_only_where_that_is_asked_for(small_config, tmp_path):
    x, y = paired()
    x, seen = x[:, :1], {}

    class Watching(nn.Module):
        def __init__(self, place, size):
            super().__init__()
            self.place, self.net = place, nn.Sequential(nn.Flatten(), nn.Linear(size, 4))

        def forward(self, view):
            if self.training:
                seen.setdefault(self.place, []).append(view.detach().clone())
            return self.net(view)

    def shift(batch):
        return batch + torch.rand(len(batch), 1)

    stated = ViewsConfig(normalize="none")
    for views in (None, (None, shift), (stated, None)):
        seen.clear()
        encoder = Watching("x", 64), Watching("y", 5)
        run = tmp_path / str(bool(views and views[0])) / str(bool(views and views[1]))
        train(small_config(steps=2), run, images=Pairs(x, y), views=views, encoder=encoder)
        known = [torch.as_tensor(x).float().flatten(1) / 255, torch.as_tensor(y).float()]
        for place, name in enumerate("xy"):
            rows = seen[name][-1].flatten(1)
            same = torch.cdist(rows.double(), known[place].double()).amin(1) < 1e-5
            augmented = bool(views and views[place])
            assert bool(same.all()) is not augmented, (views, name)


def test_what_reads_runs_reads_one_of_pairs(small_config, tmp_path, capsys):
    for seed in (0, 1):
        train(
            small_config(seed=seed),
            tmp_path / f"run{seed}",
            images=Pairs(*paired()),
            encoder=two_networks(),
            objective=CLIPLoss(),
        )
    record = read_record(tmp_path / "run0")
    assert analyse(record).verdict.sentence.split(" encoder: ")[0] in ("First", "Second")
    assert "one singular value of the cross-covariance" in write_report(tmp_path / "run0").read_text()
    folder = RunsFolder(tmp_path)
    folder.refresh()
    assert detail(next(iter(folder.entries.values())), {"cloud": {}})["cloud"]["thumbnails"] is None
    run0, run1 = str(tmp_path / "run0"), str(tmp_path / "run1")
    for command in (["compare", run0, run1], ["embed", run0, "--out", str(tmp_path / "z.npz")]):
        capsys.readouterr()
        assert main(command) == 2
        assert "is a Python object" in capsys.readouterr().err


def test_singular_values_are_recorded_of_two_views_where_they_are_asked_for(small_config, tmp_path):
    config = small_config(steps=2, record=RecordConfig(every=1, modes="singular_values"))
    record = train(config, tmp_path / "run")
    assert record.is_rectangular
    assert (record.eigenvalues["cross_correlation"] >= 0).all()


class Ragged:
    """The sixth item is longer than those before."""

    def __len__(self):
        return PAIRS

    def __getitem__(self, row):
        return torch.zeros(3 if row == 5 else 2)


class Torn(Ragged):
    def __getitem__(self, row):
        if row in (3, 4):
            raise OSError(f"row {row} is torn")
        return torch.zeros(2) + row / PAIRS


def test_a_pair_that_cannot_be_read_is_left_out_and_named(small_config, tmp_path):
    encoder = two_networks()[0], nn.Linear(2, 4)
    record = train(
        small_config(steps=3), tmp_path / "run", images=Pairs(paired()[0], Torn()), encoder=encoder
    )
    images = record.summary["images"]
    assert (images["used"], images["broken"]) == (PAIRS - 2, 2)
    assert images["broken_names"] == [f"item {row} (OSError: row {row} is torn)" for row in (3, 4)]


X, Y = paired()
REFUSED = {
    "fewer": (lambda: Pairs(X, Y[:-1]), {}, ValueError, "as many items on both sides, .* got 64 and 63"),
    "no data": (lambda: Pairs("photos", Y), {}, TypeError, "arrays, tensors or data sets .* got str"),
    "no pairs": (lambda: Pairs(list(Y)), {}, ValueError, r"none of its 64 items .* or Pairs\(x, y\)"),
    "ragged": (lambda: Pairs(X, Ragged()), {}, ValueError, r"second side .* float32 \(3,\) in pair 5; crop"),
    "no encoder": (lambda: Pairs(X, Y), {"encoder": None}, TypeError, "two for pairs, .* got none"),
    "one encoder": (lambda: Pairs(X, Y), {"encoder": nn.Linear(5, 4)}, TypeError, "two for pairs, .*Linear"),
    "no Pairs": (lambda: (X, Y), {}, TypeError, r"expected eigenstep.images.Pairs\(x, y\)"),
    "one view": (lambda: Pairs(X, Y), {"views": lambda batch: batch}, TypeError, "one for each side"),
    "a number": (lambda: Pairs(X, Y), {"views": (None, 3)}, TypeError, "for each side None, .* got int"),
    "vectors": (
        lambda: Pairs(X, Y),
        {"views": (None, ViewsConfig())},
        ValueError,
        r"a ViewsConfig is for square images .* got items \(5,\)",
    ),
    "widths": (
        lambda: Pairs(X, Y),
        {"encoder": (two_networks()[0], nn.Linear(5, 3))},
        ValueError,
        "embeddings of one width from both, got 4 and 3",
    ),
    "shape": (
        lambda: Pairs(X, Y),
        {"encoder": (two_networks()[0], nn.Linear(6, 4))},
        ValueError,
        r"does not take views of shape \(2, 5\) .* \(the second of two\)",
    ),
    "named": (
        lambda: Pairs(X, Y),
        {"encoder": ("convnet", "linaer")},
        ValueError,
        r"linear or mlp by name for vectors \(5,\).* Did you mean linear\?",
    ),
    "linear": (
        lambda: Pairs(X, Y),
        {"encoder": ("linear", "linear")},
        ValueError,
        r"linear by name is for vectors \(k,\), got items \(2, 8, 8\)",
    ),
}


@pytest.mark.parametrize(("pairs", "given", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_belong_together_is_refused_in_one_line(
    small_config, tmp_path, pairs, given, error, message
):
    with pytest.raises(error, match=message) as refused:
        train(small_config(), tmp_path / "run", **({"images": pairs(), "encoder": two_networks()} | given))
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "byol"}, "BYOL needs a target network"),
        ({"loss": "supcon"}, "needs labels"),
        ({"loss": "autoencoder"}, "needs the views themselves"),
        ({"probes": ProbesConfig(every=2)}, "expected none with Pairs, which have no labels"),
    ],
)
def test_what_two_encoders_do_not_have_is_refused(small_config, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        train(
            small_config(**changes), tmp_path / "run", images=Pairs(*paired()), encoder=("convnet", "linear")
        )
    assert not (tmp_path / "run").exists()


def test_a_run_goes_on_with_its_pairs_alone(small_config, tmp_path):
    def begin(**given):
        train(small_config(steps=2), tmp_path / "run", **given)

    begin(images=Pairs(*paired()), encoder=("convnet", "linear"))
    with pytest.raises(
        ValueError, match=r"the encoder python:TwoEncoders\(convnet, linear\) is a Python object"
    ):
        begin(images=Pairs(*paired()), encoder=("convnet", "mlp"), resume=True)
    other = small_config(steps=2, projector=ProjectorConfig(dim=3))
    with pytest.raises(ValueError, match=r"another configuration \(projector.dim"):
        train(other, tmp_path / "run", images=Pairs(*paired()), encoder=("convnet", "linear"), resume=True)

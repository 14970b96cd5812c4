"""Faults injected into a plain loop of torch that is watched, named from its record alone."""

import warnings

import pytest
import torch
from torch import nn

import eigenstep
from eigenstep.losses import VICRegLoss
from eigenstep.record import read_record
from eigenstep.views import TwoViews, ViewsConfig

COARSE = torch.rand(256, 3, 4, 4, generator=torch.Generator().manual_seed(0))
ROWS = nn.functional.interpolate(COARSE, (16, 16), mode="bicubic").clamp(0, 1)  # clouds of colour
DRAW = TwoViews(ViewsConfig(crop_scale=(0.4, 1.0)).for_channels(3), 16)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(
            *(nn.Conv2d(3, 16, 3, stride=2), nn.BatchNorm2d(16), nn.ReLU()),
            *(nn.Conv2d(16, 32, 3), nn.BatchNorm2d(32), nn.ReLU()),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        )
        self.projector = nn.Sequential(nn.Linear(32, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 16))

    def forward(self, x):
        return self.projector(self.backbone(x))


def network():
    torch.manual_seed(0)
    return Network()


def batches(count, views):
    generator = torch.Generator().manual_seed(0)
    for _ in range(count):
        rows = ROWS[torch.randperm(256, generator=generator)[:64]]
        yield views(*DRAW(rows, generator))


def as_they_are(a, b):
    return a, b


def looped(out, model=None, optimizer=None, *, views=as_they_are, embed=None, steps=20, every=2):
    """Train, watched; what was said at the end, and the watch."""
    model = model or network()
    optimizer = optimizer or torch.optim.AdamW(model.parameters(), lr=1e-3)
    loss_of = VICRegLoss()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with eigenstep.watch(model, "projector", out, every=every) as watched:
            for a, b in batches(steps, views):
                z_a, z_b = (model(each) if embed is None else embed(model, each) for each in (a, b))
                loss = loss_of(z_a, z_b)
                optimizer.zero_grad()
                loss.backward()
                watched.log(loss=loss)
                optimizer.step()
    said = [str(each.message) for each in told if "eigenstep advise" in str(each.message)]
    return watched, said


def test_a_trial_of_a_few_measurements_is_not_judged_unless_its_embeddings_are_lost(tmp_path):
    assert not looped(tmp_path / "four", *adamw(1.0)(), steps=4, every=1)[1]
    assert looped(tmp_path / "five", *adamw(1.0)(), steps=5, every=1)[1]
    assert looped(tmp_path / "lost", *diverging(), steps=4, every=1)[1]


def test_of_a_sound_loop_nothing_is_said(tmp_path):
    watched, said = looped(tmp_path / "run")
    assert not said
    assert not eigenstep.advise(tmp_path / "run").ill
    assert watched.advise().sentence == ""


def adamw(rate):
    def build():
        model = network()
        return model, torch.optim.AdamW(model.parameters(), lr=rate)

    return build


def diverging():
    model = network()
    return model, torch.optim.SGD(model.parameters(), lr=1e4)


def frozen():
    model = network()
    model.backbone.requires_grad_(False)
    return model, torch.optim.AdamW(model.parameters(), lr=1e-3)


def left_out():
    model = network()
    return model, torch.optim.AdamW(model.projector.parameters(), lr=1e-3)


def evaluating():
    model = network()
    for each in model.backbone.modules():
        if isinstance(each, nn.BatchNorm2d):
            each.eval()
    return model, torch.optim.AdamW(model.parameters(), lr=1e-3)


@pytest.mark.parametrize(
    ("build", "name", "line"),
    [
        (adamw(1.0), "rate_too_high", "Set lr=0.001 in the optimiser"),
        (adamw(1e-8), "rate_too_low", "Set lr=0.001 in the optimiser"),
        (diverging, "rate_too_high", "Set lr=0.05 in the optimiser"),
        (frozen, "backbone_frozen", "give the optimiser model.parameters()"),
        (left_out, "backbone_frozen", "give the optimiser model.parameters()"),
        (evaluating, "norms_in_evaluation", "Call model.train()"),
    ],
)
def test_faults_of_network_and_optimiser(tmp_path, build, name, line):
    _, said = looped(tmp_path / "run", *build())
    found = eigenstep.advise(read_record(tmp_path / "run"))
    assert found.causes[0].cause.name == name
    assert line in found.sentence
    assert said == [f"{found.sentence} (eigenstep advise {tmp_path / 'run'})"]


def without_gradient(model, images):
    with torch.no_grad():
        features = model.backbone(images)
    return model.projector(features)


@pytest.mark.parametrize(
    ("views", "name"),
    [
        (lambda a, b: (a, a.clone()), "same_view_twice"),
        (lambda a, b: (a, b.roll(5, 0)), "views_of_other_images"),
        (lambda a, b: (a * 60 + 120, b * 60 + 120), "values_not_scaled"),
        (lambda a, b: (torch.ones_like(a), torch.ones_like(b)), "blank_images"),
        (lambda a, b: (a[:4].repeat(16, 1, 1, 1), b[:4].repeat(16, 1, 1, 1)), "images_repeated"),
    ],
)
def test_faults_of_views(tmp_path, views, name):
    looped(tmp_path / "run", views=views)
    assert eigenstep.advise(tmp_path / "run").causes[0].cause.name == name


def test_of_few_images_the_batch_is_among_the_causes(tmp_path):
    looped(tmp_path / "run", views=lambda a, b: (a[:8], b[:8]))
    assert "batch_too_small" in [each.cause.name for each in eigenstep.advise(tmp_path / "run").causes]


def test_a_backbone_that_runs_without_gradient_is_frozen(tmp_path):
    looped(tmp_path / "run", embed=without_gradient)
    assert eigenstep.advise(tmp_path / "run").causes[0].cause.name == "backbone_frozen"


def test_the_action_is_a_line_of_the_loop_and_no_option(tmp_path):
    looped(tmp_path / "run", *adamw(1.0)())
    found = eigenstep.advise(tmp_path / "run")
    assert "--" not in found.sentence
    assert not found.changes


def test_at_the_default_cadence_the_start_is_known_too(tmp_path):
    looped(tmp_path / "run", views=lambda a, b: (a, b.roll(5, 0)), every=10)
    assert eigenstep.advise(tmp_path / "run").causes[0].cause.name == "views_of_other_images"


def test_a_batch_names_what_the_record_does_not_tell(tmp_path):
    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    watched, _ = looped(tmp_path / "run", model, optimizer)
    same = list(batches(3, lambda a, b: (a, a.clone())))
    weights = {name: each.clone() for name, each in model.state_dict().items()}
    found = watched.advise(same, VICRegLoss())
    assert found.causes[0].cause.name == "same_view_twice"
    assert found.causes[0].evidence[0].said.startswith("a batch now: ")
    assert all(torch.equal(each, weights[name]) for name, each in model.state_dict().items())


def test_a_loop_that_breaks_off_is_told_too(tmp_path):
    model, optimizer = adamw(1.0)()

    def stopped():
        with eigenstep.watch(model, "projector", tmp_path / "run", every=1):
            for a, b in batches(6, as_they_are):
                VICRegLoss()(model(a), model(b)).backward()
                optimizer.step()
            raise KeyboardInterrupt

    with warnings.catch_warnings(record=True) as told, pytest.raises(KeyboardInterrupt):
        stopped()
    assert any("the learning rate is too high" in str(each.message) for each in told)

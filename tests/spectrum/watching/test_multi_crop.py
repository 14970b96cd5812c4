"""Loops with global and local crops, as DINO's: the spectrum is that of the two global ones."""

import copy
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from eigenstep import SpectrumMonitor, watch
from eigenstep.record import read_record

GLOBAL, LOCAL, BATCH, STEPS = 2, 6, 10, 3


class MultiCrop(nn.Module):
    """The authors' wrapper: crops of one size pass the backbone as one batch, all of them the head as one."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.backbone = nn.Sequential(nn.Conv2d(3, 6, 3), nn.GELU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.head = nn.Linear(24, 5)

    def forward(self, crops):
        if isinstance(crops, torch.Tensor):
            return self.head(self.backbone(crops))
        groups = [torch.cat(crops[:GLOBAL]), torch.cat(crops[GLOBAL:])]
        return self.head(torch.cat([self.backbone(group) for group in groups]))


def crops_of(number):
    generator = torch.Generator().manual_seed(number)
    images = torch.randn(BATCH, 3, 12, 12, generator=generator)
    shapes = [(BATCH, 3, 12, 12)] * GLOBAL + [(BATCH, 3, 6, 6)] * LOCAL
    noise = [torch.randn(shape, generator=generator) for shape in shapes]
    return [images[..., : each.shape[2], : each.shape[3]] + 0.5 * each for each in noise]


def loop(model, joint, micro_batches=1):
    """DINO's loop: every crop but the teacher's own follows the teacher's of the two global ones.

    The student's features and embeddings of the two global crops, by step and micro-batch.
    """
    teacher = copy.deepcopy(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    seen = {"backbone": [], "head": []}
    for number in range(STEPS):
        step = {"backbone": [], "head": []}
        for part in range(micro_batches):
            crops = crops_of(10 * number + part)
            with torch.no_grad():
                targets = [teacher(crop).softmax(1) for crop in crops[:GLOBAL]]
                step["backbone"].append([model.backbone.eval()(crop) for crop in crops[:GLOBAL]])
                step["head"].append([model.head.eval()(f) for f in step["backbone"][-1]])
                model.train()
            student = model(crops).chunk(GLOBAL + LOCAL) if joint else [model(crop) for crop in crops]
            pairs = [(i, j) for i in range(GLOBAL) for j in range(GLOBAL + LOCAL) if i != j]
            sum(-(targets[i] * student[j].log_softmax(1)).sum(1).mean() for i, j in pairs).backward()
        optimizer.step()
        optimizer.zero_grad()
        for layer, parts in step.items():
            seen[layer].append([torch.cat(views) for views in zip(*parts, strict=True)])
    return seen


def eigenvalues(path):
    return read_record(path).eigenvalues["cross_correlation"]


def by_hand(path, steps):
    monitor = SpectrumMonitor(path, every=1)
    for z_a, z_b in steps:
        monitor.update(z_a, z_b)
    return eigenvalues(path)


@pytest.mark.parametrize(
    ("layer", "joint", "micro_batches", "options", "said"),
    [
        ("head", False, 1, {"views": (0, 1)}, "0 and 1 of the calls"),
        ("head", False, 2, {"views": (0, 1), "calls": 8}, "0 and 1 of the calls"),
        ("backbone", False, 1, {"views": (0, 1)}, "0 and 1 of the calls"),
        ("head", True, 1, {"views": (0, 1), "per_call": 8}, "0 and 1 of the views, 8 a call"),
        ("head", True, 2, {"views": (0, 1), "per_call": 8, "calls": 1}, "0 and 1 of the views, 8 a call"),
        ("backbone", True, 1, {"views": (0, 1), "per_call": (2, 6)}, "0 and 1 of the views, (2, 6) a call"),
        ("backbone", True, 2, {"views": (0, 1), "per_call": (2, 6)}, "0 and 1 of the views, (2, 6) a call"),
    ],
)
def test_the_spectrum_is_that_of_the_two_global_crops(tmp_path, layer, joint, micro_batches, options, said):
    model = MultiCrop()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Likely cause")  # which so small batches have
        with watch(model, layer, tmp_path / "watch", every=1, **options):
            seen = loop(model, joint, micro_batches)
    expected = by_hand(tmp_path / "hand", seen[layer])
    np.testing.assert_allclose(eigenvalues(tmp_path / "watch"), expected, rtol=1e-4, atol=1e-6)
    assert read_record(tmp_path / "watch").config["monitor"]["views"] == said


@pytest.mark.parametrize(
    ("layer", "joint", "message", "said"),
    [
        (
            "head",
            False,
            r"gave 8 outputs before the step, taken for 4 micro-batches of two views, \(0, 1\), \(2, 3\),"
            r" \.\.\.; .* global crops: views=\(0, 1\)",
            "(0, 1), (2, 3), (4, 5), (6, 7) of the calls",
        ),
        (
            "backbone",
            True,
            r"gave 2 outputs .* do not pair up .* views=\(0, 1\), and with per_call",
            "one view",
        ),
        ("head", True, r"with 8 rows for each sample .* views=\(0, 1\), per_call=8", "one view"),
    ],
)
def test_what_is_taken_for_views_unless_told_is_told_once_and_recorded(tmp_path, layer, joint, message, said):
    model = MultiCrop()
    with pytest.warns(UserWarning, match=message) as told, watch(model, layer, tmp_path / "watch", every=1):
        loop(model, joint)
    assert len([each for each in told if "Likely cause" not in str(each.message)]) == 1
    assert read_record(tmp_path / "watch").config["monitor"]["views"] == said


def test_one_view_a_step_is_one_view_without_a_word(tmp_path):
    model = MultiCrop()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Likely cause")  # which so small batches have
        with watch(model, "head", tmp_path / "watch", every=1):
            for number in range(2):
                model(crops_of(number)[0]).square().mean().backward()
                optimizer.step()
    assert read_record(tmp_path / "watch").config["monitor"]["views"] == "one view"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"per_call": 8}, r"per_call=8 goes with views=\(i, j\), such as \(0, 1\), got None"),
        (
            {"per_call": (2, 0), "views": (0, 1)},
            r"a tuple of numbers by call, such as \(2, 6\), got \(2, 0\)",
        ),
        ({"per_call": (), "views": (0, 1)}, r"got \(\)"),
        (
            {"per_call": (2, 6), "views": (0, 8)},
            r"expected views below 8, of per_call=\(2, 6\), got \(0, 8\)",
        ),
        ({"per_call": (2, 6), "views": (0, 1), "calls": 3}, r"expected calls=2, or none, .* got 3"),
        ({"views": [0, 1]}, r"two numbers of calls, got \[0, 1\]"),
    ],
)
def test_choices_that_cannot_be_are_refused_before_the_first_step(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        watch(MultiCrop(), "head", tmp_path, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"per_call": 3, "views": (0, 1)}, "gave 80 embeddings, expected 3 views of equal size"),
        ({"per_call": 4, "views": (0, 5)}, r"called 1 times, expected views=\(0, 5\) among its views"),
        ({"per_call": (2, 6), "views": (0, 1)}, "called 1 times, expected a multiple of calls=2"),
    ],
)
def test_choices_that_the_calls_do_not_fit_are_refused_in_the_first_step(tmp_path, options, message):
    model = MultiCrop()
    watch(model, "head", tmp_path, **options)
    with pytest.raises(ValueError, match=message):
        loop(model, joint=True)


def test_lightlys_crops_in_lightlys_loop_of_dino(tmp_path):
    pytest.importorskip("lightly")
    from lightly.loss import DINOLoss
    from lightly.models.modules import DINOProjectionHead
    from lightly.transforms import DINOTransform
    from PIL import Image

    transform = DINOTransform(global_crop_size=16, local_crop_size=8, n_local_views=LOCAL)
    pixels = np.random.default_rng(0).integers(0, 256, (STEPS * BATCH, 20, 20, 3), dtype=np.uint8)
    torch.manual_seed(0)
    views = [transform(Image.fromarray(image)) for image in pixels]

    class Dino(nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone = MultiCrop().backbone
            self.head = DINOProjectionHead(24, 16, 8, 12, batch_norm=False)

        def forward(self, x):
            return self.head(self.backbone(x).flatten(1))

    student = Dino()
    teacher = Dino()
    loss, optimizer = DINOLoss(output_dim=12), torch.optim.SGD(student.parameters(), lr=0.1)
    seen = []
    with watch(student, "head", tmp_path / "watch", every=1, views=(0, 1)):
        for number in range(STEPS):
            rows = views[BATCH * number :][:BATCH]
            batch = [torch.stack([row[view] for row in rows]) for view in range(GLOBAL + LOCAL)]
            with torch.no_grad():
                targets = [teacher(view) for view in batch[:GLOBAL]]
            student_out = [student(view) for view in batch]
            seen.append([z.detach().clone() for z in student_out[:GLOBAL]])
            loss(targets, student_out, epoch=0).backward()
            optimizer.step()
            optimizer.zero_grad()
    np.testing.assert_array_equal(eigenvalues(tmp_path / "watch"), by_hand(tmp_path / "hand", seen))

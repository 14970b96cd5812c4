"""The loops that users copy pass: the README's and those of examples/."""

import importlib.util
import re
from pathlib import Path

import pytest
import torch

import eigenstep
from eigenstep.losses import BarlowTwinsLoss, VICRegLoss

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.slow


def example(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"examples/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_readmes_own_loop_is_sound():
    """As it stands there, up to its loop."""
    block = next(
        each
        for each in re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
        if "watch(" in each
    )
    names = {}
    head = block[: block.index("watched =")]
    exec(compile(head, "README.md", "exec"), names)
    lines = re.findall(r"    (samples = .*|view_a, view_b = .*)", block)
    batches = []
    for _ in range(3):
        exec("\n".join(lines), names)
        batches.append((names["view_a"], names["view_b"]))
    found = eigenstep.check(names["model"], batches, names["criterion"], names["optimizer"])
    assert not found.of("wrong")
    assert not found.of("doubtful")


def test_the_plain_loop_of_the_examples_is_sound():
    module = example("watch_pytorch")
    model = module.Network()
    digits = torch.tensor(module.load_digits().images[:768], dtype=torch.float32) / 16
    batches = [(module.view(part), module.view(part)) for part in digits.split(256)]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    found = eigenstep.check(model, batches, BarlowTwinsLoss(1.0, normalize="none"), optimizer)
    assert not found.of("wrong")
    assert not found.of("doubtful")


def test_the_series_of_the_examples_are_sound_but_for_a_decay_of_norms_that_torch_makes():
    module = example("time_series")
    torch.manual_seed(0)
    model, data = module.Network(), module.Oscillations(384, 1)
    views, generator = module.CropScaleNoise(), torch.Generator().manual_seed(0)
    batches = [views(part, generator) for part in torch.from_numpy(data.series)[:, None].split(128)]
    found = eigenstep.check(model, batches, VICRegLoss(), torch.optim.AdamW(model.parameters(), 1e-3))
    assert not found.of("wrong")
    assert set(found.of("doubtful")) == {"decay"}

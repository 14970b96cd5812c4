"""Each check passes a sound loop and fails by itself where the one thing that it is about is wrong."""

import copy
import dataclasses
import math
import os
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from eigenstep import check
from eigenstep.advice.checks import CHECKS
from eigenstep.advice.checks.configured import check_config
from eigenstep.images import ImagesConfig
from eigenstep.losses import BarlowTwinsLoss, NegativeCosineSimilarity, NTXentLoss, VICRegLoss
from eigenstep.training import OptimizerConfig, ProbesConfig, ProjectorConfig, TrainConfig
from eigenstep.training.recipes import load_recipe
from eigenstep.views import ViewsConfig

PAIRS = 48  # of a batch of the sound loop
OF_CONFIGURATIONS = {"crops", "blur"}
OF_PROCESSES = {"processes"}


class OwnGenerator(Dataset):
    """Draws from a generator of its own, of which each worker has a copy."""

    def __init__(self):
        self.images = torch.randn(96, 3, 16, 16, generator=torch.Generator().manual_seed(0))
        self.generator = torch.Generator().manual_seed(0)

    def __len__(self):
        return len(self.images)

    def draw(self, shape):
        return torch.randn(shape, generator=self.generator)

    def __getitem__(self, index):
        image = self.images[index]
        return tuple(image + self.draw(image.shape) for _ in range(2)), 0


class TorchsGenerator(OwnGenerator):
    def draw(self, shape):
        return torch.randn(shape)


def same_view(parts, draw):
    parts.views = [(a, a.clone()) for a, _ in parts.views]


def weak_views(parts, draw):
    parts.views = draw(dataclasses.replace(ViewsConfig.none("imagenet"), crop_scale=(0.97, 1.0)))


def partners_of_others(parts, draw):
    parts.views = [(a, b.roll(1, 0)) for a, b in parts.views]


def one_image(parts, draw):
    """A single image under other noise in each view."""
    parts.views = [tuple(each[:1] + torch.randn(each.shape) for each in (a, b)) for a, b in parts.views]


def workers_that_repeat(parts, draw):
    parts.views = DataLoader(OwnGenerator(), batch_size=32, num_workers=2)


def half_a_batch_twice(parts, draw):
    parts.views = [tuple(torch.cat([each[:24], each[:24]]) for each in pair) for pair in parts.views]


def bytes_as_numbers(parts, draw):
    parts.views = [tuple(60 * each + 120 for each in pair) for pair in parts.views]


def a_model_that_breaks(parts, draw):
    parts.model.projector[0] = nn.Linear(7, 64, bias=False)
    parts.optimizer = torch.optim.SGD(parts.model.parameters(), lr=0.005)


def head_not_in_the_optimizer(parts, draw):
    parts.optimizer = torch.optim.SGD(parts.model.backbone.parameters(), lr=0.005)


def frozen_by_mistake(parts, draw):
    parts.model.backbone[0].requires_grad_(False)


def a_norm_in_evaluation(parts, draw):
    parts.model.backbone[1].eval()


def nothing_in_the_head(parts, draw):
    parts.loss = NegativeCosineSimilarity()
    parts.model.projector = nn.Linear(256, 16)
    parts.optimizer = torch.optim.SGD(parts.model.parameters(), lr=0.005)


def teacher_is_the_student(parts, draw):
    parts.more["teacher"] = parts.model


def too_many_strides(parts, draw):
    layers = [nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU()]
    layers += [
        layer for _ in range(5) for layer in (nn.Conv2d(16, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU())
    ]
    parts.model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(16, 16), nn.BatchNorm1d(16))
    parts.optimizer = torch.optim.SGD(parts.model.parameters(), lr=0.001)


def silent_units(parts, draw):
    with torch.no_grad():
        parts.model.backbone[7].bias[:32] = -100.0


def a_rate_of_adam(parts, draw):
    from timm.optim import Lars

    groups = [
        {"params": [each for each in parts.model.parameters() if each.ndim > 1]},
        {"params": [each for each in parts.model.parameters() if each.ndim <= 1], "weight_decay": 0.0},
    ]
    parts.optimizer = Lars(groups, lr=0.001, weight_decay=1e-4)


def too_large_a_step(parts, draw):
    parts.optimizer = torch.optim.SGD(parts.model.parameters(), lr=100.0)


def biases_decayed(parts, draw):
    parts.optimizer = torch.optim.AdamW(parts.model.parameters(), lr=1e-3, weight_decay=0.05)


def weights_of_few_digits(parts, draw):
    parts.model = parts.model.bfloat16()
    parts.views = [tuple(each.bfloat16() for each in pair) for pair in parts.views]
    parts.optimizer = torch.optim.SGD(parts.model.parameters(), lr=0.005)


def naive_contrast(z_a, z_b):
    """InfoNCE by exponentials: e^(1/T) is beyond float32."""
    z_a, z_b = nn.functional.normalize(z_a), nn.functional.normalize(z_b)
    similarities = (z_a @ z_b.T / 0.0112).exp()
    return (similarities.sum(1).log() - similarities.diagonal().log()).mean()


def too_cold(parts, draw):
    parts.loss = naive_contrast
    parts.optimizer = torch.optim.SGD(parts.model.parameters(), lr=0.0005)


def rows_without_partner(parts, draw):
    whole = BarlowTwinsLoss(lambda_param=0.1)
    parts.loss = lambda z_a, z_b: whole(z_a[:-8], z_b[:-8])


def a_logarithm(parts, draw):
    class Logarithm(nn.Module):
        def forward(self, x):
            return torch.log(x)

    parts.model.projector.add_module("logarithm", Logarithm())


def the_other_sign(parts, draw):
    whole = BarlowTwinsLoss(lambda_param=0.1)
    parts.loss = lambda z_a, z_b: -whole(z_a, z_b)


def nothing_keeps_apart(parts, draw):
    parts.loss = nn.MSELoss()


def nearly_equal_embeddings(parts, draw):
    parts.loss = NTXentLoss()
    parts.model.projector.add_module("far", nn.Linear(16, 16))
    nn.init.constant_(parts.model.projector.far.bias, 30.0)
    parts.optimizer = torch.optim.SGD(parts.model.parameters(), lr=0.005)


def heavy_redundancy(parts, draw):
    parts.loss = BarlowTwinsLoss(lambda_param=10.0, scale=0.05)


def light_covariance(parts, draw):
    parts.loss = VICRegLoss(nu_param=1e-5)


def few_pairs_many_dimensions(parts, draw):
    parts.loss = NTXentLoss()
    parts.model.projector = nn.Sequential(nn.Linear(256, 2048), nn.BatchNorm1d(2048))
    parts.optimizer = torch.optim.SGD(parts.model.parameters(), lr=0.005)


def few_pairs(parts, draw):
    parts.views = [tuple(each[:16] for each in pair) for pair in parts.views]


ILL = [
    ("agreement", same_view),
    ("agreement", weak_views),
    ("agreement", partners_of_others),
    ("agreement", one_image),
    ("repetition", workers_that_repeat),
    ("duplicates", half_a_batch_twice),
    ("range", bytes_as_numbers),
    ("runs", a_model_that_breaks),
    ("moves", head_not_in_the_optimizer),
    ("moves", frozen_by_mistake),
    ("norms", a_norm_in_evaluation),
    ("head", nothing_in_the_head),
    ("teacher", teacher_is_the_student),
    ("maps", too_many_strides),
    ("silent", silent_units),
    ("rate", a_rate_of_adam),
    ("update", too_large_a_step),
    ("decay", biases_decayed),
    ("types", weights_of_few_digits),
    ("logit", too_cold),
    ("anchors", rows_without_partner),
    ("finite", a_logarithm),
    ("sign", the_other_sign),
    ("sign", nothing_keeps_apart),
    ("place", nearly_equal_embeddings),
    ("shares", heavy_redundancy),
    ("shares", light_covariance),
    ("rows", few_pairs_many_dimensions),
    ("tells", few_pairs),
]


def failed(found):
    return {*found.of("wrong"), *found.of("doubtful")}


def test_a_sound_loop_passes_all_that_a_loop_can_be_asked(sound):
    found = check(*sound.arguments())
    assert set(found.of("not checked")) == OF_CONFIGURATIONS | OF_PROCESSES | {"repetition"}
    assert not failed(found)


def test_the_first_loss_is_placed_where_the_loss_knows_values_of_its_own(sound):
    sound.loss = NTXentLoss(temperature=0.5)
    chance = math.log(2 * PAIRS - 1)
    assert f"from chance, {chance:.2f}" in check(*sound.arguments())["place"].sentence
    own = sound.loss
    sound.loss = lambda z_a, z_b: own(z_a, z_b)
    assert "chance" not in check(*sound.arguments())["place"].sentence


@pytest.mark.parametrize(("name", "spoil"), ILL, ids=lambda each: getattr(each, "__name__", each))
def test_a_check_fails_by_itself_alone(name, spoil, sound, draw):
    spoil(sound, draw)
    found = check(*sound.arguments(), **sound.more)
    assert failed(found) == {name}
    assert found[name].action


@pytest.mark.parametrize(
    ("name", "views"),
    [("crops", ViewsConfig(crop_scale=(0.02, 1.0))), ("blur", ViewsConfig(blur_probability=0.9))],
)
def test_what_is_known_of_configurations_alone_fails_by_itself_alone(name, views):
    config = TrainConfig(
        batch_size=64,
        threads=1,
        device="cpu",
        images=ImagesConfig(size=32, patches=192),
        projector=ProjectorConfig(init_scale=1.0),
    )
    assert not failed(check_config(config))
    found = check_config(dataclasses.replace(config, views=views))
    assert failed(found) == {name}
    assert "--views." in found[name].action


def test_every_check_is_failed_by_a_case():
    cases = {name for name, _ in ILL} | OF_CONFIGURATIONS | OF_PROCESSES
    assert cases == {each.name for each in CHECKS}


def test_workers_that_draw_from_torch_pass(sound):
    sound.views = DataLoader(TorchsGenerator(), batch_size=32, num_workers=2, shuffle=True)
    assert check(*sound.arguments())["repetition"].state == "passed"


def test_a_rate_of_lars_given_to_adam_is_wrong(sound):
    sound.optimizer = torch.optim.Adam(sound.model.parameters(), lr=0.3)
    assert "rate" in check(*sound.arguments()).of("wrong")


def test_a_rate_by_which_the_loss_soon_is_not_finite_is_told_as_such(sound):
    sound.optimizer = torch.optim.SGD(sound.model.parameters(), lr=1e15)
    found = check(*sound.arguments())
    assert {"update", "finite"} <= set(found.of("wrong"))


def test_lars_that_rescales_biases_is_wrong(sound):
    from timm.optim import Lars

    sound.optimizer = Lars(sound.model.parameters(), lr=0.3, weight_decay=1e-4)
    assert failed(check(*sound.arguments())) == {"decay"}
    assert not check(*sound.arguments()).ok


def test_a_rate_of_zero_is_the_one_that_is_warmed_up_to(sound):
    torch.optim.lr_scheduler.LambdaLR(sound.optimizer, lambda step: step / 100)
    assert sound.optimizer.param_groups[0]["lr"] == 0
    assert not failed(check(*sound.arguments()))


WORKER = """
import math, torch
from torch import nn
from eigenstep import check
from eigenstep.losses import NTXentLoss
torch.distributed.init_process_group("gloo")
torch.manual_seed(0)
x = torch.randn(3, 64, 16)
torch.manual_seed(1 + torch.distributed.get_rank())
batches = [(each + torch.randn(64, 16), each + torch.randn(64, 16)) for each in x]
model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 8))
found = [check(model, batches, NTXentLoss(gather_distributed=gather)) for gather in (True, False)]
states = [each["processes"].state for each in found]
assert states == ["passed", "wrong"], states
for each, pairs in zip(found, (128, 64)):
    assert f"from chance, {math.log(2 * pairs - 1):.2f}" in each["place"].sentence, each["place"].sentence
torch.distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_a_loss_that_does_not_gather_is_wrong_in_two_processes(tmp_path):
    (tmp_path / "worker.py").write_text(WORKER)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, str(tmp_path / "worker.py")],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_checks_of_a_watched_loop_are_those_of_its_layer(sound, tmp_path):
    import eigenstep

    with (
        pytest.warns(UserWarning, match="nothing was recorded"),
        eigenstep.watch(sound.model, "projector", tmp_path / "run") as watched,
    ):
        found = watched.check(sound.views, sound.loss, sound.optimizer)
    assert not failed(found)


def test_muon_and_small_starts_of_a_configuration_pass():
    config = TrainConfig(
        batch_size=64, threads=1, images=ImagesConfig(patches=192), optimizer=OptimizerConfig(name="muon")
    )
    assert not failed(check_config(config))


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["barlow_twins", "simclr", "vicreg", "byol", "simsiam", "w_mse"])
def test_recipes_pass_on_a_small_network(loss):
    recipe = load_recipe(f"{loss}/cifar10-resnet18")
    config = dataclasses.replace(
        recipe,
        data="photos",
        backbone="convnet",
        batch_size=128,
        precision="32-true",
        device="cpu",
        threads=1,
        images=ImagesConfig(size=32, patches=400),
        projector=dataclasses.replace(recipe.projector, hidden=(128,), dim=64),
        probes=ProbesConfig(),
    )
    found = check_config(config)
    assert not failed(found), str(found)


def test_a_model_that_cannot_be_copied_is_said_and_not_run(sound):
    class Uncopied(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def __deepcopy__(self, memo):
            raise RuntimeError("no copies")

        def forward(self, x):
            raise AssertionError("it was run")

    sound.model = Uncopied(sound.model)
    found = check(*sound.arguments())
    assert found.ok
    assert found["runs"].state == "not checked"
    assert "no copies" in found["runs"].sentence
    assert found["agreement"].state == "passed"


def test_the_loop_is_not_run(sound):
    before = copy.deepcopy(sound.model.state_dict())
    calls = []
    sound.model.register_forward_hook(lambda module, given, output: calls.append(module))
    check(*sound.arguments())
    assert all(called is not sound.model for called in calls)
    assert all(torch.equal(value, sound.model.state_dict()[name]) for name, value in before.items())


def test_a_configuration_with_local_crops_is_checked_by_all_its_views():
    config = TrainConfig(
        loss="lejepa",
        batch_size=64,
        threads=1,
        device="cpu",
        images=ImagesConfig(size=32, patches=256),
        views=ViewsConfig(local_views=2),
    )
    found = check_config(config)
    assert found["runs"].state == "passed"
    assert found["agreement"].state != "not checked"

"""Signs of health of watched loops, beside those that the test measures itself."""

import copy
import json
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from eigenstep import SpectrumMonitor, watch
from eigenstep.record import read_record
from eigenstep.spectrum import LogSpaced, Watch
from eigenstep.spectrum.health import as_numbers, of_embeddings, of_features, of_views, some_pixels

RATE = 0.1


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU())
        self.projector = nn.Sequential(nn.Linear(8, 5), nn.ReLU(), nn.Linear(5, 4))
        self.teacher = nn.Linear(6, 4).requires_grad_(False)

    def forward(self, x):
        return self.projector(self.backbone(x))


def network():
    torch.manual_seed(0)
    return Network()


def images(step, count=16):
    generator = torch.Generator().manual_seed(step)
    x = torch.randn(count, 6, generator=generator)
    return x, x + 0.1 * torch.randn(count, 6, generator=generator)


def loss_of(z_a, z_b):
    return (z_a - z_b).square().mean() + (z_a.square().mean() - 1).square()


def train(model, steps, *optimizers, embed=None, batches=1):
    for step in range(steps):
        for micro in range(batches):
            x = images(batches * step + micro)
            z_a, z_b = (model(each) for each in x) if embed is None else embed(model, *x)
            (loss_of(z_a, z_b) / batches).backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()


def sgd(parameters, rate=RATE):
    return torch.optim.SGD(parameters, lr=rate)


def signs(out):
    metrics = read_record(out).metrics
    return {name.removeprefix("health/"): curve for name, curve in metrics.items() if "health/" in name}


def watched(out, model, *optimizers, steps=3, every=1, layer="projector", embed=None, batches=1, **options):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Likely cause|Ill ")
        with watch(model, layer, out, every=every, **options):
            train(model, steps, *(optimizers or [sgd(model.parameters())]), embed=embed, batches=batches)
    return signs(out)


def test_plain_descent_moves_each_part_by_rate_times_gradient(tmp_path):
    found = watched(tmp_path / "run", network())
    for part in ("backbone", "projector"):
        moved = found[f"update_{part}"] * found[f"weight_{part}"]
        assert moved == pytest.approx(RATE * found[f"gradient_{part}"], rel=1e-4)
    norm = torch.cat([each.detach().flatten() for each in network().backbone.parameters()]).norm()
    assert found["weight_backbone"][0] == pytest.approx(float(norm), rel=1e-5)


def test_views_features_and_embeddings_are_those_of_the_step(tmp_path):
    model = network()
    found = watched(tmp_path / "run", model, steps=1)
    (a, b), fresh = images(0), network()
    features = fresh.backbone(a), fresh.backbone(b)
    expected = as_numbers(
        of_views(some_pixels(a), some_pixels(b))
        | of_features(*features)
        | of_embeddings(*map(fresh.projector, features))
    )
    assert {name: found[name][0] for name in expected} == pytest.approx(expected, rel=1e-4)
    assert found["batch"][0] == 16
    assert found["images_distinct"][0] == 1
    assert found["norms_evaluating"][0] == 0


def both_in_one_call(model, a, b):
    return model(torch.cat([a, b])).chunk(2)


def part_by_part(model, a, b):
    return model.projector(model.backbone(a)), model.projector(model.backbone(b))


@pytest.mark.parametrize(("embed", "options"), [(both_in_one_call, {"views": 2}), (part_by_part, {})])
def test_however_the_model_is_called_the_signs_are_the_same(tmp_path, embed, options):
    plain, model = watched(tmp_path / "plain", network(), steps=1), network()
    other = watched(tmp_path / "other", model, steps=1, embed=embed, **options)
    assert set(other) == set(plain)
    for name in ("views_apart", "views_std", "batch"):
        assert other[name] == pytest.approx(plain[name], rel=1e-5)


def probed_after(model, a, b):
    found = part_by_part(model, a, b)
    model.backbone(a)
    return found


def probed_before(model, a, b):
    model.backbone(a)
    return part_by_part(model, a, b)


def test_what_the_backbone_is_given_for_a_probe_is_taken_for_no_view(tmp_path):
    plain = watched(tmp_path / "plain", network(), steps=1)
    after = watched(tmp_path / "after", network(), steps=1, embed=probed_after)
    assert after["views_apart"] == pytest.approx(plain["views_apart"])
    assert "views_apart" not in watched(tmp_path / "before", network(), steps=1, embed=probed_before)


def test_of_micro_batches_the_step_is_told_whole_and_the_batch_is_what_the_loss_saw(tmp_path):
    found = watched(tmp_path / "run", network(), steps=2, batches=3, calls=2)
    assert (found["batch"] == 16).all()
    a, b = (torch.cat(each) for each in zip(*(images(micro) for micro in range(3)), strict=True))
    expected = as_numbers(of_views(some_pixels(a), some_pixels(b)))
    assert found["views_apart"][0] == pytest.approx(expected["views_apart"], rel=1e-5)


def test_weights_that_are_left_out_of_the_optimiser_do_not_move(tmp_path):
    model = network()
    found = watched(tmp_path / "run", model, sgd(model.projector.parameters()))
    assert (found["update_backbone"][1:] == 0).all()
    assert (found["update_projector"] > 0).all()


def test_a_part_that_another_optimiser_moves_is_not_said_to_stand_still(tmp_path):
    model = network()
    found = watched(
        tmp_path / "run", model, sgd(model.projector.parameters()), sgd(model.backbone.parameters())
    )
    assert np.isnan(found.get("update_backbone", np.full(3, np.nan))).all()
    assert (found["update_projector"] > 0).all()


def test_at_the_first_line_it_stands_what_the_first_step_was_like(tmp_path):
    whole = watched(tmp_path / "whole", network(), steps=6)
    some = watched(tmp_path / "some", network(), steps=6, every=3)
    assert len(some["weight_backbone"]) == 2
    assert some["start_weight_backbone"][0] == pytest.approx(whole["weight_backbone"][0])
    assert some["start_embeddings_agreement"][0] == pytest.approx(whole["embeddings_agreement"][0])
    assert some["update_backbone"] == pytest.approx(whole["update_backbone"][[2, 5]], rel=1e-5)
    assert not any(name.startswith("start_") for name in whole)


@pytest.mark.parametrize("every", [5, LogSpaced(4)])
def test_watching_changes_nothing_that_is_trained(tmp_path, every):
    plain, model = network(), network()
    train(plain, 8, sgd(plain.parameters()))
    watched(tmp_path / "run", model, steps=8, every=every)
    for one, other in zip(plain.state_dict().values(), model.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_closing_leaves_no_hook(tmp_path):
    model = network()
    optimizer = sgd(model.parameters())
    watched(tmp_path / "run", model, optimizer)
    for module in model.modules():
        assert not module._forward_pre_hooks
        assert not module._forward_hooks
    assert not optimizer._optimizer_step_pre_hooks
    watched(tmp_path / "mine", model, optimizer, optimizer=optimizer)
    assert not optimizer._optimizer_step_pre_hooks


def test_copies_are_not_looked_at(tmp_path):
    model = network()
    with watch(model, "projector", tmp_path / "run", every=1):
        twin = copy.deepcopy(model)
        train(model, 1, sgd(model.parameters()))
        twin(torch.full((16, 6), 1e9))
        train(model, 1, sgd(model.parameters()))
    assert (signs(tmp_path / "run")["views_std"] < 10).all()


def test_parts_and_optimiser_stand_in_the_record(tmp_path):
    model = network()
    watched(tmp_path / "run", model, torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.1))
    monitor = json.loads((tmp_path / "run" / "config.yaml").read_text())["monitor"]
    assert monitor["parts"] == {"backbone": ["backbone"], "projector": ["projector"]}
    assert monitor["optimizer"] == {"name": "AdamW", "lr": 2e-3, "weight_decay": 0.1}


def test_a_backbone_alone_and_layers_in_a_row_have_their_parts(tmp_path):
    row = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4))
    watched(tmp_path / "row", row, layer="2")
    watched(tmp_path / "backbone", network(), layer="backbone")
    for name, parts in {
        "row": {"backbone": ["0"], "projector": ["2"]},
        "backbone": {"backbone": ["backbone"], "projector": ["projector"]},
    }.items():
        assert json.loads((tmp_path / name / "config.yaml").read_text())["monitor"]["parts"] == parts


def test_what_cannot_be_told_is_told_once_and_training_goes_on(tmp_path):
    class Odd:
        def get_scale(self):
            raise RuntimeError("no scale")

    with pytest.warns(UserWarning, match="no more signs of health .* no scale.*; training goes on") as told:
        found = watched(tmp_path / "run", network(), scaler=Odd(), steps=4)
    assert len([each for each in told if "no more signs" in str(each.message)]) == 1
    assert len(found["embeddings_agreement"]) == 4


def test_who_runs_the_loop_tells_of_an_update_before_it(tmp_path):
    model = network()
    optimizer = sgd(model.parameters())
    run = Watch(model, "projector", tmp_path / "run", every=1)
    for step in range(2):
        loss_of(*(model(each) for each in images(step))).backward()
        run.before_update(optimizer)
        optimizer.step()
        run.step(learning_rate=RATE)
        optimizer.zero_grad()
    run.close()
    assert (signs(tmp_path / "run")["update_backbone"] > 0).all()


def test_the_scale_of_float16_is_recorded(tmp_path):
    class Scaler:
        def get_scale(self):
            return 8.0

    assert (watched(tmp_path / "run", network(), scaler=Scaler())["loss_scale"] == 8).all()


def test_a_monitor_that_is_fed_by_hand_sees_how_views_agree(tmp_path):
    monitor = SpectrumMonitor(tmp_path / "run", every=2)
    batches = [images(step) for step in range(4)]
    for batch in batches:
        monitor.update(*batch, health={"update_backbone": 0.5})
    monitor.close()
    found = signs(tmp_path / "run")
    expected = [as_numbers(of_embeddings(*batches[step]))["embeddings_agreement"] for step in (1, 3)]
    assert found["embeddings_agreement"] == pytest.approx(expected)
    assert (found["update_backbone"] == 0.5).all()


def test_of_single_views_nothing_is_said_of_pairs(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = watched(tmp_path / "run", network(), views=1)
    assert not {"embeddings_agreement", "views_apart", "batch"} & set(found)
    assert (found["update_backbone"] > 0).all()

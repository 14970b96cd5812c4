import json
import math

import numpy as np
import pytest
import torch
from torch import nn

from eigenstep.record import read_record
from eigenstep.training import OptimizerConfig, RecordConfig, TrainConfig, train

RATE, MOMENTUM = 0.05, 0.0
PAIR = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))


def two_views(batch, generator):
    noise = torch.randn(2, *batch.shape, generator=generator)
    return batch + 0.3 * noise[0], batch + 0.3 * noise[1]


def spread_and_agree(z_a, z_b):
    return (z_a - z_b).square().mean() + torch.relu(1 - torch.cat([z_a, z_b]).std(0)).mean()


def trained(out, views=two_views, rows=PAIR, steps=4, **options):
    torch.manual_seed(0)
    network = nn.Linear(6, 3)
    config = TrainConfig(
        steps=steps,
        batch_size=20,
        threads=1,
        device="cpu",
        optimizer=OptimizerConfig(lr=RATE, momentum=MOMENTUM),
        record=RecordConfig(every=1),
        **options,
    )
    record = train(config, out, images=rows, views=views, encoder=network, objective=spread_and_agree)
    return {name.removeprefix("health/"): curve for name, curve in record.metrics.items() if "health" in name}


@pytest.fixture(scope="module")
def health(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("health") / "run")


def test_plain_descent_moves_the_weights_by_rate_times_gradient(health):
    moved = health["update_backbone"][:-1] * health["weight_backbone"][:-1]
    assert moved == pytest.approx(RATE * health["gradient_backbone"][:-1], rel=1e-4)


def test_weights_are_those_that_the_step_began_with(health):
    torch.manual_seed(0)
    network = nn.Linear(6, 3)
    norm = math.sqrt(sum(float(each.detach().square().sum()) for each in network.parameters()))
    assert health["weight_backbone"][0] == pytest.approx(norm, rel=1e-5)


def test_the_last_measurement_is_of_no_step(health):
    assert np.isnan(health["update_backbone"][-1])
    assert np.isfinite(health["embeddings_agreement"][-1])


def test_views_of_one_image_agree_more_than_those_of_two(health):
    assert (health["embeddings_agreement"] > health["embeddings_agreement_of_others"] + 0.3).all()
    assert (health["views_apart"] < 0.5).all()
    assert (health["batch"] == 20).all()


def test_views_of_one_row_that_are_equal_are_counted(tmp_path):
    def mostly_equal(batch, generator):
        view = two_views(batch, generator)[0]
        return view, torch.cat([view[:15], view[15:] + 1])

    assert trained(tmp_path / "run", mostly_equal)["views_equal"] == pytest.approx(15 / 20)


def test_rows_of_other_images_are_as_far_apart_as_any(tmp_path):
    def rolled(batch, generator):
        a, b = two_views(batch, generator)
        return a, b.roll(7, 0)

    found = trained(tmp_path / "run", rolled)
    assert found["views_apart"] == pytest.approx(1, abs=0.5)
    assert found["views_apart"].mean() == pytest.approx(1, abs=0.2)


def test_blank_and_repeated_images_are_counted(tmp_path):
    rows = PAIR[:4].repeat(10, 1)
    rows[rows[:, 0] == PAIR[0, 0]] = 0.5

    def plain(batch, generator):
        return batch, batch.clone()

    found = trained(tmp_path / "run", plain, rows)
    assert (found["images_distinct"] < 4.5 / 20).all()
    assert found["views_blank"].mean() == pytest.approx(1 / 4, abs=0.15)


def test_it_stands_in_the_line_of_its_measurement(tmp_path):
    trained(tmp_path / "run", steps=2)
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 1, 2]
    assert all("health" in line for line in lines)
    assert "health/gradient_backbone" in read_record(tmp_path / "run").metrics

"""What a run by Muon is beside its steps: batches in parts, what is said of it, files of earlier releases."""

import dataclasses

import pytest
import torch
from safetensors.torch import load_file

from eigenstep.training import OptimizerConfig, ProjectorConfig, dump_config, load_config, resolve, train


@pytest.fixture
def by_muon(small_config):
    optimizer = OptimizerConfig(name="muon", lr=0.02, weight_decay=0.1, schedule="cosine", warmup_steps=2)
    plain = ProjectorConfig(hidden=(16,), dim=8, init_scale=0.3, batch_norm=False)
    return small_config(loss="simclr", optimizer=optimizer, projector=plain, steps=6)


@pytest.mark.slow
def test_a_batch_in_parts_is_learned_as_the_whole(by_muon, tmp_path):
    config = dataclasses.replace(by_muon, backbone="test_vit", precision="64-true")
    train(config, tmp_path / "whole")
    train(dataclasses.replace(config, micro_batch_size=4), tmp_path / "parts")
    train(dataclasses.replace(config, seed=1), tmp_path / "other")
    for part in ("backbone", "projector"):
        whole, parts, other = (
            load_file(tmp_path / run / f"checkpoints/step_00000006/{part}.safetensors")
            for run in ("whole", "parts", "other")
        )
        for name, weight in whole.items():
            torch.testing.assert_close(parts[name], weight, rtol=0, atol=1e-7, msg=name)
        assert any(not torch.allclose(other[name], weight, atol=1e-3) for name, weight in whole.items())


def test_what_is_not_orthogonalised_is_said_once_before_the_first_step(by_muon, tmp_path):
    told = []
    train(dataclasses.replace(by_muon, steps=2), tmp_path / "run", progress=told.append)
    said = [progress.said for progress in told if progress.said and "muon" in progress.said]
    assert said == [
        "muon orthogonalises 5 of 12 trained parameters; AdamW updates, at 0.05 of the rate, 7 of one"
        " dimension"
    ]
    assert load_config(tmp_path / "run/config.yaml").optimizer.momentum == 0.95


def test_a_configuration_that_does_not_know_muon_loads_and_means_the_same(tmp_path):
    text = dump_config(resolve(load_text("optimizer: {name: sgd}", tmp_path)))
    older = "\n".join(
        line for line in text.splitlines() if not line.startswith(("  muon_scale", "  fallback_share"))
    )
    assert "momentum: 0.9\n" in older
    assert "nesterov: false\n" in older
    assert load_text(older, tmp_path) == load_text(text, tmp_path)


def load_text(text, folder):
    (folder / "config.yaml").write_text(text)
    return load_config(folder / "config.yaml")

"""Two gloo processes, started by torchrun, train what one process trains from the joint batch."""

import dataclasses
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file

from eigenstep.methods import METHODS
from eigenstep.record import read_record
from eigenstep.training import (
    CheckpointConfig,
    EmbeddingPreconditionerConfig,
    OptimizerConfig,
    ProjectorConfig,
    RecordConfig,
    dump_config,
    train,
)

pytestmark = pytest.mark.slow

STEPS = 10
LOSSES = tuple(name for name, method in METHODS.items() if not method.needs_labels)
OTHERS = ("adamw", "lars", "muon", "preconditioned", "in parts", "norms apart", "crops", "crops by pairs")
RATES = {"barlow_twins": 0.01, "spectral_contrastive": 0.01, "vicreg": 0.005, "visreg": 0.005}


@pytest.fixture
def cases(small_config):
    """Configurations by name: every loss, and what else changes how a batch is computed."""
    base = small_config(
        steps=STEPS,
        precision="64-true",
        projector=ProjectorConfig(hidden=(32,), dim=8, init_scale=0.3, batch_norm=True),
        record=RecordConfig(every=2, probe=12, directions=4),
        checkpoint=CheckpointConfig(every=4),
    )
    configs = {
        loss: dataclasses.replace(base, loss=loss, optimizer=OptimizerConfig(lr=RATES.get(loss, 0.05)))
        for loss in LOSSES
    }
    simclr = configs["simclr"]
    plain = dataclasses.replace(simclr.projector, batch_norm=False)
    configs["adamw"] = dataclasses.replace(simclr, optimizer=OptimizerConfig(name="adamw", lr=1e-3))
    configs["lars"] = dataclasses.replace(simclr, optimizer=OptimizerConfig(name="lars", lr=1.0))
    configs["muon"] = dataclasses.replace(simclr, optimizer=OptimizerConfig(name="muon", lr=0.02))
    configs["in parts"] = dataclasses.replace(
        simclr, micro_batch_size=4, projector=plain, backbone="test_vit", loss="simsiam"
    )
    preconditioned = EmbeddingPreconditionerConfig(power=0.5, damping=1e-2, every=3)
    configs["preconditioned"] = dataclasses.replace(
        configs["barlow_twins"], embedding_preconditioner=preconditioned
    )
    crops = dataclasses.replace(base.views, global_views=3, local_views=2)
    configs["crops"] = dataclasses.replace(configs["lejepa"], views=crops)
    configs["crops by pairs"] = dataclasses.replace(configs["vicreg"], views=crops)
    configs["norms apart"] = dataclasses.replace(simclr, sync_batch_norm=False)
    configs["odd"] = dataclasses.replace(simclr, batch_size=15)
    configs["diverged"] = dataclasses.replace(
        configs["barlow_twins"], optimizer=OptimizerConfig(lr=100.0), steps=60
    )
    return configs


@pytest.fixture
def two_processes(tmp_path, two_ranks):
    """`two_processes(cases)`: what each of two processes says of each run; the runs are in tmp_path/two."""

    def run(cases):
        folder = tmp_path / "configs"
        folder.mkdir(exist_ok=True)
        for name, config in cases.items():
            (folder / f"{name}.yaml").write_text(dump_config(config))
        paths = {name: str(folder / f"{name}.yaml") for name in cases}
        return two_ranks("runs", {"configs": paths, "folder": str(tmp_path / "two")})

    return run


# Signs of health that are of the joint step; the others are of one process's part of the batch.
OF_STEPS = tuple(f"health/{what}_" for what in ("gradient", "weight", "update"))


@pytest.mark.parametrize("names", [*(LOSSES[at::4] for at in range(4)), OTHERS], ids=" ".join)
def test_two_processes_equal_one(cases, two_processes, tmp_path, names):
    """After ten steps, in float64, batch norms, optimisers and gradients in parts included."""
    said = two_processes({name: cases[name] for name in names})
    for name in names:
        assert [rank[name] for rank in said] == ["finished", "finished"]
        one, two = train(cases[name], tmp_path / "one" / name), read_record(tmp_path / "two" / name)
        worst = furthest(tmp_path / "one" / name, tmp_path / "two" / name)
        if name == "norms apart":
            assert worst > 1e-4
            continue
        assert worst < 1e-8, name
        assert abs(one.metrics["loss"][-1] - one.metrics["loss"][0]) > 1e-3, name
        assert one.metrics.keys() == two.metrics.keys()
        for column, values in one.metrics.items():
            if column.startswith("health/") and not column.startswith(OF_STEPS):
                continue
            close = 1e-5 if column.startswith("health/") else 1e-8  # kept in float32
            np.testing.assert_allclose(two.metrics[column], values, rtol=close, err_msg=f"{name} {column}")
        for column in ("cross_correlation", "covariance", "features"):
            values = one.eigenvalues[column]
            np.testing.assert_allclose(
                two.eigenvalues[column], values, rtol=0, atol=1e-8 * np.abs(values).max(), err_msg=name
            )


def test_both_of_two_processes_tell_what_ends_them(cases, two_processes):
    said = two_processes({name: cases[name] for name in ("odd", "diverged")})
    for rank in said:
        assert "batch_size that 2 processes can share, two images or more each, got 15" in rank["odd"]
        assert "is not finite at step" in rank["diverged"]
    assert said[0]["diverged"] == said[1]["diverged"]


def furthest(one, two):
    """The largest difference of a weight, in parts of the largest weight of its tensor."""
    files = sorted(path.relative_to(one) for path in one.glob("checkpoints/step_00000010/*.safetensors"))
    assert len(files) >= 2
    worst = 0.0
    for file in files:
        expected, found = load_file(one / file), load_file(two / file)
        assert found.keys() == expected.keys()
        for key, weights in expected.items():
            worst = max(worst, np.abs(found[key] - weights).max() / max(np.abs(weights).max(), 1e-3))
    return worst


def test_a_run_of_two_processes_that_ended_at_any_step_resumes_to_the_same_record(
    cases, two_processes, tmp_path, folder_bytes, write_parquet, encoded
):
    """Also on streamed images, where each process decodes its own."""
    subject = {name: cases[name] for name in ("byol", "lars", "muon", "preconditioned")}
    data = str(
        write_parquet({"img": [{"bytes": encoded(seed), "path": None} for seed in range(40)]}, ["img"])
    )
    images = dataclasses.replace(cases["simclr"].images, stream="always", workers=1)
    subject["streamed"] = dataclasses.replace(cases["simclr"], data=data, images=images)
    two_processes(subject)
    whole = {name: folder_bytes(tmp_path / "two" / name) for name in subject}
    for name in subject:
        run = tmp_path / "two" / name
        shutil.rmtree(run / "checkpoints" / "step_00000010")
        (run / "summary.json").unlink()
    two_processes(subject)
    for name in subject:
        assert folder_bytes(tmp_path / "two" / name) == whole[name]

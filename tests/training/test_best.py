import pytest

from eigenstep.training import ProbesConfig, train


@pytest.mark.slow
def test_the_weights_at_which_the_probe_was_best_are_kept(small_config, tmp_path, write_parquet, encoded):
    records = [{"bytes": encoded(seed), "path": None} for seed in range(40)]
    data = write_parquet({"img": records, "y": [seed % 3 for seed in range(40)]}, images=["img"])
    probes = ProbesConfig(every=2, test_split="train", neighbours=5)
    record = train(small_config(data=str(data), steps=12, probes=probes), tmp_path / "run")
    accuracies = record.probes["knn_features"].tolist()
    best = int(record.probes["step"][accuracies.index(max(accuracies))])
    assert best < 12
    found = [path.name for path in (tmp_path / "run/checkpoints").glob("best_*")]
    assert found == [f"best_{best:08d}"]

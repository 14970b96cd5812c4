import numpy as np
import pyarrow.parquet as parquet
import pytest
from PIL import Image

from eigenstep.cli import main
from eigenstep.export import MAPS, VIEWERS


@pytest.mark.slow
def test_the_runs_own_images_are_embedded_and_broken_ones_named(run, capsys):
    assert main(["embed", "run", "--out", "all.parquet"]) == 0
    output = capsys.readouterr()
    assert "1 broken image was left out: train/dog/03.png (its content is of no known" in output.out
    assert output.out.endswith("embeddings: all.parquet (23 images, with labels)\n")
    assert output.err == ""
    table = parquet.read_table("all.parquet")
    vectors = ["features", "embedding"]
    assert table.column_names == ["class_name", "label", "index", "path", "image_hash", *vectors]
    assert table.num_rows == 23


@pytest.mark.slow
def test_data_split_checkpoint_and_limit_are_chosen(run, tmp_path):
    (tmp_path / "flat").mkdir()
    for number in range(6):
        Image.new("RGB", (20, 20), (40 * number, 0, 0)).save(tmp_path / "flat" / f"{number}.png")
    assert main(["embed", "run", "--out", "last.npy", "--data", "flat", "--limit", "4"]) == 0
    assert main(["embed", "run", "--out", "best.npy", "--data", "flat", "--checkpoint", "2"]) == 0
    last, best = np.load("last.npy"), np.load("best.npy")
    assert (last.shape, best.shape) == ((4, 256), (6, 256))
    assert not np.allclose(last, best[:4])
    assert main(["embed", "run", "--out", "test.npz", "--split", "test"]) == 0
    assert list(np.load("test.npz")["label"]) == [0] * 6 + [1] * 6


@pytest.mark.slow
def test_a_file_is_replaced_on_demand(run, tmp_path, refused):
    (tmp_path / "all.npy").write_text("before")
    assert "all.npy exists; use --overwrite" in refused(["embed", "run", "--out", "all.npy"])
    assert (tmp_path / "all.npy").read_text() == "before"
    assert main(["embed", "run", "--out", "all.npy", "--overwrite"]) == 0
    assert len(np.load("all.npy")) == 23


@pytest.mark.slow
def test_a_viewers_file_is_written_and_its_own_command_told(run, capsys):
    arguments = ["--out", "all.parquet", "--for", "atlas", "--neighbours", "3", "--thumbnails", "8"]
    assert main(["embed", "run", *arguments]) == 0
    told = capsys.readouterr().out.splitlines()[-1]
    assert told.startswith("Embedding Atlas opens it: embedding-atlas all.parquet --x x --y y ")
    rows = parquet.read_table("all.parquet").to_pydict()
    assert {len(each["ids"]) for each in rows["neighbours"]} == {3}
    assert {"x", "y", "z", "image"} < set(rows)
    assert main(["embed", "run", "--out", "projector", "--for", "tensorboard"]) == 0
    told = capsys.readouterr().out.splitlines()[-1]
    assert told == "TensorBoard's projector opens it: tensorboard --logdir projector"


@pytest.mark.slow
def test_every_viewer_and_map_can_be_named(capsys):
    with pytest.raises(SystemExit):
        main(["embed", "--help"])
    told = capsys.readouterr().out
    assert f"{{None,{','.join(VIEWERS)}}}" in told
    assert f"{{None,{','.join(MAPS)}}}" in told


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", "all.csv"], "expected a name that ends in .parquet, .npz, .npy, got all.csv"),
        (["--out", "nowhere/all.npy"], "nowhere/all.npy cannot be written: there is no folder nowhere"),
        (["--out", "all.npy", "--data", "./nowhere"], "there is no folder ./nowhere"),
        (["--out", "all.npy", "--split", "dev"], "has no split 'dev'; set --split to one of train, test"),
        (
            ["--out", "all.npy", "--map", "principal"],
            "expected a .parquet file for viewers",
        ),
        (["--out", "all", "--for", "tensorboard", "--neighbours", "3"], "leave out --map and --neighbours"),
        ([], "Missing from eigenstep embed: --out"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_embedded_is_refused_in_one_line(run, refused, options, message):
    assert message in refused(["embed", "run", *options])

"""Fields seen in twelve bands of 16 bits: a raster set of known structure, trained on without labels.

    python examples/twelve_channels.py [--out FOLDER] [--loss barlow_twins] [--steps 300]

It writes 500 TIFF files of 32x32 pixels in five class folders, as an instrument in orbit would see five
crops: each has a reflectance of its own in twelve bands, on soil, in a field whose edge runs at any angle,
under more or less light and haze. Then it trains an encoder on them and says what frozen features tell of the
crops.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import tifffile

from eigenstep.images import ImagesConfig
from eigenstep.record import RunRecord
from eigenstep.training import OptimizerConfig, ProbesConfig, ProjectorConfig, TrainConfig, train
from eigenstep.views import ViewsConfig

CROPS = ("barley", "clover", "maize", "oats", "rape")
SIDE, BANDS = 32, 12


def write_fields(folder: Path, count: int = 500, seed: int = 0) -> Path:
    """Write images, uint16 (32, 32, 12), reflectance 1 as 10,000; three quarters of them in train/."""
    rng = np.random.default_rng(seed)
    bands = np.linspace(0, 1, BANDS)
    signatures = {
        crop: 0.25 + 0.05 * np.sin(2 * np.pi * (1 + row / 2) * bands + row) for row, crop in enumerate(CROPS)
    }
    soil = 0.1 + 0.3 * bands
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE - 0.5
    for number in range(count):
        crop = CROPS[number % len(CROPS)]
        angle, offset = rng.uniform(0, 2 * np.pi), rng.uniform(-0.2, 0.2)
        in_field = (rows * np.sin(angle) + columns * np.cos(angle) < offset)[:, :, None]
        reflectance = np.where(in_field, signatures[crop], soil)
        reflectance = reflectance * rng.uniform(0.4, 1.6) + rng.uniform(0, 0.2)  # light and haze
        reflectance += rng.normal(0, 0.05, reflectance.shape)
        path = folder / ("train" if number % 4 else "test") / crop / f"{number:04d}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        values = (10_000 * reflectance).clip(0, 65_535).astype(np.uint16)
        tifffile.imwrite(path, values, photometric="minisblack", planarconfig="contig")
    return folder


def train_on(fields: Path, out: Path, loss: str, steps: int) -> RunRecord:
    return train(
        TrainConfig(
            data=str(fields),
            loss=loss,
            steps=steps,
            batch_size=64,
            images=ImagesConfig(size=SIDE, range=(0.0, 10_000.0), show=(4, 3, 2)),
            views=ViewsConfig(crop_scale=(0.4, 1.0), turn_probability=0.5, noise_probability=0.5),
            projector=ProjectorConfig(dim=16, init_scale=1.0),
            optimizer=OptimizerConfig(name="adamw", lr=0.003),
            probes=ProbesConfig(every=steps, neighbours=10),
        ),
        out,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path)
    parser.add_argument("--loss", default="barlow_twins")
    parser.add_argument("--steps", type=int, default=300)
    arguments = parser.parse_args()
    out = arguments.out or Path(tempfile.mkdtemp())
    fields = write_fields(out / "fields")
    record = train_on(fields, out / arguments.loss, arguments.loss, arguments.steps)
    modes = (record.summary or {})["learned_modes"]
    print(f"loss {record.metrics['loss'][0]:.2f} -> {record.metrics['loss'][-1]:.2f}, {modes} modes learned")
    for name, what in (("knn_features", "nearest neighbours"), ("ridge_features", "a linear probe")):
        before, after = (record.probes[name][place] for place in (0, -1))
        print(f"crops told by {what}: untrained {before:.0%}, trained {after:.0%}")
    print(f"eigenstep report {out / arguments.loss}")


if __name__ == "__main__":
    main()

"""Why VICReg's eigenvalues swing: the first one's height beside theory's, by momentum and batch.

    python benchmarks/vicreg_plateaus.py --data ../shared/data/imagenette96      # some 4 minutes of one core

Trains the small network of `eigenstep reproduce e2` under VICReg until its first mode stands, with and
without momentum and by a larger batch, and prints the mean and deviation of the first eigenvalue from
--from-step on, its peak, the height that `eigenstep.theory.vicreg_plateau` foretells for the correlation of
the views that was measured, and sqrt(2 / batch), what the variance of so many pairs is uncertain by. Runs
that are there are not made again.
"""

import argparse
import dataclasses
from pathlib import Path

import numpy as np

from eigenstep.record import read_record
from eigenstep.reproduce import Choices, loss_configuration
from eigenstep.theory import vicreg_plateau
from eigenstep.training import train

# Rate, momentum and batch; the first two move as fast.
FORMS = ((8e-4, 0.9, 64), (8e-3, 0.0, 64), (8e-4, 0.9, 256))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", default="../shared/data/imagenette96")
    parser.add_argument("--steps", type=int, default=110)
    parser.add_argument("--from-step", type=int, default=60)
    parser.add_argument("--out", type=Path, default=Path("runs/vicreg-plateaus"))
    options = parser.parse_args()
    sound = loss_configuration("vicreg", Choices(size="small", data=options.data, threads=1))
    print("momentum  batch    rho  predicted   measured   deviation   by the batch   peak")
    for rate, momentum, batch in FORMS:
        optimizer = dataclasses.replace(sound.optimizer, lr=rate, momentum=momentum)
        config = dataclasses.replace(sound, optimizer=optimizer, batch_size=batch, steps=options.steps)
        folder = options.out / f"{momentum}-{batch}"
        finished = (folder / "summary.json").is_file()
        table = (read_record(folder) if finished else train(config, folder, resume=True)).eigenvalues
        later = table["step"] >= options.from_step
        first, both = table["covariance"][:, 0], table["cross_correlation"][:, 0]
        rho, mean = float(np.mean(both[later] / first[later])), float(first[later].mean())
        print(
            f"{momentum:8}  {batch:5}  {rho:.3f}  {vicreg_plateau(config.projector.dim, 1, rho=rho):9.2f}"
            f"  {mean:9.2f}  {first[later].std() / mean:10.3f}  {np.sqrt(2 / batch):13.3f}"
            f"  {first.max():5.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()

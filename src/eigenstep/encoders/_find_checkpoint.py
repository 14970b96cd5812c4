"""Which of a run's checkpoints is meant."""

from pathlib import Path

from eigenstep.encoders._checkpoints import find_best, find_checkpoints


def find_checkpoint(run: str | Path, checkpoint: str | int = "last") -> Path:
    """The folder of a run's checkpoint: "last", "best" (by the k-NN probe) or the number of its step.

    Raises FileNotFoundError in one line if there is no run or none of its checkpoints yet, ValueError if it
    has others, naming them.
    """
    run = Path(run)
    if not (run / "config.yaml").is_file():
        raise FileNotFoundError(
            f"there is no run in {run}: expected a folder that eigenstep train has written"
        )
    folder = run / "checkpoints"
    steps, best = find_checkpoints(folder), find_best(folder)
    known = {"last": steps[-1]} if steps else {}
    known |= {"best": best} if best else {}
    known |= {str(_step(path)): path for path in ([best] if best else []) + steps}
    if not known:
        raise FileNotFoundError(
            f"{run} has no checkpoint yet; its first is written after checkpoint.every steps"
        )
    name = str(checkpoint)
    name = str(int(name)) if name.isdecimal() else name
    if name not in known:
        raise ValueError(f"{run} has no checkpoint {name!r}; it has {', '.join(known)}")
    return known[name]


def _step(path: Path) -> int:
    return int(path.name.rpartition("_")[2])

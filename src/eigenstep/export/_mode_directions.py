"""The directions of a run's modes, in a file beside the `modes.json` that names them."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import nn

from eigenstep.record import atomic_write


@dataclass(frozen=True, eq=False)
class ModeDirections:
    """Modes of a network as directions of its embedding, or of its features.

    Attributes
    ----------
    mean : NDArray[np.float64]
        (d,) that scores are zero at.
    directions : NDArray[np.float64]
        (m, d) orthonormal rows, turned so that scores grow with what a mode is called by.
    names : list[str]
        (m,) of the modes; those of a block have one name.
    what : Literal["embedding", "features"]
        Of what they are directions.
    network : str
        `network_name` of the network.
    source : str
        The run and its step, for a person.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "modes.json"
    >>> modes = ModeDirections(np.ones(3), np.eye(3)[:2], ["brightness", "unnamed"], "embedding", "ab", "run")
    >>> modes.write(path.with_suffix(".npz"))
    >>> count = path.write_text("{}")  # where `eigenstep modes` says what they mean
    >>> ModeDirections.load(path).scores(np.array([[3.0, 1, 5]]))
    array([[2., 0.]], dtype=float32)
    """

    mean: NDArray[np.float64]
    directions: NDArray[np.float64]
    names: list[str]
    what: Literal["embedding", "features"]
    network: str
    source: str

    def scores(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """How far rows (n, d) lie along each mode, float32 (n, m)."""
        found = (values.astype(np.float64) - self.mean) @ self.directions.T
        return found.astype(np.float32)

    def write(self, path: str | Path) -> None:
        """Write an .npz file, in place of what was there."""
        told = {"names": self.names, "what": self.what, "network": self.network, "source": self.source}
        content = io.BytesIO()
        np.savez(content, mean=self.mean, directions=self.directions, description=np.array(json.dumps(told)))
        atomic_write(path, content.getvalue())

    @classmethod
    def load(cls, modes: str | Path) -> ModeDirections:
        """The directions beside a `modes.json`.

        Raises
        ------
        FileNotFoundError, ValueError
            In one line if there are none, as beside those of a data set or a file, or the file is damaged.
        """
        path = Path(modes).with_suffix(".npz")
        if not Path(modes).exists():
            raise FileNotFoundError(f"there is no file {modes}; eigenstep modes RUN writes RUN/modes.json")
        if not path.exists():
            raise FileNotFoundError(
                f"{modes}: expected the directions of a run's modes beside it, got no {path.name}; eigenstep"
                " modes RUN writes both (modes of a data set or a file are no directions of a network)"
            )
        try:
            with np.load(path, allow_pickle=False) as file:
                told = json.loads(str(file["description"]))
                return cls(file["mean"], file["directions"], **told)
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise ValueError(
                f"{path}: expected directions of modes, got a damaged file or another one; run eigenstep"
                " modes again"
            ) from error


def network_name(network: nn.Module) -> str:
    """A name of a network's weights, by which another network is told from it.

    Examples
    --------
    >>> network_name(nn.Linear(2, 1)) == network_name(nn.Linear(2, 1))
    False
    """
    told = hashlib.sha256()
    for name, values in sorted(network.state_dict().items()):
        told.update(name.encode())
        told.update(values.detach().cpu().float().contiguous().numpy().tobytes())
    return told.hexdigest()[:16]

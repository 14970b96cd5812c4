"""The subcommand `export`."""

import shlex
from pathlib import Path
from typing import Literal

import tyro

from eigenstep.cli._parse import Flag
from eigenstep.spelling import printable


def export(
    run: tyro.conf.Positional[Path],
    out: Path,
    format: Literal["onnx", "timm"] = "onnx",
    output: Literal["features", "embeddings"] = "features",
    checkpoint: str = "last",
    overwrite: Flag = False,
) -> None:
    """Write a run's encoder as an ONNX file, or its backbone as a file of weights that timm loads.

    Parameters
    ----------
    run : tyro.conf.Positional[Path]
        A run folder.
    out : Path
        The file to write, such as encoder.onnx, or backbone.safetensors for timm.
    format : Literal['onnx', 'timm']
        Onnx (checked by onnxruntime if it is installed) or timm.
    output : Literal['features', 'embeddings']
        What the ONNX file returns: the backbone's features or the projector's embeddings.
    checkpoint : str
        Last, best (by the k-NN probe during training) or a step's number.
    overwrite : Flag
        Replace the file.
    """
    from eigenstep.export import export_onnx, export_timm

    if format == "timm":
        lines = export_timm(run, out, checkpoint, overwrite=overwrite)
        start = f"start a run from them with --backbone-weights {shlex.quote(str(out))}"
        print(printable(f"weights: {out}\n{lines or start}"))
        return
    difference = export_onnx(run, out, checkpoint, output, overwrite=overwrite)
    checked = (
        f"differs from the encoder by {difference:.1e} at most"
        if difference is not None
        else "not checked: onnxruntime is not installed"
    )
    print(printable(f"{output}: {out} ({checked})"))

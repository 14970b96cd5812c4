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
    no_card: Flag = False,
) -> None:
    """Write a run's encoder as an ONNX file, or its backbone as a file of weights that timm loads.

    A model card, in Markdown as the Hugging Face hub has them, is written beside it.

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
        Replace the file and its card.
    no_card : Flag
        Leave the model card out.
    """
    from eigenstep.export import export_onnx, export_timm

    card = "" if no_card else f"\nmodel card: {out}.md"

    if format == "timm":
        lines = export_timm(run, out, checkpoint, overwrite=overwrite, card=not no_card)
        start = f"start a run from them with --backbone-weights {shlex.quote(str(out))}"
        print(printable(f"weights: {out}{card}\n{lines or start}"))
        return
    difference = export_onnx(run, out, checkpoint, output, overwrite=overwrite, card=not no_card)
    checked = (
        f"differs from the encoder by {difference:.1e} at most"
        if difference is not None
        else "not checked: onnxruntime is not installed"
    )
    print(printable(f"{output}: {out} ({checked}){card}"))

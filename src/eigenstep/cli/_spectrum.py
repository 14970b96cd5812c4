"""The subcommand `spectrum`."""

import json as json_format
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from eigenstep.cli._parse import Flag
from eigenstep.spelling import printable

if TYPE_CHECKING:
    from eigenstep.spectrum import FileSpectrum


def spectrum(
    file: tyro.conf.Positional[Path],
    column: str | None = None,
    second: Path | None = None,
    second_column: str | None = None,
    plot: Path | None = None,
    json: Flag = False,
    overwrite: Flag = False,
) -> None:
    """Measure the spectrum of embeddings in a file: whether they have collapsed, and how far they spread.

    Parameters
    ----------
    file : tyro.conf.Positional[Path]
        Embeddings, one a row, in an .npy, .npz, .pt, .safetensors, .parquet, .arrow, .csv or .tsv file.
    column : str | None
        The array's or column's name; default: the only one that fits, or embedding.
    second : Path | None
        A file with the other views of the same images, row by row.
    second_column : str | None
        The column of the other views; default: the same as the first.
    plot : Path | None
        Also draw the spectrum as this .html, .png, .svg or .pdf file.
    json : Flag
        Print all numbers as JSON and nothing else.
    overwrite : Flag
        Replace the plot's file.
    """
    from eigenstep.report import check_figure, write_spectrum_figure
    from eigenstep.spectrum import measure_file
    from eigenstep.terminal import progress_line

    if plot is not None:
        check_figure(plot, overwrite)
    options: dict[str, Any] = {"second": second, "second_column": second_column}
    if json:
        found = measure_file(file, column, **options)
    else:
        with progress_line("reading") as line:
            found = measure_file(
                file, column, **options, progress=lambda done, total: line.update(done, total, "rows")
            )
    if plot is not None:
        values = {"covariance": found.spectrum.covariance}
        if found.second is not None:
            values["cross-correlation"] = found.spectrum.cross_correlation
        write_spectrum_figure(plot, values, _title(found), found.verdict.sentence)
    if json:
        print(json_format.dumps(_as_json(found)))
        return
    _print(found)
    if plot is not None:
        print(printable(f"plot: {plot}"))


def _print(found: "FileSpectrum") -> None:
    from rich.table import Column, Table

    from eigenstep.embeddings import rows_in_words
    from eigenstep.spectrum.measures import MEASURES
    from eigenstep.terminal import console, spectrum_chart

    eigenvalues, measures = found.spectrum.covariance, found.spectrum.measures
    console.print(_title(found), style="bold", soft_wrap=True)
    if count := found.spectrum.nonfinite:
        rows = "row that holds" if count == 1 else "rows that hold"
        named = f": {rows_in_words(found.left_out)}" if found.left_out else ""
        console.print(f"left out: {count:,} {rows} a NaN or an infinity, or no value{named}", soft_wrap=True)
    for view in filter(None, [found.first, found.second]):
        if view.taken:
            console.print(f"taken: {view.taken}", soft_wrap=True)
    if found.first.others:
        console.print(f"also in the file: {', '.join(found.first.others)} (--column)", soft_wrap=True)
    console.print(found.verdict.sentence, style="green" if not found.verdict.alarm else "red")
    if eigenvalues[0] > 0:
        shown, dim = len(eigenvalues), found.first.dim
        which = "" if shown == dim else f", the first {shown:,} of {dim:,}"
        console.print(f"\nEigenvalues of the covariance by rank{which}")
        evidence = found.verdict.evidence
        carrying = int(evidence["directions"]) if "directions" in evidence else None
        for line in spectrum_chart(eigenvalues, carrying, min(console.width, 120)):
            console.print(line, no_wrap=True, overflow="ignore", crop=False)
    table = Table("measure", Column("value", justify="right"), "what it is", header_style="")
    for name, measure in MEASURES.items():
        if not math.isnan(measures[name]) and (name != "modes_past_half" or found.second is not None):
            table.add_row(name, f"{measures[name]:.4g}", measure.meaning)
    console.print("\nMeasures")
    console.print(table)


def _title(found: "FileSpectrum") -> str:
    first, second = found.first, found.second
    name = first.path.name + (f", {first.column}" if first.column else "")
    if second is not None:
        other = [] if second.path == first.path else [second.path.name]
        name += f" and {', '.join([*other, *([second.column] if second.column else [])])}"
    views = "two views of each of " if second is not None else ""
    return f"{name}: {views}{first.count:,} rows, {first.dim:,} dimensions"


def _as_json(found: "FileSpectrum") -> dict[str, Any]:
    spectrum, verdict = found.spectrum, found.verdict
    values = {"covariance": spectrum.covariance}
    if found.second is not None:
        values["cross_correlation"] = spectrum.cross_correlation
    return {
        "file": str(found.first.path),
        "column": found.first.column,
        "second": None if found.second is None else str(found.second.path),
        "second_column": None if found.second is None else found.second.column,
        "rows": found.first.count,
        "dim": found.first.dim,
        "taken": found.first.taken or None,
        "nonfinite_rows": spectrum.nonfinite,
        "left_out": found.left_out,
        "verdict": {"state": verdict.state, "sentence": verdict.sentence, "evidence": verdict.evidence},
        "measures": {
            name: value if math.isfinite(value) else None for name, value in spectrum.measures.items()
        },
        "eigenvalues": {name: array.tolist() for name, array in values.items()},
    }

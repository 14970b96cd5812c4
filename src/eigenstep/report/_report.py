"""From run folders to a page on disk."""

from pathlib import Path

from eigenstep.record import atomic_write, find_runs, read_record
from eigenstep.report._page import render_page
from eigenstep.report._section import RunSection


def write_report(folder: str | Path, out: str | Path | None = None) -> Path:
    r"""Write one HTML file that shows a run, or every run in a folder, and opens without a network.

    Only the run folders are read, so a run that still goes on can be reported as well. Runs with a closed
    form come first, then the others, by name. The page holds the verdict, when the next mode will come, the
    loss, the eigenvalues of the embeddings' cross-correlation, the closed form's prediction where the run
    has one, and the probe batch's embeddings moving on their top three principal directions. Of a folder that
    is a prediction it holds what that foresees, and says that nothing was measured.

    Parameters
    ----------
    folder : str | Path
        a run folder, or a folder of run folders.
    out : str | Path | None
        The file to write, by default `report.html` in `folder`; it is replaced in one go.

    Returns
    -------
    Path
        The path of the file written.

    Raises
    ------
    FileNotFoundError
        If `folder` is neither a run nor a folder of runs.
    ValueError
        If a run has no measurement yet or one of its files is not in the documented form.

    Examples
    --------
    >>> import json, tempfile
    >>> run = Path(tempfile.mkdtemp()) / "trial"
    >>> run.mkdir()
    >>> rows = [{"step": step, "time": 0.1 * step, "loss": 4.0 - 0.1 * step} for step in range(20)]
    >>> lines = [json.dumps(row) for row in rows]
    >>> _ = (run / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    >>> write_report(run).name
    'report.html'
    """
    folder = Path(folder)
    sections = [RunSection(read_record(path)) for path in find_runs(folder)]
    sections.sort(key=lambda section: section.beside is None)
    out = folder / "report.html" if out is None else Path(out)
    if out.is_dir():
        raise ValueError(
            f"{out} is a folder: expected the name of the file to write, for example {out}/report.html"
        )
    atomic_write(out, render_page(folder.resolve().name, sections))
    return out

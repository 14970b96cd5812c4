"""From run folders to a page on disk."""

import warnings
from pathlib import Path

from eigenstep.record import atomic_write, find_runs, read_record
from eigenstep.report._page import AbsentRun, RenderedRun, render_page, rendered
from eigenstep.report._section import RunSection


def write_report(folder: str | Path, out: str | Path | None = None) -> Path:
    r"""Write one HTML file that shows a run, or every run in a folder, and opens without a network.

    Only the run folders are read, so a run that still goes on can be reported as well. Runs with a closed
    form come first, then the others, by name. The page holds the verdict, when the next mode will come, the
    loss, the eigenvalues of the embeddings' cross-correlation, the closed form's prediction where the run
    has one, and the probe batch's embeddings moving on their top three principal directions. Of a folder that
    is a prediction it holds what that foresees, and says that nothing was measured. Of several runs, one that
    cannot be read or shown is named with the reason, and the others are shown.

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
        If none of the runs has a measurement yet, or can be read; it names the file that is wrong.

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
    shown: list[RenderedRun] = []
    absent: list[AbsentRun] = []
    problems: list[str] = []
    for path in find_runs(folder):
        try:
            shown.append(rendered(RunSection(read_record(path))))
        except Exception as error:  # whatever a foreign folder brings; the other runs are shown
            problems.append(_reason(path, error))
            absent.append(AbsentRun(path.resolve().name, problems[-1].replace(f"{path}/", "")))
    if not shown:
        raise ValueError(problems[0])
    for problem in problems:
        warnings.warn(f"{problem}; the report leaves the run out", stacklevel=2)
    shown.sort(key=lambda run: not run.has_closed_form)
    out = folder / "report.html" if out is None else Path(out)
    if out.is_dir():
        raise ValueError(
            f"{out} is a folder: expected the name of the file to write, for example {out}/report.html"
        )
    atomic_write(out, render_page(folder.resolve().name, shown, absent))
    return out


def _reason(path: Path, error: Exception) -> str:
    """In one line that names the file or the folder that is wrong."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if str(path) in text else f"{path} cannot be shown: {text}"

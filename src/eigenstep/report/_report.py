"""From run folders to a page on disk."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from eigenstep.analysis import differ_by_rule_alone
from eigenstep.record import CONFIG, RunRecord, atomic_write, find_runs, read_record, read_tree
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
    paths = find_runs(folder)
    configuration = cache(_configuration)
    for path in paths:
        try:
            record = read_record(path)
            others = _differ_by_rule(record, [other for other in paths if other != path], configuration)
            shown.append(rendered(RunSection(record, others)))
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


def _differ_by_rule(
    record: RunRecord, paths: list[Path], configuration: Callable[[Path], dict[str, Any] | None]
) -> Iterator[RunRecord]:
    """The runs that differ from one in nothing but the rule of their updates, each read when it is asked for.

    What cannot be read is told where it is shown itself.
    """
    for path in paths:
        config = configuration(path)
        if config is not None and differ_by_rule_alone(record.config, config):
            with suppress(OSError, ValueError):
                yield read_record(path)


def _configuration(path: Path) -> dict[str, Any] | None:
    try:
        return read_tree(path / CONFIG)
    except (OSError, ValueError):
        return None


def _reason(path: Path, error: Exception) -> str:
    """In one line that names the file or the folder that is wrong."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if str(path) in text else f"{path} cannot be shown: {text}"

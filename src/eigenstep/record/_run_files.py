"""The files of a run folder: each is not there, in the documented form, or refused by its name."""

import json
from pathlib import Path
from typing import Any

import numpy as np


def read_metrics(path: Path) -> dict[str, np.ndarray]:
    """Columns of a metrics file; a measurement that lacks a column has NaN there.

    One that lacks its step is left out.
    """
    rows = [_flatten(row, path) for row in read_lines(path)]
    rows = [row for row in rows if np.isfinite(row.get("step", np.nan))]
    names = dict.fromkeys(name for row in rows for name in row)
    try:
        columns = {name: np.array([row.get(name, np.nan) for row in rows], float) for name in names}
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{path} has a value that is no number ({error})") from error
    if "step" in columns:
        columns["step"] = columns["step"].astype(int)
    return columns


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The complete lines of a JSON-lines file."""
    if not path.exists():
        return []
    *lines, _torn = path.read_text().split("\n")
    try:
        return [_named(json.loads(line)) for line in lines if line]
    except ValueError as error:
        raise ValueError(f"{path} has a line that is not a JSON object ({error})") from error


def read_object(path: Path) -> dict[str, Any] | None:
    """A JSON object; None if there is no such file."""
    if not path.exists():
        return None
    try:
        return _named(json.loads(path.read_text()))
    except ValueError as error:
        raise ValueError(f"{path} is not a JSON object ({error})") from error


def read_config(path: Path) -> dict[str, Any]:
    """A configuration in YAML; empty if there is no such file."""
    if not path.exists():
        return {}
    text = path.read_text()
    try:
        return _named(json.loads(text))  # the monitor writes JSON, which is YAML too
    except ValueError:
        import yaml  # not needed by those who only watch or predict

        try:
            return _named(yaml.safe_load(text) or {})
        except (yaml.YAMLError, ValueError) as error:
            raise ValueError(f"{path} holds no configuration ({error})") from error


def read_array(path: Path) -> np.ndarray | None:
    """An array; None if there is no such file."""
    if not path.exists():
        return None
    try:
        return np.load(path)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} holds no array ({error})") from error


def _flatten(row: dict[str, Any], path: Path) -> dict[str, float]:
    flat = {name: value for name, value in row.items() if isinstance(value, int | float)}
    for group in ("terms", "measures"):
        values = row.get(group) or {}
        if not isinstance(values, dict):
            raise ValueError(f"{path}: expected names and values as {group}, got {type(values).__name__}")
        flat |= {f"{group}/{name}": value for name, value in values.items()}
    return flat


def _named(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"expected names and values, got {type(value).__name__}")
    return value

"""Tables and archives that are looked at before the library reads them, and read where it cannot."""

import glob
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from eigenstep.images._config import ImagesConfig
from eigenstep.images._damage import Damage
from eigenstep.images._table_files import SUFFIXES, readable_rows, table_fault, table_rows, table_schema
from eigenstep.images._zips import zip_fault

# The column that is asked for, by the data set's name, its features and the configuration.
FindColumn = Callable[[str, Any, ImagesConfig], str]


class CheckedFiles:
    """What is wrong with a data set's files on this machine.

    Parameters
    ----------
    files : Mapping[str, Sequence[str]]
        Paths, by split.
    images : tuple[str, ...]
        Endings of images in archives.
    find : FindColumn
        The column that is read.

    Attributes
    ----------
    faults : dict[str, str]
        By path: first what a file's directory or metadata tells, for which no image is read.
    """

    def __init__(
        self,
        data: str,
        files: Mapping[str, Sequence[str]],
        images: tuple[str, ...],
        config: ImagesConfig,
        find: FindColumn,
    ) -> None:
        self.data, self.config, self._find = data, config, find
        self._files = files
        self._rows: dict[str, int] = {}
        self.faults: dict[str, str] = {}
        for path in (path for paths in files.values() for path in paths):
            try:
                if path.lower().endswith(SUFFIXES):
                    self._rows[path] = table_rows(path)
                elif path.lower().endswith(".zip") and (fault := zip_fault(path, images)):
                    self.faults[path] = fault
            except ValueError as error:
                self.faults[path] = str(error)

    def search(self) -> dict[str, str]:
        """Faults that are found only where tables are read to their ends.

        Raises ValueError if it is not a file's fault, but there is no such column.
        """
        for path in self._rows:
            try:
                features = _features(path)
            except ValueError as error:
                self.faults[path] = str(error)
                continue
            if fault := table_fault(path, self._find(self.data, features, self.config)):
                self.faults[path] = fault
        return self.faults

    def tell(self, damage: Damage) -> None:
        """Raises ValueError if damage is to be refused: in any split, since the library reads them all."""
        for split, paths in self._files.items():
            for path in paths:
                if path in self.faults and (split == self.config.split or not damage.is_passed):
                    damage.tell(path, self.faults[path])

    def tables(self, quiet: Callable[[], AbstractContextManager[None]]) -> dict[str, Any]:
        """Every split's column, as a `datasets.Dataset`, without what cannot be read.

        A row has the place that it would have in an undamaged file if that says how many rows it has; rows
        that are lost are None.
        """
        import datasets

        splits = {}
        for split, paths in self._files.items():
            features = next((found for path in paths if (found := _features_or_none(path))), None)
            if features is None:
                continue
            column = self._find(self.data, features, self.config)
            if next(readable_rows(paths, column), None) is None:
                continue
            states = [os.stat(path) for path in paths]
            with quiet():
                splits[split] = datasets.Dataset.from_generator(
                    readable_rows,
                    features=datasets.Features({column: features[column]}),
                    gen_kwargs={
                        "paths": list(paths),
                        "column": column,
                        "state": [(state.st_mtime_ns, state.st_size) for state in states],
                    },
                )
        if self.config.split in self._files and self.config.split not in splits:
            raise self._nothing()
        return splits

    def without_faults(self, files: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """As patterns for the library: paths by split, without those of damaged files."""
        kept = {
            str(split): [glob.escape(str(path)) for path in paths if str(path) not in self.faults]
            for split, paths in files.items()
        }
        if not kept.get(self.config.split, True):
            raise self._nothing()
        return {split: paths for split, paths in kept.items() if paths}

    def _nothing(self) -> ValueError:
        path, fault = next(iter(self.faults.items()))
        return ValueError(f"{self.data}: none of its files can be read, for example {path} ({fault})")


def _features_or_none(path: str) -> Any:
    try:
        return _features(path)
    except ValueError:
        return None


def _features(path: str) -> Any:
    """A file's columns, as the library describes them; raises ValueError if it cannot."""
    import datasets

    try:
        return datasets.Features.from_arrow_schema(table_schema(path))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"its columns cannot be read: {' '.join(str(error).split())}") from error

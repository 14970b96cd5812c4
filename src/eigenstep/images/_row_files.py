"""Files that rows of a table name in place of holding an image."""

import os
from dataclasses import dataclass
from functools import cached_property

from eigenstep.images._samples import Record
from eigenstep.images._zips import split_member


@dataclass(frozen=True)
class RowFiles:
    """Which files may be opened for a row: a table may come from a stranger.

    Attributes
    ----------
    data : str
        The data set, as the user named it.
    root : str | None
        The folder within which they have to be, and to which their paths are relative; None if there is
        none such, so that no row may name a file.
    are_listed : bool
        The rows are a folder's list of files. Links in it are the user's, and may lead anywhere.
    """

    data: str
    root: str | None
    are_listed: bool

    def checked(self, record: Record, name: str) -> Record:
        """The record, with the whole path of its file if it names one.

        Raises
        ------
        ValueError
            In one line if it names a file that must not be opened.
        """
        if not isinstance(record, dict) or record["bytes"] is not None or not record["path"]:
            return record
        if self.are_listed and self.root is None:  # what the library has downloaded
            return record
        archive, member = split_member(record["path"]) or (record["path"], None)
        if self.root is None:
            raise self._refusal(name, archive, "a file of this machine")
        path = os.path.join(self.root, archive)
        if not self._is_within(path):
            raise self._refusal(name, archive, "which is outside of the data set's folder")
        return record | {"path": path if member is None else f"zip://{member}::{path}"}

    def _is_within(self, path: str) -> bool:
        real = os.path.abspath if self.are_listed else os.path.realpath
        try:
            return real(path).startswith(self._start)
        except ValueError:  # no path at all
            return False

    @cached_property
    def _start(self) -> str:
        """What the paths of all files in the folder begin with."""
        return os.path.join(os.path.realpath(str(self.root)), "")

    def _refusal(self, name: str, path: str, what: str) -> ValueError:
        return ValueError(
            f"{self.data}: {name} names {path!r}, {what}; mend the table, or set --images.root to the folder"
            " that holds its files"
        )

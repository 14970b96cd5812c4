"""Files that rows of a table name in place of holding an image."""

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from eigenstep.images.decoding import BytesImage, FileImage, MemberImage, Record


@dataclass(frozen=True)
class RowFiles:
    """Which files may be opened for a row: a table may come from a stranger.

    Attributes
    ----------
    data : str
        The data set, as the user named it.
    root : str | None
        The folder within which they have to be, links resolved; None if there is no such folder, so that no
        row may name a file.
    are_downloaded : bool
        The rows are files that the Hugging Face library has downloaded.
    """

    data: str
    root: str | None
    are_downloaded: bool = False

    def record(self, value: dict[str, Any] | None, name: str, folder: str | None = None) -> Record:
        """What a row of {"bytes", "path"} holds, or the file that it names.

        Parameters
        ----------
        folder : str | None
            Where the table lies: paths are relative to it and, if there is no such file, to `root`.

        Raises
        ------
        ValueError
            In one line if it names a file that must not be opened.
        """
        if value is None or value["bytes"] == b"" or (value["bytes"] is None and not value["path"]):
            return None
        if value["bytes"] is not None:
            return BytesImage(value["bytes"], value["path"])
        path, member = split_member(value["path"]) or (value["path"], None)
        if not self.are_downloaded:
            path = self._within(path, name, folder)
        return FileImage(path) if member is None else MemberImage(path, member)

    def _within(self, path: str, name: str, folder: str | None) -> str:
        if self.root is None:
            raise self._refusal(name, path, "a file of this machine")
        written = [path, path.replace("\\", "/")] if "\\" in path else [path]  # as Windows writes it
        places = [
            os.path.join(each, way) for way in written for each in (folder, self.root) if each is not None
        ]
        inside = [place for place in places if self._is_within(place)]
        if not inside:
            raise self._refusal(name, path, "which is outside of the data set's folder")
        return next(filter(os.path.exists, inside), inside[-1])

    def _is_within(self, path: str) -> bool:
        try:
            return os.path.realpath(path).startswith(self._start)
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


def split_member(path: str) -> tuple[str, str] | None:
    """The archive and the member of `zip://MEMBER::ARCHIVE`; None for other paths.

    Examples
    --------
    >>> split_member("zip://cat/1.png::data/images.zip")
    ('data/images.zip', 'cat/1.png')
    """
    if not path.startswith("zip://") or "::" not in path:
        return None
    member, _, archive = path.removeprefix("zip://").rpartition("::")
    return archive, member

"""Tar archives: WebDataset's, whose files of one sample share a name, and such of plain files in folders."""

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO, Literal, NamedTuple

from eigenstep.images._config import ImagesConfig
from eigenstep.images.decoding import BytesImage, Record
from eigenstep.images.sources._damage import Damage
from eigenstep.images.sources._files import expanded
from eigenstep.images.sources._found import no_image
from eigenstep.images.sources._kinds import (
    ARRAY_SUFFIXES,
    HEAD,
    PAGED_SUFFIXES,
    Kind,
    kind_by_name,
    kind_of,
    suffix,
)
from eigenstep.images.sources._layout import ClassFolders
from eigenstep.images.sources._passed_over import PassedOver, shown
from eigenstep.images.sources._samples import Sample, Value
from eigenstep.images.sources._tar_members import tar_members

LABEL_KEYS = ("label", "cls")
# Texts, some of which begin as an image of text does ("P3 "): only what is no text may be an image.
_TEXTS = frozenset(("cls", "json", "txt", "caption", "text", "html", "xml", "csv", "id", "index", "cls2"))
# What is behind a file's first dot, unless that is a digit: the sample's field.
_FIELD = re.compile(r"\.(?=[^\W\d])")

# What a label is: what the sample's files say, or the folder of its class. None: it is not looked for.
LabelsBy = Literal["files"] | ClassFolders | None


class InTar(NamedTuple):
    """An image of an archive, its label by the files beside it, and the path that its folders are in."""

    name: str
    record: Record
    value: Value
    path: str


@dataclass
class TarShard:
    """One archive, read from its beginning to its end.

    `datasets` reads such archives too, but decodes every file of a sample while it does, labels included,
    and refuses samples that are not all of the same files; here only what is asked for is looked at.

    Parameters
    ----------
    data : str
        The data set's name, for what may go wrong.
    name : str
        The archive's.
    opener : Callable[[], IO[bytes]]
        Opens it.
    config : ImagesConfig
        `column` is the image's file ending, `label` that of the label or its key in the json file.
    images : bool
        Whether images are read.
    labels : LabelsBy
        Whether labels are, and what they are.
    damage : Damage
        Is told what is damaged.
    folder : str
        Of the archive, as far as its folders may be those of classes.

    Attributes
    ----------
    passed_over : PassedOver
        Files that are no images, as the archive was last read.
    """

    data: str
    name: str
    opener: Callable[[], IO[bytes]]
    config: ImagesConfig
    images: bool
    labels: LabelsBy
    damage: Damage
    folder: str = ""
    passed_over: PassedOver = field(default_factory=PassedOver)

    def samples(self) -> Iterator[Sample]:
        """Raises ValueError if a sample has more than one image to choose from, or the archive is damaged."""
        by = self.labels
        for found in self.read():
            label = by.of(found.path) if isinstance(by, ClassFolders) else found.value
            yield Sample(found.name, found.record, label)

    def read(self) -> Iterator[InTar]:
        """All images, in their order."""
        passed = PassedOver()
        name, files = None, dict[str, tuple[bytes | None, bool]]()
        looks: list[tuple[bool, Kind | None]] = []
        is_empty = True

        def take(path: str, file: IO[bytes]) -> bytes | None:
            is_image, kind, content = self._look(path, file)
            looks.append((is_image, kind))
            return content

        try:
            with self.opener() as file:
                for path, content in tar_members(file, self.name, self.damage, passed, take):
                    is_empty = False
                    sample, ending = self._split(path)
                    if sample != name and name is not None:
                        yield from self._sample(name, files)
                    if sample != name:
                        name, files = sample, {}
                    if ending in files:
                        within = self._within(f"{name}.{ending}" if ending else name)
                        self.damage.tell(self.name, f"it holds {within} twice")
                        passed.add(within, "written again later in its archive")
                    is_image, kind = looks.pop()
                    files[ending] = content, is_image
                    if not is_image:
                        passed.add(self._within(path), self._why_not(path, kind))
            if name is not None:
                yield from self._sample(name, files)
            if is_empty and not passed.count:
                passed.add(self.name, "an archive in which no files are found")
        finally:
            if passed.count >= self.passed_over.count:  # it need not have been read to its end
                self.passed_over = passed

    def _look(self, path: str, file: IO[bytes]) -> tuple[bool, Kind | None, bytes | None]:
        """Whether a file is the image of its sample, its kind, and its content, if that is needed."""
        ending, head, kind = self._split(path)[1], b"", kind_by_name(path)
        if self.config.column:
            is_image = ending == self.config.column
        elif kind == "image":
            is_image = True
        else:
            head = file.read(HEAD)
            if ending.lower() not in _TEXTS or b"\0" in head:
                kind = kind_of(path, head)
            is_image = kind == "image"
        if is_image and (self.images or self._may_hold_several(path)):
            return True, kind, head + file.read()
        is_label = ending in ("cls", "json", self.config.label)
        is_read = is_label and self.labels == "files"
        return is_image, kind, head + file.read() if is_read else None

    def _may_hold_several(self, path: str) -> bool:
        end = suffix(path)
        return end in ARRAY_SUFFIXES or (self.config.pages == "images" and end in PAGED_SUFFIXES)

    def _split(self, path: str) -> tuple[str, str]:
        """The sample's name and the file's ending: what is behind the first dot of the file's own name.

        A digit begins no ending: scan.001.png is the png of scan.001, unless the ending is asked for.
        """
        folder, slash, name = path.rpartition("/")
        wanted = self.config.column
        if wanted and name.endswith(f".{wanted}"):
            return folder + slash + name[: -len(wanted) - 1], wanted
        found = _FIELD.search(name)
        return (folder + slash + name[: found.start()], name[found.end() :]) if found else (path, "")

    def _sample(self, name: str, files: dict[str, tuple[bytes | None, bool]]) -> Iterator[InTar]:
        endings = [ending for ending, (_, is_image) in files.items() if is_image]
        if len(endings) > 1:
            raise ValueError(
                f"{self._where(name)} has several images; set --images.column to one of {', '.join(endings)},"
                " or unpack the archive to use all of them"
            )
        if not endings:
            return
        value = self._label(name, files) if self.labels == "files" else None
        path = f"{name}.{endings[0]}" if endings[0] else name
        content = files[endings[0]][0]
        record = None if content is None else BytesImage(content, shown(path))
        for each, found in (
            expanded(path, record, self.config) if self._may_hold_several(path) else [(path, record)]
        ):
            yield InTar(self._within(each), found, value, self._inner(path))

    def _label(self, name: str, files: dict[str, tuple[bytes | None, bool]]) -> Value:
        """The label's own file, or what the json file has under its key; None if there is neither."""
        wanted = (self.config.label,) if self.config.label else LABEL_KEYS
        for ending in wanted:
            if ending in files and ending != "json":
                return _number_or_text((files[ending][0] or b"").decode(errors="replace"))
        if "json" not in files:
            return None
        try:
            content = json.loads(files["json"][0] or b"")
        except ValueError as error:
            raise ValueError(f"{self._where(name)}.json is no JSON ({error})") from error
        values = [content[key] for key in wanted if key in content] if isinstance(content, dict) else []
        return _as_value(values[0]) if values else None

    def _why_not(self, path: str, kind: Kind | None) -> str:
        if self.config.column and kind_by_name(path) == "image":
            return f"not what --images.column {self.config.column} names"
        return no_image(path, kind)

    def _inner(self, path: str) -> str:
        """A path whose folders may be those of classes: the archive's own name is none."""
        stem = os.path.basename(self.name).partition(".")[0]
        path = path.removeprefix(f"{stem}/")
        return f"{self.folder}/{path}" if self.folder else path

    def _within(self, name: str) -> str:
        return shown(f"{self.name}/{name}")

    def _where(self, name: str) -> str:
        return f"{self.data}: {self._within(name)}"


def _number_or_text(text: str) -> int | str:
    text = text.strip()
    return int(text) if text.removeprefix("-").isdecimal() else text


def _as_value(value: object) -> Value:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, bool) else value if isinstance(value, int | str) else None

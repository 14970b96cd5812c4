"""Tar shards as WebDataset writes them: files of one sample follow each other and share a name."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from eigenstep.images._config import ImagesConfig
from eigenstep.images._damage import Damage
from eigenstep.images._library import LibrarySource, image_extensions
from eigenstep.images._samples import Labels, Sample, Value
from eigenstep.images._source import Named, Shards, labels_of_shards
from eigenstep.images._tar_members import tar_members

LABEL_KEYS = ("label", "cls")


class TarShards(LibrarySource):
    """A folder of such archives, which have no random access."""

    files = "tar shards"
    module = "webdataset"

    @classmethod
    def matches(cls, named: Named) -> bool:
        return ".tar" in named.suffixes

    def open(self, config: ImagesConfig, seed: int = 0, *, labels: bool = False) -> Shards:
        return open_tars(self, config, labels=labels)

    def labels(self, config: ImagesConfig) -> Labels:
        return labels_of_shards(
            lambda of_split: open_tars(self, of_split, images=False, labels=True), self.splits(), config
        )

    def count(self, config: ImagesConfig) -> int:
        return open_tars(self, config, images=False).count()


def open_tars(
    source: LibrarySource, config: ImagesConfig, *, images: bool = True, labels: bool = False
) -> Shards:
    """The split's archives. Only what is asked for is read of them, images or labels or both."""
    paths = [path for path in source.paths(config.split) if path.lower().endswith(".tar")]
    damage = Damage.of(source.data, config)
    shards = [TarShard(source.data, path, config, images, labels, damage) for path in paths]
    return Shards(source.data, shards, config.limit, damage=damage.found)


@dataclass(frozen=True)
class TarShard:
    """One archive, read from its beginning to its end.

    `datasets` reads such archives too, but decodes every file of a sample while it does, labels included,
    and refuses samples that are not all of the same files; here only what is asked for is looked at.

    Parameters
    ----------
    data : str
        The data set's name, for what may go wrong.
    path : str
        Of the archive, or its address on the hub.
    config : ImagesConfig
        `column` is the image's file ending, `label` that of the label or its key in the json file.
    images, labels : bool
        Whether they are read.
    damage : Damage
        Is told what is damaged.
    """

    data: str
    path: str
    config: ImagesConfig
    images: bool
    labels: bool
    damage: Damage

    def samples(self) -> Iterator[Sample]:
        """Raises ValueError if a sample has more than one image to choose from, or the archive is damaged."""
        from datasets.utils.file_utils import xopen

        name, files = None, dict[str, bytes]()
        with xopen(self.path, "rb", block_size=0) as file:
            for path, content in tar_members(file, self.path, self.damage, self._is_needed):
                sample, ending = _split(path)
                if sample != name and name is not None:
                    yield self._sample(name, files)
                if sample != name:
                    name, files = sample, {}
                if ending in files:
                    raise ValueError(f"{self._where(name)} is there twice with a file .{ending}")
                files[ending] = content
        if name is not None:
            yield self._sample(name, files)

    def _is_needed(self, path: str) -> bool:
        ending = _split(path)[1]
        if self._is_image(ending):
            return self.images
        return self.labels and ending in ("cls", "json", self.config.label)

    def _is_image(self, ending: str) -> bool:
        if self.config.column:
            return ending == self.config.column
        return "." + ending.rpartition(".")[2].lower() in image_extensions()

    def _sample(self, name: str, files: dict[str, bytes]) -> Sample:
        endings = [ending for ending in files if self._is_image(ending)]
        if len(endings) > 1:
            raise ValueError(
                f"{self._where(name)} has several images; set --images.column to one of {', '.join(endings)}"
            )
        label = self._label(name, files) if self.labels else None
        if not endings:
            return Sample(self._within(name), None, label)
        path = f"{name}.{endings[0]}"
        return Sample(self._within(path), {"bytes": files[endings[0]], "path": path}, label)

    def _label(self, name: str, files: dict[str, bytes]) -> Value:
        """The label's own file, or what the json file has under its key; None if there is neither."""
        wanted = (self.config.label,) if self.config.label else LABEL_KEYS
        for ending in wanted:
            if ending in files and ending != "json":
                return _number_or_text(files[ending].decode(errors="replace"))
        if "json" not in files:
            return None
        try:
            content = json.loads(files["json"])
        except ValueError as error:
            raise ValueError(f"{self._where(name)}.json is no JSON ({error})") from error
        values = [content[key] for key in wanted if key in content] if isinstance(content, dict) else []
        return values[0] if values and isinstance(values[0], int | str) else None

    def _within(self, name: str) -> str:
        return f"{PurePosixPath(self.path).name}/{name}"

    def _where(self, name: str) -> str:
        return f"{self.data}: {self._within(name)}"


def _split(path: str) -> tuple[str, str]:
    """The sample's name and the file's ending: everything after the first dot of the file's own name."""
    folder, slash, name = path.rpartition("/")
    sample, _, ending = name.partition(".")
    return folder + slash + sample, ending


def _number_or_text(text: str) -> int | str:
    text = text.strip()
    return int(text) if text.removeprefix("-").isdecimal() else text

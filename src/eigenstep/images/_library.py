"""What all sources have in common that the `datasets` library knows how to open."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar
from zipfile import BadZipFile

from eigenstep.images._source import Source


class LibrarySource(Source):
    """A folder, or what is on the hub, as the library describes it: files by split, and columns.

    The library is imported where it is needed: that takes time.

    Attributes
    ----------
    module : ClassVar[str | None]
        The library's reader of such folders; None where it is to find out by itself.
    place
        What the library is given: a folder, or a name on the hub.
    """

    module: ClassVar[str | None] = None

    def __init__(self, data: str) -> None:
        super().__init__(data)
        self.place = str(Path(data).expanduser())

    @cached_property
    def builder(self) -> Any:
        """The library's description of the data set: its files by split, and how they are read."""
        import datasets

        with self.quiet():
            return datasets.load_dataset_builder(*self._reader[0], **self._reader[1])

    def load(self, **options: Any) -> Any:
        """All splits, by name, as `datasets.load_dataset` gives them with these options.

        Checksums of Parquet's pages are looked at where they have been written.
        """
        import datasets
        from pyarrow.dataset import ParquetFragmentScanOptions

        if self.module is None and hasattr(self.builder.config, "fragment_scan_options"):
            options["fragment_scan_options"] = ParquetFragmentScanOptions(page_checksum_verification=True)
        with self.quiet():
            return datasets.load_dataset(*self._reader[0], **self._reader[1], **options)

    @property
    def selects_columns(self) -> bool:
        """Whether single columns can be read: Parquet's can."""
        return hasattr(self.builder.config, "columns")

    def splits(self) -> list[str]:
        return [str(name) for name in self.builder.config.data_files or self.load()]

    def paths(self, split: str) -> list[str]:
        """The paths or addresses of a split's files."""
        return [str(path) for path in self.builder.config.data_files[self.check(split)]]

    def check(self, split: str, splits: Mapping[str, Any] | None = None) -> str:
        """The split's name; raises ValueError if there is none such."""
        names = self.splits() if splits is None else list(splits)
        if split not in names:
            raise ValueError(
                f"{self.data} has no split {split!r}; set --images.split to one of {', '.join(names)}"
            )
        return split

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """The library shows no bars and logs nothing; what it raises becomes a ValueError of one line."""
        import datasets

        datasets.disable_progress_bars()
        verbosity = datasets.logging.get_verbosity()
        datasets.logging.set_verbosity(datasets.logging.CRITICAL)
        try:
            yield
        except (OSError, ValueError, RuntimeError, BadZipFile, datasets.exceptions.DatasetsError) as error:
            reason = " ".join(str(error.__cause__ or error).split())
            raise ValueError(f"{self._refusal()} ({reason})") from error
        finally:
            datasets.logging.set_verbosity(verbosity)

    def _refusal(self) -> str:
        return f"no images, Parquet files or tar shards could be read in the folder {self.data}"

    @property
    def _reader(self) -> tuple[tuple[str], dict[str, str]]:
        """What tells the library how to read the place."""
        return ((self.place,), {}) if self.module is None else ((self.module,), {"data_dir": self.place})


def image_extensions() -> list[str]:
    """The endings of files that the library takes for images, with their dots, in small letters."""
    from datasets.packaged_modules.imagefolder.imagefolder import ImageFolder

    return list(ImageFolder.EXTENSIONS)

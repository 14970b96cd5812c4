"""What is on the Hugging Face hub, as the `datasets` library describes and opens it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any
from zipfile import BadZipFile

from eigenstep.images.sources._source import check_split


class Library:
    """A data set on the hub: its files by split, and its columns.

    The library is imported where it is needed: that takes time.

    Parameters
    ----------
    data : str
        As the user named it.
    place : str
        Its name on the hub.
    """

    def __init__(self, data: str, place: str) -> None:
        self.data, self.place = data, place

    @cached_property
    def builder(self) -> Any:
        """The library's description of the data set: its files by split, and how they are read."""
        import datasets

        with self.quiet():
            return datasets.load_dataset_builder(self.place)

    def load(self, **options: Any) -> Any:
        """All splits, by name, as `datasets.load_dataset` gives them with these options.

        Checksums of Parquet's pages are looked at where they have been written.
        """
        import datasets
        from pyarrow.dataset import ParquetFragmentScanOptions

        if hasattr(self.builder.config, "fragment_scan_options"):
            options["fragment_scan_options"] = ParquetFragmentScanOptions(page_checksum_verification=True)
        with self.quiet():
            return datasets.load_dataset(self.place, **options)

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
        """The split's name; raises ValueError if there is no such split."""
        return check_split(self.data, split, self.splits() if splits is None else list(splits))

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
            raise ValueError(
                f"there is no folder {self.data}, and the Hugging Face hub gave no data set {self.place}"
                f" ({reason})"
            ) from error
        finally:
            datasets.logging.set_verbosity(verbosity)

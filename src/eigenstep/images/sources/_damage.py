"""Files of a data set that are damaged: what is said where they are refused, and kept where they are not."""

import errno
import gzip
import os
from dataclasses import dataclass, field

from eigenstep.images._config import ImagesConfig
from eigenstep.images.sources._passed_over import shown


@dataclass
class Damage:
    """What is missing of a data set's files, if they are not to be refused.

    Parameters
    ----------
    data : str
        The data set, as the user named it.
    is_passed : bool
        Damaged files are read as far as they go.

    Attributes
    ----------
    found : list[str]
        A file and what is missing of it, each told once however often the file is read.
    """

    data: str
    is_passed: bool
    found: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, data: str, config: ImagesConfig) -> "Damage":
        return cls(data, config.broken == "pass")

    def tell(self, file: str, what: str) -> None:
        """Keep it, or raise ValueError, in one line that names the option, if it is to be refused."""
        within = os.path.relpath(file, os.path.realpath(os.path.expanduser(self.data)))
        file = shown(within if os.path.isabs(file) and not within.startswith("..") else file)
        if not self.is_passed:
            raise ValueError(
                f"{self.data}: {file} is damaged ({what}); mend it, or use --images.broken pass to train on"
                " what can be read of it"
            )
        if (told := f"{file} ({what})") not in self.found:
            self.found.append(told)


def is_of_content(error: OSError) -> bool:
    """Whether the disk failed or what it gave could not be decoded.

    Files that are not there and networks are other matters.
    """
    return type(error) in (OSError, gzip.BadGzipFile) and error.errno in (None, errno.EIO)

"""The files of a folder, at any depth, whatever they are called."""

import os
from collections import deque
from collections.abc import Callable

from eigenstep.images.sources._kinds import is_hidden
from eigenstep.images.sources._passed_over import PassedOver


def walk(root: str, passed_over: PassedOver) -> list[str]:
    """Paths relative to `root`, ascending; hidden ones aside.

    Links are followed. A folder is read once, however many links lead to it or around in a circle; where it
    can be reached without links it has its name from there.

    Parameters
    ----------
    passed_over : PassedOver
        Is told what is hidden, cannot be read, is no file, or leads to a folder that is read already.

    Raises
    ------
    OSError
        If the folder itself cannot be read.
    """
    files: list[str] = []
    seen: set[tuple[int, int]] = set()
    folders, links = deque([""]), deque[str]()
    while folders or links:
        is_link = not folders
        folder = (folders or links).popleft()
        place = os.path.join(root, folder)
        try:
            state = os.stat(place)
            if (state.st_dev, state.st_ino) in seen:
                passed_over.add(f"{folder}/", "a link to a folder that is read already")
                continue
            seen.add((state.st_dev, state.st_ino))
            with os.scandir(place) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            if not folder:
                raise
            what = "a link that leads nowhere" if is_link and not os.path.exists(place) else None
            passed_over.add(f"{folder}/", what or f"a folder that cannot be read ({error.strerror})")
            continue
        for entry in found:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if is_hidden(entry.name):
                passed_over.add(path, "hidden")
            elif entry.is_dir(follow_symlinks=False):
                folders.append(path)
            elif _leads_to(entry.is_file):
                files.append(path)
            elif _leads_to(entry.is_dir):
                links.append(path)
            else:
                nowhere = entry.is_symlink() and not os.path.exists(os.path.join(root, path))
                passed_over.add(path, "a link that leads nowhere" if nowhere else "no file")
    return sorted(files)


def _leads_to(is_kind: Callable[[], bool]) -> bool:
    try:
        return is_kind()
    except OSError:  # a link to itself, for example
        return False

"""The subcommand `view`."""

from pathlib import Path

import tyro


def view(runs: tyro.conf.Positional[Path] = Path("runs"), port: int | None = None, open: bool = True) -> None:
    """Show a folder of runs in the browser, live while they train.

    The page is served only to this machine, works offline, and changes nothing in the folder.

    Parameters
    ----------
    runs : tyro.conf.Positional[Path]
        A folder that holds run folders, at any depth; it may still be empty.
    port : int | None
        The port on 127.0.0.1; default: the first free one from 8266 on.
    open : bool
        Open the page in the browser, if there is a desktop.
    """
    from eigenstep.live import serve

    serve(runs, port, open)

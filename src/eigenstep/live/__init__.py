"""The live page: a folder of runs in the browser, followed while they train."""

from eigenstep.live._analyst import Analyst
from eigenstep.live._app import build_app
from eigenstep.live._detail import detail
from eigenstep.live._run_folder import RunsFolder
from eigenstep.live._serve import FIRST_PORT, HOST, listen, page_server, serve
from eigenstep.live._state import state_of
from eigenstep.live._window import window

__all__ = [
    "Analyst",
    "FIRST_PORT",
    "HOST",
    "RunsFolder",
    "build_app",
    "detail",
    "listen",
    "page_server",
    "serve",
    "state_of",
    "window",
]

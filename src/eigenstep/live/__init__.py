"""The live page: a folder of runs in the browser, followed while they train."""

from eigenstep.live._app import build_app
from eigenstep.live._run_folder import RunsFolder
from eigenstep.live._serve import serve

__all__ = ["RunsFolder", "build_app", "serve"]

"""The thread that reads the runs while a page is open."""

import logging
import threading

from eigenstep.live._run_folder import RunsFolder

# Between two tries to look at the folder, which decides itself how often it is looked at.
PAUSE_SECONDS = 0.1

logger = logging.getLogger("uvicorn.error")


class Follower(threading.Thread):
    """Keeps a folder of runs up to date while pages ask, from the start on."""

    def __init__(self, folder: RunsFolder) -> None:
        super().__init__(name="follower", daemon=True)
        self.folder = folder
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()

    def run(self) -> None:
        self.folder.asked = self.folder.clock()
        while not self._stopped.is_set():
            try:
                if not self.folder.is_idle:
                    self.folder.refresh()
            except Exception:  # the page goes on with what it knows
                logger.exception("the folder could not be looked at")
            self._stopped.wait(0 if self.folder.unread else PAUSE_SECONDS)

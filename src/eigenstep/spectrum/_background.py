"""Work that goes on beside the training loop."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


class Background:
    """Runs one job after the other, each in a thread beside the caller or, if not `beside`, at once.

    A second job waits for the first, so at most one is under way; an error of a job is raised at the next
    call. A process that ends normally finishes its job first.
    """

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._job: Future[None] | None = None

    def run(self, job: Callable[[], None], *, beside: bool) -> None:
        """Do the job, when the one before is done."""
        self.wait()
        if not beside:
            job()
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="eigenstep-monitor")
        self._job = self._pool.submit(job)

    def wait(self) -> None:
        """Return when nothing is under way. Raises what the job raised."""
        job, self._job = self._job, None
        if job is not None:
            job.result()

"""Work that processes do ahead of the training, in order."""

import multiprocessing
import os
import queue
import signal
import threading
import traceback
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any, Generic, TypeVar

from eigenstep.machine import Stopped, set_threads

Task = TypeVar("Task")
Result = TypeVar("Result")
About = TypeVar("About")

# Tasks that are under way or done for every process, so that none of them waits for the training.
AHEAD = 2
# Looks, a second apart, at which a process must be found stopped: where a whole job is stopped and let go on,
# some wake a little later.
LOOKS_AT_STOPPED = 10
# Seconds that closing waits for the thread that draws tasks, which may be reading from a slow disk.
END_OF_READING = 5
# What goes to all processes of a job, of which the training alone is to act on it.
_OF_THE_JOB = (signal.SIGINT, signal.SIGTERM)


class LostProcess(ChildProcessError, Stopped):
    """A process that decodes images has ended unexpectedly, or was stopped and is not let go on."""


class Workers(Generic[Task, Result]):
    """Processes that each do one task after another; with none, the work is done where it is asked for.

    Every process is led by a thread of this one, and tasks are drawn from their iterator by one more, so
    that reading them is ahead of the training too. A process that ends unexpectedly is an error where its
    result was to be had, and only there: torch's DataLoader raises it in whatever line the main thread has
    come to. One that SIGSTOP holds for some ten seconds is ended, which is the same error. Results come
    through pipes, so no shared memory is needed, which containers have little of.

    The processes let SIGINT and SIGTERM pass from their first moment on: these go to all processes of a job,
    and the training still needs images for its last step. They end with `close`, with this process, or when
    it is gone.

    Parameters
    ----------
    work : Callable[[Task], Result]
        Takes a task; both have to be picklable where processes are not forked.
    processes : int
        How many.

    Examples
    --------
    >>> workers = Workers(str.upper, processes=0)
    >>> list(workers.map(iter([("first", "cat"), ("second", "dog")])))
    [('first', 'CAT'), ('second', 'DOG')]
    >>> workers.close()
    """

    def __init__(self, work: Callable[[Task], Result], processes: int) -> None:
        self._work = work
        self._closed = threading.Event()
        self._processes: list[_Process] = []
        self._readers: list[threading.Thread] = []
        self._idle: queue.SimpleQueue[_Process] = queue.SimpleQueue()
        # Like multiprocessing.Pool: runs at exit before the processes are waited for.
        everything = (self._processes, self._readers, self._closed)
        self._end = Finalize(self, _end, args=everything, exitpriority=15)
        for _ in range(processes):
            process = _Process(work)
            self._processes.append(process)  # before it starts: a signal may raise as soon as it has
            process.start()
            self._idle.put(process)

    def map(self, tasks: Iterator[tuple[About, Task]]) -> Generator[tuple[About, Result]]:
        """The results in the order of their tasks, each with what came with its task.

        Notes
        -----
        Raises what the work or the iterator of tasks raised, when its turn comes; LostProcess if the process
        that was to do it has ended.
        """
        if not self._processes:
            for about, task in tasks:
                yield about, self._work(task)
            return
        ahead: queue.Queue[tuple[Any, Future[Any]] | None] = queue.Queue(AHEAD * len(self._processes))
        reader = threading.Thread(target=self._read, args=(tasks, ahead), daemon=True)
        self._readers.append(reader)
        reader.start()
        while True:
            try:
                entry = ahead.get(timeout=1)
            except queue.Empty:
                if self._closed.is_set():
                    raise LostProcess("the processes that decode images have been ended") from None
                continue
            if entry is None:
                return
            about, future = entry
            while not future.done():
                wait_for([future], timeout=1)
                if not future.done():
                    for process in self._processes:
                        process.end_if_stopped()
            yield about, future.result()

    def close(self) -> None:
        self._end()

    def _read(self, tasks: Iterator[tuple[Any, Task]], ahead: queue.Queue[Any]) -> None:
        threads = ThreadPoolExecutor(len(self._processes))
        try:
            for about, task in tasks:
                if not self._put(ahead, (about, threads.submit(self._do, task))):
                    return
            self._put(ahead, None)
        except BaseException as error:  # is raised in the thread that waits for the results
            failed: Future[Any] = Future()
            failed.set_exception(error)
            self._put(ahead, (None, failed))
        finally:
            threads.shutdown()

    def _put(self, ahead: queue.Queue[Any], entry: Any) -> bool:
        """False if nobody wants it any more."""
        while not self._closed.is_set():
            try:
                ahead.put(entry, timeout=0.2)
                return True
            except queue.Full:
                continue
        return False

    def _do(self, task: Task) -> Result:
        process = self._idle.get()
        try:
            result: Result = process.do(task)
            return result
        finally:
            self._idle.put(process)


class _Process:
    """A process at the other end of a pipe."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        method = multiprocessing.get_start_method()
        # A server that forks would not hand on which signals are held back here.
        spawning = multiprocessing.get_context("spawn")
        context = spawning if method == "forkserver" else multiprocessing.get_context()
        if method != "fork":
            resource_tracker.ensure_running()  # which lets all signals through while it starts
        self._pipe, self._theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(work, self._theirs, os.getpid()), daemon=True)
        # Of two threads that wait for a process the system tells one, and the other returns too early.
        self._waiting = threading.Lock()
        self._looks = 0

    def start(self) -> None:
        with _held_back():
            self._process.start()
            self._theirs.close()  # so that the pipe is at its end when the process is

    def do(self, task: Any) -> Any:
        try:
            self._pipe.send(task)
            wait([self._pipe, self._process.sentinel])
            if not self._pipe.poll():
                raise EOFError
            result, error = self._pipe.recv()
        except (EOFError, OSError) as end:
            with self._waiting:
                self._process.join(1)
            stopped = self._looks >= LOOKS_AT_STOPPED
            reason = "it was stopped by SIGSTOP" if stopped else _reason(self._process.exitcode)
            raise LostProcess(
                f"a process that decodes images ended unexpectedly ({reason}); start again with --resume, and"
                " with fewer --images.workers if memory was short"
            ) from end
        if error is not None:
            raise error
        return result

    def end_if_stopped(self) -> None:
        """End a process that was found stopped long enough; called every second of waiting for a result."""
        if self._looks >= LOOKS_AT_STOPPED:
            return
        self._looks = self._looks + 1 if _is_stopped(self._process.pid) else 0
        if self._looks >= LOOKS_AT_STOPPED:
            self._process.kill()

    def kill(self) -> None:
        if self._process.pid is None:  # it was never started
            return
        self._process.kill()
        with self._waiting:
            self._process.join()


@contextmanager
def _held_back() -> Iterator[None]:
    """Let signals of the job wait: for this thread as long as this lasts, for a process until it is ready."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _OF_THE_JOB)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(work: Callable[[Any], Any], pipe: Connection, parent: int) -> None:
    """The process: does tasks until it is killed or its parent is gone."""
    for number in _OF_THE_JOB:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _OF_THE_JOB)
    set_threads(1)
    try:
        while True:
            while not pipe.poll(1):
                if _is_orphan(parent):
                    return
            pipe.send(_answer(work, pipe.recv()))
    except (EOFError, OSError):  # nobody is at the other end
        return


def _is_orphan(parent: int) -> bool:
    """The pipe need not tell: its other end may live on in processes that were forked later."""
    return os.getppid() != parent


def _is_stopped(pid: int | None) -> bool:
    """Whether a process is held by a signal; False where the system does not tell."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] == "T"


def _answer(work: Callable[[Any], Any], task: Any) -> tuple[Any, Exception | None]:
    try:
        return work(task), None
    except Exception as error:
        if not isinstance(error, OSError | ValueError):  # where it came from is not to be lost
            error.add_note(traceback.format_exc())
        return None, error


def _end(processes: list[_Process], readers: list[threading.Thread], closed: threading.Event) -> None:
    closed.set()
    for process in processes:
        process.kill()
    # Python aborts where it ends while such a thread is on its way back from a library's code.
    for reader in readers:
        if reader is not threading.current_thread():
            reader.join(END_OF_READING)


def _reason(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"killed by {signal.Signals(-exit_code).name}"
    return f"exit code {exit_code}"

import itertools
import multiprocessing
import os
import pickle
import re
import signal
import threading
import time
from pathlib import Path

import pytest
import torch

from eigenstep.images import Workers
from eigenstep.machine import Stopped


def double(task):
    return 2 * task, torch.get_num_threads(), os.getpid()


def fail_at_seven(task):
    if task == 7:
        raise ValueError("seven is refused")
    return task


def end_at_seven(task):
    if task == 7:
        os._exit(3)
    return task


def sleep_briefly(task):
    time.sleep(0.05)
    return task


def sleep_very_briefly(task):
    time.sleep(0.01)
    return task


@pytest.fixture
def run():
    """`run(work, processes)`: the results of tasks 0, 1, 2, ..."""
    begun = []

    def begin(work, processes, tasks=None):
        begun.append(Workers(work, processes))
        tasks = itertools.count() if tasks is None else tasks
        return begun[-1], begun[-1].map((f"about {task}", task) for task in tasks)

    yield begin
    for decoding in begun:
        decoding.close()


def is_gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.slow
@pytest.mark.parametrize("processes", [0, 1, 3])
def test_results_come_in_the_order_of_their_tasks(run, processes):
    _, results = run(double, processes)
    found = list(itertools.islice(results, 50))
    assert [(about, result[0]) for about, result in found] == [(f"about {n}", 2 * n) for n in range(50)]
    assert {result[1] for _, result in found} == {1}  # threads
    pids = {result[2] for _, result in found}
    assert pids == {os.getpid()} if processes == 0 else os.getpid() not in pids
    assert len(pids) <= max(processes, 1)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [0, 2])
def test_tasks_may_end(run, processes):
    assert [result for _, result in run(fail_at_seven, processes, range(5))[1]] == list(range(5))


@pytest.mark.slow
@pytest.mark.parametrize("processes", [0, 1, 3])
def test_what_the_work_raises_comes_when_its_turn_does(run, processes):
    _, results = run(fail_at_seven, processes)
    assert [next(results)[1] for _ in range(7)] == list(range(7))
    with pytest.raises(ValueError, match=r"^seven is refused$"):
        next(results)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [0, 1, 3])
def test_what_reading_the_tasks_raises_comes_when_its_turn_does(run, processes):
    def tasks():
        yield from range(7)
        raise ValueError("nothing more to read")

    _, results = run(fail_at_seven, processes, tasks())
    assert [next(results)[1] for _ in range(7)] == list(range(7))
    with pytest.raises(ValueError, match=r"^nothing more to read$"):
        next(results)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 3])
def test_a_process_that_ends_is_one_error_in_one_line(run, processes):
    _, results = run(end_at_seven, processes)
    assert [next(results)[1] for _ in range(7)] == list(range(7))
    with pytest.raises(
        ChildProcessError, match=r"ended unexpectedly \(exit code 3\); .* --images\.workers"
    ) as e:
        next(results)
    assert "\n" not in str(e.value)


@pytest.mark.slow
def test_a_process_that_is_killed_is_an_error_only_where_its_result_was_to_be_had(run):
    _, results = run(sleep_briefly, 2)
    next(results)
    for process in multiprocessing.active_children():
        os.kill(process.pid, signal.SIGKILL)  # joining it here would take its exit code from who asks for it
    time.sleep(0.2)  # nothing is raised here
    with pytest.raises(ChildProcessError, match="killed by SIGKILL"):
        list(itertools.islice(results, 20))


@pytest.mark.slow
def test_what_a_job_is_told_to_end_by_does_not_end_the_processes(run):
    _, results = run(sleep_briefly, 2)
    next(results)
    for process in multiprocessing.active_children():
        os.kill(process.pid, signal.SIGTERM)
        os.kill(process.pid, signal.SIGINT)
    assert [next(results)[1] for _ in range(20)] == list(range(1, 21))


@pytest.mark.slow
def test_closing_ends_the_processes_and_what_still_waits_for_them(run):
    decoding, results = run(sleep_briefly, 2)
    next(results)
    assert len(multiprocessing.active_children()) == 2
    decoding.close()
    assert multiprocessing.active_children() == []
    with pytest.raises(ChildProcessError):
        list(itertools.islice(results, 20))
    decoding.close()


def test_no_thread_reads_on_when_all_is_closed():
    """At the end of Python a thread that comes back from a library's code would abort it."""

    def slow_tasks():
        for task in itertools.count():
            time.sleep(0.3)
            yield None, task

    before = threading.enumerate()
    workers = Workers(sleep_briefly, 1)
    next(workers.map(slow_tasks()))
    workers.close()
    assert not [thread for thread in threading.enumerate() if thread.daemon and thread not in before]


@pytest.mark.slow
def test_no_process_is_left_however_closing_meets_the_threads_that_lead_them(run):
    for _ in range(60):
        decoding, results = run(sleep_very_briefly, 2)
        next(results)
        decoding.close()
        assert multiprocessing.active_children() == []


class TellingEarly:
    """Work that sends its process a signal as soon as it is there, before the process asks for a task."""

    early: int | None = None
    to_parent = False

    def __init__(self, number):
        self.number = number

    def __call__(self, task):
        return task

    def __setstate__(self, state):
        self.__dict__.update(state)
        os.kill(os.getpid(), self.number)

    @classmethod
    def before_fork(cls):
        if cls.to_parent:
            os.kill(os.getpid(), signal.SIGTERM)

    @classmethod
    def when_forked(cls):
        if cls.early is not None:
            os.kill(os.getpid(), cls.early)


os.register_at_fork(before=TellingEarly.before_fork, after_in_child=TellingEarly.when_forked)


@pytest.fixture(params=["fork", "spawn", "forkserver"])
def start_method(request):
    before = multiprocessing.get_start_method()
    multiprocessing.set_start_method(request.param, force=True)
    yield request.param
    multiprocessing.set_start_method(before, force=True)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_a_job_is_told_to_end_by_does_not_end_a_process_that_just_started(
    run, start_method, number, monkeypatch, capfd
):
    monkeypatch.setattr(TellingEarly, "early", number if start_method == "fork" else None)
    held_back = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    _, results = run(TellingEarly(number), 2)
    assert [next(results)[1] for _ in range(20)] == list(range(20))
    # What was held back while they started is let through again, here and there.
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == held_back
    for process in multiprocessing.active_children():
        blocked = re.search(r"SigBlk:\s*(\w+)", Path(f"/proc/{process.pid}/status").read_text())[1]
        assert int(blocked, 16) == 0
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.slow
def test_what_comes_while_a_process_starts_still_reaches_the_one_that_starts_it(run, monkeypatch):
    monkeypatch.setattr(TellingEarly, "to_parent", True)
    received = []
    before = signal.signal(signal.SIGTERM, lambda *_: received.append("told"))
    try:
        _, results = run(sleep_briefly, 2)
        # The system keeps one of a kind waiting: two that come before the first is seen are told as one.
        assert received in (["told"], ["told", "told"])
        assert next(results)[1] == 0
    finally:
        signal.signal(signal.SIGTERM, before)


def begin_and_tell(pipe):
    """What a process does that ends, one way or another, while its own processes are at work."""
    results = Workers(sleep_briefly, 2).map((None, task) for task in itertools.count())
    next(results)
    pipe.send([process.pid for process in multiprocessing.active_children()])
    if pipe.recv() == "wait":
        time.sleep(60)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["return", "wait"])
def test_the_processes_are_gone_when_the_one_that_began_them_is(way):
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=begin_and_tell, args=(theirs,))
    process.start()
    pids = ours.recv()
    assert len(pids) == 2
    assert not any(is_gone(pid) for pid in pids)
    ours.send(way)
    if way == "wait":
        process.kill()
    process.join(20)
    assert not process.is_alive()
    for _ in range(100):
        if all(is_gone(pid) for pid in pids):
            break
        time.sleep(0.1)
    assert all(is_gone(pid) for pid in pids)


@pytest.mark.slow
def test_work_can_go_to_a_process_that_was_not_forked(data_of, open_data):
    for kind in ("table", "tars"):
        images = open_data(kind, data_of(kind, 12))
        work = pickle.loads(pickle.dumps(images._work()))
        _, task = next(images._tasks(0))
        assert (work(pickle.loads(pickle.dumps(task))).images == images._work()(task).images).all()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_a_process_that_is_stopped_for_good_or_killed_leaves_work_that_can_go_on_later(run, number):
    """However large the tasks are: of more than a pipe holds, the thread that leads it waits in writing."""
    decoding, results = run(measure, 2, (bytes(10**6) for _ in itertools.count()))
    next(results)
    os.kill(multiprocessing.active_children()[0].pid, number)
    with pytest.raises(ChildProcessError, match=f"{number.name}.*; start again with --resume") as e:
        list(results)
    assert isinstance(e.value, Stopped)
    assert "\n" not in str(e.value)
    decoding.close()
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_a_process_that_is_let_go_on_soon_is_waited_for(run):
    _, results = run(sleep_briefly, 2)
    next(results)
    processes = multiprocessing.active_children()
    for process in processes:
        os.kill(process.pid, signal.SIGSTOP)
    threading.Timer(3, lambda: [os.kill(process.pid, signal.SIGCONT) for process in processes]).start()
    assert [next(results)[1] for _ in range(20)] == list(range(1, 21))


def measure(task):
    return len(task)

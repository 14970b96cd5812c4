from pathlib import Path

import pytest

from eigenstep.machine import available_memory, size_in_words


@pytest.fixture
def machine(monkeypatch):
    """`machine({"/proc/meminfo": "..."})`: a machine on which only these files can be read."""

    def have(files):
        def read(path):
            if str(path) not in files:
                raise FileNotFoundError(path)
            return files[str(path)]

        monkeypatch.setattr(Path, "read_text", read)

    return have


MEMINFO = "MemTotal:       3000 kB\nMemFree:          10 kB\nMemAvailable:   2000 kB\n"
GROUP = "/sys/fs/cgroup/memory."


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ({}, 2000 * 1024),
        ({"max": "max\n", "current": "5\n", "stat": "inactive_file 0\n"}, 2000 * 1024),
        ({"max": "10000\n", "current": "9000\n", "stat": "anon 1\ninactive_file 400\nfile 7\n"}, 1400),
        ({"max": "10000\n", "current": "11000\n", "stat": "anon 1\n"}, 0),
    ],
)
def test_what_a_container_leaves_is_available_at_most(machine, group, expected):
    machine({"/proc/meminfo": MEMINFO} | {GROUP + name: content for name, content in group.items()})
    assert available_memory() == expected


def test_a_machine_that_tells_nothing_more_has_all_its_memory(machine, monkeypatch):
    machine({})
    monkeypatch.setattr("os.sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 10}.__getitem__)
    assert available_memory() == 40960


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (5e6, "4.8 MiB"), (2**43, "8192.0 GiB")],
)
def test_sizes_are_written_in_the_unit_that_fits(size, words):
    assert size_in_words(size) == words

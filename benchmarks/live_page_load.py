"""What the live page bears: an empty folder, very many runs, very many pages.

python benchmarks/live_page_load.py

Serves folders by `eigenstep view` in a process of its own and asks it as pages do, from another process.
Times are by the clock of the asking side; server CPU and memory are from /proc.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from urllib.request import Request, urlopen

from live_page import Server, append_record, tell, write_run

DIM = 16
# Between two questions of a page while something happens, as in store.js.
BUSY_SECONDS = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--listed", type=int, default=10_000, help="runs that are listed")
    parser.add_argument("--growing", type=int, default=300, help="runs that grow")
    parser.add_argument("--rate", type=float, default=10, help="rows a second of each")
    parser.add_argument("--pages", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="live-page-load-") as folder:
        nothing = Path(folder) / "nothing"
        nothing.mkdir()
        with Server(nothing) as server:
            ask(server, {})
            time.sleep(2)
            tell("an empty folder: memory", memory(server), "MB")
        many(Path(folder) / "many", options.listed)
        growing(Path(folder) / "growing", options)


def many(folder: Path, count: int) -> None:
    """Runs that are listed, the one that is open first."""
    copies(folder, count, records=20)
    opened = f"run-{count // 2:05d}"
    began = time.perf_counter()
    with Server(folder) as server:
        known = {"session": None, "table": 0}
        states: dict[str, str] = {}
        listed = seen = None
        while True:
            reply = ask(server, known | {"runs": {opened: {}}})
            known = {"session": reply["session"], "table": reply["table"]["version"]}
            states |= {card["name"]: card["state"] for card in reply["table"]["cards"]}
            now = time.perf_counter() - began
            if seen is None and "metrics" in reply["runs"].get(opened, {}):
                seen = now
                tell(f"{count:,} runs: rows of the open run, from the start of the command", seen, "s")
            if listed is None and len(states) == count:
                listed = now
                tell("  all runs listed by name", listed, "s")
            if listed and "unread" not in states.values():
                break
            time.sleep(BUSY_SECONDS)
        tell("  all runs read: state, step, loss", now, "s")
        tell("  memory", memory(server), "MB")


def growing(folder: Path, options: argparse.Namespace) -> None:
    """Pages that ask while runs grow."""
    runs = copies(folder, options.growing, records=1000)
    stop = multiprocessing.Event()
    writer = multiprocessing.Process(target=grow, args=(runs, options.rate, stop))
    with Server(folder) as server:
        while ask(server, {})["table"]["unread"]:
            time.sleep(BUSY_SECONDS)
        writer.start()
        cpu, began = server.cpu(), time.perf_counter()
        waits, failed = asyncio.run(pages(server.address, [run.name for run in runs], options))
        seconds = time.perf_counter() - began
        stop.set()
        writer.join()
        print(f"{len(runs)} runs with {options.rate:g} rows a second each, {options.pages} pages:")
        tell("  answers a second", len(waits) / seconds, "")
        tell("  answers that did not come", failed, "")
        tell("  wait for an answer, median", statistics.median(waits), "s")
        tell("  ... 99th percentile", sorted(waits)[int(0.99 * len(waits))], "s")
        tell("  ... longest", max(waits), "s")
        tell("  server CPU", 100 * (server.cpu() - cpu) / seconds, "% of a core")
        tell("  memory", memory(server), "MB")


async def pages(address: str, names: list[str], options: argparse.Namespace) -> tuple[list[float], int]:
    """How long each answer took, after a first one, and how many failed; each tenth page has a run open."""
    host, port = address.removeprefix("http://").rstrip("/").split(":")
    waits: list[float] = []
    failed = 0
    end = time.perf_counter() + options.seconds

    async def page(number: int) -> None:
        nonlocal failed
        await asyncio.sleep(BUSY_SECONDS * number / options.pages)
        opened = {names[number % len(names)]: {}} if number % 10 == 0 else {}
        known = {"session": None, "table": 0}
        try:
            reader, writer = await asyncio.open_connection(host, int(port), limit=2**26)
            while time.perf_counter() < end:
                body = json.dumps(known | {"runs": opened}).encode()
                head = f"POST /changes HTTP/1.1\r\nhost: {host}\r\ncontent-length: {len(body)}\r\n\r\n"
                began = time.perf_counter()
                writer.write(head.encode() + body)
                headers = await reader.readuntil(b"\r\n\r\n")
                size = int(headers.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                text = await reader.readexactly(size)
                waits.append(time.perf_counter() - began)
                known = {"session": between(text, b'"session":"', b'"').decode(), "table": 0}
                known["table"] = int(between(text, b'"version":', b","))
                if opened:
                    opened = {name: cursor(reply) for name, reply in json.loads(text)["runs"].items()}
                await asyncio.sleep(BUSY_SECONDS)
            writer.close()
        except (OSError, asyncio.IncompleteReadError):
            failed += 1

    await asyncio.gather(*(page(number) for number in range(options.pages)))
    return waits, failed


def cursor(reply: dict) -> dict:
    """What a page knows after a reply; enough not to be told all again."""
    known = {name: reply[name]["count"] for name in ("metrics", "eigenvalues") if name in reply}
    facts = {"facts": reply["facts"]["version"]} if "facts" in reply else {}
    return {"generation": reply["generation"], **known, **facts}


def between(text: bytes, start: bytes, end: bytes) -> bytes:
    return text.split(start, 1)[1].split(end, 1)[0]


def grow(runs: list[Path], rate: float, stop) -> None:
    """One more row for each run, so many times a second, as far as one core can."""
    step, began = 1000, time.perf_counter()
    while not stop.is_set():
        for run in runs:
            append_record(run, step, DIM)
        step += 1
        time.sleep(max(0.0, began + (step - 1000) / rate - time.perf_counter()))
    print(f"  rows written a second, each run: {(step - 1000) / (time.perf_counter() - began):.3g}")


def copies(folder: Path, count: int, records: int) -> list[Path]:
    first = write_run(folder / f"run-{0:05d}", records, DIM, seed=0)
    for index in range(1, count):
        shutil.copytree(first, folder / f"run-{index:05d}")
    return sorted(folder.iterdir())


def ask(server: Server, question: dict) -> dict:
    request = Request(server.address + "changes", json.dumps(question).encode(), method="POST")
    with urlopen(request, timeout=60) as reply:
        return json.load(reply)


def memory(server: Server) -> float:
    """The most that the server has had, in megabytes."""
    text = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(between(text.encode(), b"VmHWM:", b"kB")) / 1e3


if __name__ == "__main__":
    assert os.path.exists("/proc/self/stat"), "expected Linux"
    main()

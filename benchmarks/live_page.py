"""What the live page costs with many long runs: the server's CPU time, bytes that travel, time to draw.

python benchmarks/live_page.py --runs 100 --records 10000 --dim 128

Makes run folders, serves them by `eigenstep view` in a process of its own, and opens the page in Debian's
chromium by Playwright. CPU time is the server's, from /proc; latency is from the write of a row to the page
that shows it.
"""

import argparse
import itertools
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, Response, sync_playwright

from eigenstep.record import append_line

MEASURES = (
    "rank_me",
    "effective_rank",
    "participation_ratio",
    "stable_rank",
    "alpha_req",
    "lidar",
    "modes_past_half",
    "modes_above_noise",
    "mean_norm",
    "normalized_std",
    "cosine_concentration",
)
KINDS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--growing", type=int, default=10, help="runs that get a row a second")
    parser.add_argument("--rounds", type=int, default=12)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="live-page-") as folder:
        runs = make_runs(Path(folder), options.runs, options.records, options.dim)
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
        print(f"{options.runs} runs of {options.records:,} records, d = {options.dim}: {size / 1e9:.2f} GB")
        with Server(Path(folder)) as server, sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            measure(page, server, runs, options)
            browser.close()


def measure(page: Page, server: "Server", runs: list[Path], options: argparse.Namespace) -> None:
    traffic: list[int] = []
    page.on("response", lambda response: traffic.append(size_of(response)))
    cpu, began = server.cpu(), time.perf_counter()
    page.goto(server.address)
    page.locator("tbody tr").first.wait_for()
    tell("first rows of the table", time.perf_counter() - began, "s")
    wait(page, f"document.querySelectorAll('tbody tr').length === {len(runs)}")
    tell(f"all {len(runs)} rows", time.perf_counter() - began, "s")
    tell("  server CPU so far", server.cpu() - cpu, "s")
    tell("  page, scripts and rows", sum(traffic) / 1e6, "MB")
    judged = "[...document.querySelectorAll('tbody .verdict')].every(cell => cell.innerText.trim() !== '–')"
    wait(page, judged)
    tell("all runs judged and their modes followed", time.perf_counter() - began, "s")
    tell("  server CPU in all", server.cpu() - cpu, "s")
    wait(page, "window.Plotly !== undefined")

    idle(page, server, traffic, "nothing grows", lambda: None)
    steps = itertools.count(options.records)

    def grow(count: int) -> None:
        step = next(steps)
        for run in runs[:count]:
            append_record(run, step, options.dim)

    for count in (options.growing, len(runs)):
        idle(page, server, traffic, f"{count} runs get a row a second", lambda count=count: grow(count))

    page.evaluate("window.draws = []")
    page.evaluate(
        """() => { const react = Plotly.react; Plotly.react = function (...how) {
             const began = performance.now(), done = react.apply(this, how);
             draws.push(performance.now() - began); return done; }; }"""
    )
    drawn = (
        "document.querySelectorAll(':is([data-figure=loss], [data-figure=eigenvalues]) .plotly').length >= 2"
    )
    opened = []
    for run in runs[5:10]:
        traffic.clear()
        page.goto(server.address + "#")
        page.locator(f"tr[data-name='{run.name}'] a").wait_for()
        began = time.perf_counter()
        page.locator(f"tr[data-name='{run.name}'] a").click()
        wait(page, drawn)
        opened.append(time.perf_counter() - began)
    tell("a run opened, from the click to both curves, median", statistics.median(opened), "s")
    page.wait_for_timeout(500)
    tell("  bytes", sum(traffic) / 1e3, "kB")
    page.goto(server.address + f"#run={runs[0].name}")
    wait(page, drawn)
    page.wait_for_timeout(3000)
    page.evaluate("draws.length = 0")
    latencies = []
    traffic.clear()
    cpu, began = server.cpu(), time.perf_counter()
    for _ in range(options.rounds):
        wrote = time.perf_counter()
        step = next(steps)
        append_record(runs[0], step, options.dim)
        wait(page, f"document.querySelector('[data-fact=step]').textContent.startsWith('{step:,}')")
        latencies.append(time.perf_counter() - wrote)
        page.wait_for_timeout(700)
    seconds = time.perf_counter() - began
    tell("a row written, until the open run shows it, median", statistics.median(latencies), "s")
    tell("  bytes a refresh", sum(traffic) / max(len(traffic), 1) / 1e3, "kB")
    tell("  server CPU", 100 * (server.cpu() - cpu) / seconds, "% of a core")
    draws = page.evaluate("draws")
    tell("  time to draw a figure again, median", statistics.median(draws), "ms")
    tell("  and the largest", max(draws), "ms")


def idle(page: Page, server: "Server", traffic: list[int], what: str, each_second) -> None:
    """Ten seconds of the table, after it has settled."""
    page.wait_for_timeout(4000)
    traffic.clear()
    cpu, began = server.cpu(), time.perf_counter()
    while time.perf_counter() - began < 10:
        each_second()
        page.wait_for_timeout(1000)
    seconds, refreshes = time.perf_counter() - began, max(len(traffic), 1)
    print(f"{what}:")
    tell("  server CPU", 100 * (server.cpu() - cpu) / seconds, "% of a core")
    tell("  server CPU a refresh", 1e3 * (server.cpu() - cpu) / refreshes, "ms")
    tell("  bytes a refresh", sum(traffic) / refreshes / 1e3, "kB")


def tell(what: str, value: float, unit: str) -> None:
    print(f"{what:<58}{value:9.3g} {unit}", flush=True)


def wait(page: Page, condition: str) -> None:
    deadline = time.monotonic() + 300
    while not page.evaluate(condition):
        if time.monotonic() > deadline:
            raise TimeoutError(condition)
        page.wait_for_timeout(10)


def size_of(response: Response) -> int:
    return int(response.headers.get("content-length", 0))


class Server:
    """`eigenstep view` in a process of its own."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "eigenstep", "view", str(folder), "--no-open"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.address = re.search(r"http://\S+", line)[0]

    def cpu(self) -> float:
        """Seconds of CPU time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_) -> None:
        self.process.terminate()
        self.process.wait()


def make_runs(folder: Path, count: int, records: int, dim: int) -> list[Path]:
    """Run folders as the monitor writes them: a few that are made, the others copies of these."""
    made = [write_run(folder / f"run-{kind:03d}", records, dim, kind) for kind in range(min(KINDS, count))]
    for index in range(len(made), count):
        shutil.copytree(made[index % len(made)], folder / f"run-{index:03d}")
    return sorted(folder.iterdir())


def write_run(run: Path, records: int, dim: int, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    (run / "spectrum").mkdir(parents=True)
    layout = [["step", "<i8", []], ["time", "<f8", []]]
    layout += [[name, "<f8", [dim]] for name in ("cross_correlation", "covariance")]
    (run / "spectrum" / "eigenvalues.json").write_text(json.dumps({"columns": layout}))
    table = np.zeros(records, [(name, kind, tuple(shape)) for name, kind, shape in layout])
    steps = np.arange(records)
    half_times = records * np.sort(rng.uniform(0.05, 1.2, 12))
    curves = 1 / (1 + np.exp(-np.clip((steps[:, None] - half_times) / (0.01 * records), -30, 30)))
    floor = 1e-7 * rng.uniform(0.5, 1, dim)
    spectrum = (
        np.pad(curves, ((0, 0), (0, dim - 12))) * (1 + 0.05 * rng.standard_normal((records, dim))) + floor
    )
    table["step"], table["time"] = steps, 0.01 * steps
    table["cross_correlation"] = table["covariance"] = -np.sort(-np.abs(spectrum), axis=1)
    table.tofile(run / "spectrum" / "eigenvalues.bin")
    loss = ((1 - curves) ** 2).sum(axis=1) + 0.05 * rng.standard_normal(records)
    with open(run / "metrics.jsonl", "w") as file:
        for step in range(records):
            file.write(json.dumps(metrics_row(step, loss[step], rng)) + "\n")
    config = {"monitor": {"dim": dim, "every": 1, "planned_steps": 2 * records, "layer": "projector"}}
    (run / "config.yaml").write_text(json.dumps(config))
    return run


def metrics_row(step: int, loss: float, rng: np.random.Generator) -> dict:
    row = {"step": step, "time": 0.01 * step, "loss": float(loss), "learning_rate": 0.01}
    return row | {"measures": dict(zip(MEASURES, rng.uniform(0, 100, len(MEASURES)).tolist(), strict=True))}


def append_record(run: Path, step: int, dim: int) -> None:
    """One more measurement, in the order in which the monitor writes it."""
    rng = np.random.default_rng(step)
    values = np.sort(rng.uniform(0, 1, dim))[::-1]
    row = np.array([step], "<i8").tobytes() + np.concatenate([[0.01 * step], values, values]).tobytes()
    with open(run / "spectrum" / "eigenvalues.bin", "ab") as file:
        file.write(row)
    append_line(run / "metrics.jsonl", metrics_row(step, float(rng.uniform(0, 10)), rng))


if __name__ == "__main__":
    main()

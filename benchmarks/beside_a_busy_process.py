"""A training from Python, torch loaded before Eigenstep, beside one busy process: images and processor time.

    python benchmarks/beside_a_busy_process.py [--steps 40] [--threads 2]

The small network at its defaults, batch 256: with waiting threads as GNU OpenMP leaves them, and as `train`
lets them wait once it sees that the machine is crowded. Each in a process of its own.
"""

import argparse
import os
import subprocess
import sys

CODE = """
import sys, resource, tempfile
import torch
from eigenstep.machine import _waiting
from eigenstep.training import TrainConfig, train
steps, threads, calm = (int(each) for each in sys.argv[1:])
if not calm:
    _waiting.CROWDED_SHARE = 2.0
with tempfile.TemporaryDirectory() as folder:
    record = train(TrainConfig(steps=steps, threads=threads, device="cpu"), folder + "/run")
used = resource.getrusage(resource.RUSAGE_SELF)
speed = record.timings["images_per_second"][-1]
print(f"{speed:.0f} images/s, {used.ru_utime + used.ru_stime:.1f} s of processor time")
"""
BUSY = "while True: pass"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    said = ("OMP_NUM_THREADS", "GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    environment = {name: value for name, value in os.environ.items() if name not in said}
    busy = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        for name, calm in (("as they are", "0"), ("calm", "1")):
            command = [sys.executable, "-c", CODE, str(options.steps), str(options.threads), calm]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            print(f"waiting threads {name}: {done.stdout.strip()}", flush=True)
    finally:
        busy.kill()


if __name__ == "__main__":
    main()

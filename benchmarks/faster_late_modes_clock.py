"""Measures what a step of each rule takes, for the seconds that `faster_late_modes_tables.py` tells.

    python benchmarks/faster_late_modes_clock.py --regime small --network convnet [--losses simclr]

A step is views, both passes, loss and update, as training takes it, on all threads. The rules take turns of
`--steps` steps each, with an encoder of their own; a line of `results/faster-late-modes/seconds.jsonl` is
the median of the turns, with the range and the load of the machine. Run it when nothing else runs.
"""

import argparse
import dataclasses
import json
import os
import time

import numpy as np
import torch
from faster_late_modes import RESULTS, RULES, Cell, add_options, append, configure

from eigenstep.encoders import build_encoder
from eigenstep.machine import set_threads
from eigenstep.methods import METHODS
from eigenstep.optim import EmbeddingPreconditioner, build_optimizer
from eigenstep.training import Learner, OneProcess
from eigenstep.views import TwoViews


class Turn:
    """One rule's training, a few steps at a time."""

    def __init__(self, cell: Cell, options: argparse.Namespace, images: torch.Tensor) -> None:
        config = configure(cell, options)
        engine = OneProcess(options.device, options.precision)
        method = METHODS[cell.loss]
        encoder = build_encoder(cell.network, options.size, config.projector)
        objective = method.build(method.options_in(config), config.projector.dim, 1)
        preconditioner = EmbeddingPreconditioner() if config.embedding_preconditioner.power else None
        self.learner = Learner(engine, encoder, objective, preconditioner=preconditioner)
        self.optimizer = build_optimizer(self.learner.encoder, config.optimizer, objective)
        views = dataclasses.replace(config.views).for_channels(3)
        self.views = TwoViews(views, options.size)
        self.images = images.to(engine.device)
        self.step = 0
        self.seconds: list[float] = []

    def take(self, steps: int) -> None:
        start = time.perf_counter()
        for _ in range(steps):
            generator = torch.Generator().manual_seed(self.step)
            passed = self.learner.forward(self.step, self.views(self.images, generator))
            self.optimizer.zero_grad()
            self.learner.backward(passed)
            self.optimizer.step()
            self.step += 1
        if self.images.is_cuda:
            torch.cuda.synchronize()
        self.seconds.append((time.perf_counter() - start) / steps)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--turn-steps", type=int, default=10)
    options = parser.parse_args()
    options.probes = 1
    set_threads(options.threads)
    images = torch.randint(0, 256, (options.batch, 3, options.size, options.size), dtype=torch.uint8)
    for loss in options.losses:
        rules = [
            *RULES,
            *(("sgd+p", "muon+p") if loss == "barlow_twins" and options.regime == "small" else ()),
        ]
        cells = {
            rule: Cell(options.regime, options.network, loss, rule, 1e-3, 0, 100, options.batch, "")
            for rule in rules
        }
        turns = {rule: Turn(cell, options, images) for rule, cell in cells.items()}
        for _ in range(options.turns + 1):  # the first of each is left out
            for turn in turns.values():
                turn.take(options.turn_steps)
        for rule, turn in turns.items():
            taken = turn.seconds[1:]
            line = {
                "cell": [options.regime, options.network, loss, rule, options.size],
                "seconds": round(float(np.median(taken)), 5),
                "range": [round(min(taken), 5), round(max(taken), 5)],
                "threads": options.threads,
                "load": round(os.getloadavg()[0], 1),
            }
            append(RESULTS / "seconds.jsonl", line)
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()

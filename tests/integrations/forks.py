"""Runs the examples, and training in two processes: python forks.py FOLDER.

All are forks of one interpreter, as importing the libraries takes longer than the runs. Each job runs in a
folder FOLDER/JOB, whose file `log` holds what it printed, and "done" at the end.
"""

import importlib.util
import json
import multiprocessing
import os
import runpy
import shutil
import sys
import traceback
from pathlib import Path

from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from eigenstep.machine import set_threads

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"


def example(name, *options):
    """As `python examples/NAME.py OPTIONS` does."""
    sys.argv = [str(EXAMPLES / f"{name}.py"), *map(str, options)]
    runpy.run_path(sys.argv[0], run_name="__main__")


def in_two_processes(job, *arguments):
    """As `torchrun --nproc-per-node 2` does."""
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=2,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        run_id="ranks",
        start_method="fork",
        monitor_interval=0.05,
    )
    elastic_launch(config, job)(*arguments)


def lightning(processes):
    """Two epochs, then the second one again from the checkpoint in between; `before` is the first record."""
    import pytorch_lightning
    from test_lightning import batches, callback, fit, two_views

    folder = Path.cwd()
    for checkpoint in (None, folder / "epoch=0.ckpt"):
        trainer = fit(
            pytorch_lightning,
            two_views(pytorch_lightning)(),
            folder,
            callback(out=folder / "run"),
            pytorch_lightning.callbacks.EarlyStopping("spectrum/rank_me", patience=9),
            pytorch_lightning.callbacks.ModelCheckpoint(folder, save_top_k=-1, filename="{epoch}"),
            data=batches(10, 16, slice(int(os.environ.get("RANK", 0)), None, processes)),
            use_distributed_sampler=False,
            ckpt_path=checkpoint,
            devices=processes,
            strategy="ddp_find_unused_parameters_true" if processes > 1 else "auto",
            max_epochs=2,
        )
        if checkpoint is None and trainer.is_global_zero:
            shutil.copytree(folder / "run", folder / "before")
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    (folder / f"metrics-{trainer.global_rank}.json").write_text(json.dumps(metrics))


def transformers(processes):
    from test_transformers import TwoViews, callback, train

    train(TwoViews(), Path.cwd(), callback(), per_device_train_batch_size=8 // processes)


def start(name, job, *arguments):
    """Begin a job in a process of its own, and in a folder of its own."""

    def logged():
        os.mkdir(name)
        os.chdir(name)
        log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        try:
            job(*arguments)
        except BaseException:
            traceback.print_exc()
        else:
            print("done", flush=True)

    process = multiprocessing.get_context("fork").Process(target=logged)
    process.start()
    return process


def main(folder):
    set_threads(1)
    sys.path.insert(0, str(HERE))
    os.chdir(folder)
    jobs = []

    def begin(library, name, options, job=None):
        """An example of a library that is there, and another job with it."""
        if importlib.util.find_spec(library) is None:
            return
        runpy.run_path(str(EXAMPLES / f"watch_{name}.py"), run_name="imported")
        jobs.append(start(name, example, f"watch_{name}", *options))
        if job is not None:
            jobs.append(start(f"{name}-1", job, 1))
            jobs.append(start(f"{name}-2", in_two_processes, job, 2))

    begin("torch", "pytorch", ["--steps", 120])
    jobs.append(start("pytorch-2", in_two_processes, example, "watch_pytorch", "--steps", 120))
    begin("lightly", "lightly", ["--epochs", 1], lightning)
    begin("transformers", "transformers", ["--steps", 40], transformers)
    begin("stable_pretraining", "stable_pretraining", ["--epochs", 1])
    for job in jobs:
        job.join()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""What other libraries' own functions say of two views of embeddings, for `measures_against_peers.py`."""

import importlib.util
import math
from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import torch

PEERS = ("lightly", "stable-pretraining", "reptrix")

if importlib.util.find_spec("loguru"):  # stable-pretraining logs each call
    importlib.import_module("loguru").logger.disable("stable_pretraining")


def peers(views: torch.Tensor) -> dict[tuple[str, str], float | str]:
    """Values by measure and library of embeddings (n, q, d); "error" where the function fails.

    A library that is not installed is left out.
    """
    rows, found = views.flatten(0, 1), {}

    def ask(measure: str, library: str, function: Callable[[], float]) -> None:
        try:
            value = float(function())
            found[measure, library] = "nan" if math.isnan(value) else value
        except ImportError:
            pass
        except Exception:  # failing on hard embeddings is a result, too
            found[measure, library] = "error"

    ask("normalized_std", "lightly", lambda: lightly_std(rows))
    ask("rank_me", "stable-pretraining", lambda: stable_pretraining_rank_me(rows))
    ask("lidar", "stable-pretraining", lambda: stable_pretraining_lidar(views))
    ask("rank_me", "reptrix", lambda: reptrix("rankme").get_rankme(rows))
    ask("alpha_req", "reptrix", lambda: reptrix("alpha").get_alpha(rows)[0])
    ask("lidar", "reptrix", lambda: reptrix("lidar").get_lidar(views, *views.shape[:2]))
    return found


def lightly_std(rows: torch.Tensor) -> torch.Tensor:
    from lightly.utils.debug import std_of_l2_normalized

    return std_of_l2_normalized(rows)


def stable_pretraining_rank_me(rows: torch.Tensor) -> float:
    """Its callback's own hook, with a queue that holds the rows and a host that keeps what is logged."""
    from stable_pretraining.callbacks.rankme import RankMe

    callback, logged = RankMe("rankme", "embedding", *rows.shape, verbose=False), {}
    callback._target_queue = SimpleNamespace(data=rows)
    host = SimpleNamespace(log=logged.__setitem__)
    callback.on_validation_batch_end(SimpleNamespace(global_rank=0), host, {}, {}, 0)
    return logged["rankme"]


def stable_pretraining_lidar(views: torch.Tensor) -> float:
    from stable_pretraining.callbacks.lidar import LiDAR

    n, q, dim = views.shape
    callback = LiDAR("lidar", "embedding", n * q, dim, n_classes=n, samples_per_class=q, verbose=False)
    return callback._compute_lidar(views.flatten(0, 1))["lidar"]


def reptrix(module: str) -> ModuleType:
    return importlib.import_module(f"reptrix.{module}")

"""Compiling a network, and going on without where that fails."""

import logging
from typing import cast

from torch import nn

log = logging.getLogger(__name__)


def compile_network(network: nn.Module) -> nn.Module:
    """`network` by torch.compile. What cannot be compiled runs as it is, and one line says why.

    Examples
    --------
    Nothing is compiled before the first batch; parameters are those of `network`.

    >>> network = nn.Linear(3, 2)
    >>> compiled = compile_network(network)
    >>> next(compiled.parameters()) is network.weight
    True
    """
    import torch._dynamo

    torch._dynamo.config.suppress_errors = True
    for name in ("torch._dynamo.convert_frame", "torch._dynamo"):
        logging.getLogger(name).addFilter(_say_in_one_line)
    return cast(nn.Module, torch.compile(network))


def _say_in_one_line(record: logging.LogRecord) -> bool:
    """Let a record pass, unless it is the traceback of a compilation that failed."""
    message = record.getMessage()
    if not message.startswith("WON'T CONVERT"):
        return True
    reasons = [line for line in message.splitlines() if "Error: " in line]
    log.warning("torch.compile failed, the run goes on without it: %s", reasons[-1] if reasons else message)
    return False

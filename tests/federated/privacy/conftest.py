"""Short runs of private federations."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from graphml.federated import Client, Result, Schedule, SequentialEngine, Strategy, simulate


def run(strategy: Strategy, clients: Sequence[Client], rounds: int = 2, **options: Any) -> Result:
    options = {"engine": SequentialEngine(), "schedule": Schedule(monitor="val_loss"), "progress": False} | options
    result = simulate(strategy, clients, rounds, **options)
    assert not result.history.faults, result.history.faults
    return result


@pytest.fixture
def run_clients(make_clients: Callable[..., list[Client]]) -> Callable[..., Result]:
    """From a strategy, and options of the clients under ``clients``, to the result of two rounds."""

    def go(strategy: Strategy, rounds: int = 2, clients: dict[str, Any] | None = None, **options: Any) -> Result:
        return run(strategy, make_clients(strategy, **(clients or {})), rounds, **options)

    return go


@pytest.fixture
def run_uplink() -> Callable[..., Result]:
    """From a strategy and its clients to the result of two rounds."""
    return run

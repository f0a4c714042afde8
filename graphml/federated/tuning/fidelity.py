"""Fidelity: the first rounds of a trial can do with fewer clients."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Rung:
    """The rounds up to a number, and the share of the clients that is drawn in them.

    Args:
        rounds: Last round of the rung, at least 1.
        client_fraction: Share of the clients in (0, 1].

    Raises:
        ValueError: If a number is out of range.
    """

    rounds: int
    client_fraction: float

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise ValueError(f"fidelity: rounds: expected at least 1, got {self.rounds}")
        if not 0 < self.client_fraction <= 1:
            raise ValueError(f"fidelity: client_fraction: expected a share in (0, 1], got {self.client_fraction}")


def rungs_of(described: Sequence[dict[str, float]]) -> tuple[Rung, ...]:
    """Rungs as a YAML file writes them.

    Args:
        described: For each rung ``rounds`` and ``client_fraction``, the rounds ascending.

    Raises:
        ValueError: If a rung has other keys, or ends before the one below it.
    """
    for rung in described:
        if not isinstance(rung, dict) or rung.keys() != {"rounds", "client_fraction"}:
            raise ValueError(f"fidelity: expected rungs of rounds and client_fraction, got {rung!r}")
    rungs = tuple(Rung(int(rung["rounds"]), float(rung["client_fraction"])) for rung in described)
    rounds = [rung.rounds for rung in rungs]
    if rounds != sorted(set(rounds)):
        raise ValueError(f"fidelity: expected rungs of ascending rounds, got {', '.join(map(str, rounds))}")
    return rungs


def fraction_in(round: int, rungs: Sequence[Rung], own: float) -> float:
    """Share of the clients that a round draws.

    Rounds and client fraction are the two fidelities of FederatedScope-GNN (KDD 2022, arXiv 2204.05562). A trial goes
    through the rungs in one run: a configuration that survives keeps what it has learnt in the lower ones.

    Args:
        round: Number of the round, from 1.
        rungs: The rungs, ascending.
        own: The configuration's own share, which holds above all rungs.
    """
    return next((rung.client_fraction for rung in rungs if round <= rung.rounds), own)

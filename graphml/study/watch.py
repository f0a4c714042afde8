"""How a search watches a run."""

from collections.abc import Callable
from dataclasses import dataclass

from graphml.federated.tuning.fidelity import Rung


@dataclass(frozen=True)
class Watch:
    """What a search wants to know of a run while it trains.

    Args:
        monitor: Metric of the validation data; the lowest is the best if its name ends in ``loss``, else the highest.
        report: Called after each round or epoch with how many there were and the value that the run would have if it
            ended there (None where nothing was measured); it raises to end the run.
        rungs: Rounds in which fewer clients are drawn; federations only.
    """

    monitor: str
    report: Callable[[int, float | None], None]
    rungs: tuple[Rung, ...] = ()

    @property
    def minimise(self) -> bool:
        """Whether the lowest value is the best."""
        return self.monitor.endswith("loss")

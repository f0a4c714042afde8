"""What was measured in each round."""

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from graphml.federated.faults import Fault
from graphml.io import atomic_write


@dataclass(frozen=True)
class Round:
    """One round.

    Args:
        round: Its number, from 1; 0 for the initial weights.
        clients: Number of clients whose answers were used.
        faults: Number of those whose answers were not.
        bytes_down: Size of the messages to the clients, encoded, those of the evaluation included.
        bytes_up: Size of their answers.
        seconds: Wall-clock time.
        metrics: Metrics by name, such as ``val_accuracy``; none where the round was not evaluated.
    """

    round: int
    clients: int
    faults: int
    bytes_down: int
    bytes_up: int
    seconds: float
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass
class History:
    """The rounds of a run and the faults in them.

    Args:
        monitor: Metric that chooses the best round; the lowest if its name ends in ``loss``, else the highest.
        rounds: The rounds so far.
        faults: The faults so far.
    """

    monitor: str
    rounds: list[Round] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def evaluated(self) -> list[Round]:
        """Rounds with metrics."""
        return [row for row in self.rounds if row.metrics]

    @property
    def best(self) -> Round:
        """The evaluated round that the monitored metric chooses, the earliest of equals.

        Raises:
            ValueError: If no round was evaluated, or the metric is none of those measured.
        """
        if not self.evaluated or self.monitor not in self.evaluated[0].metrics:
            there = ", ".join(self.evaluated[0].metrics) if self.evaluated else "none, for no round was evaluated"
            raise ValueError(f"monitor: expected one of the metrics ({there}), got {self.monitor!r}")
        sign = 1 if self.monitor.endswith("loss") else -1
        return min(self.evaluated, key=lambda row: (sign * row.metrics[self.monitor], row.round))

    def write(self, path: Path) -> None:
        """Write a CSV file, a line a round.

        Args:
            path: The file.
        """
        names = sorted({name for row in self.rounds for name in row.metrics})
        with atomic_write(path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.writer(file)
            fixed = ["round", "clients", "faults", "bytes_down", "bytes_up", "seconds"]
            writer.writerow([*fixed, *names])
            for row in self.rounds:
                measured = [row.metrics.get(name, "") for name in names]
                writer.writerow([*(getattr(row, name) for name in fixed), *measured])

    def to_json(self) -> str:
        """The rounds and faults, for a checkpoint."""
        return json.dumps({"rounds": [asdict(row) for row in self.rounds], "faults": [list(f) for f in self.faults]})

    def load_json(self, text: str) -> None:
        """Take what `to_json` returned.

        Args:
            text: The text.
        """
        values = json.loads(text)
        self.rounds = [Round(**row) for row in values["rounds"]]
        self.faults = [Fault(*fault) for fault in values["faults"]]


def fault_report(faults: Sequence[Fault]) -> str:
    """Faults by client, with their reasons and rounds, for people.

    Args:
        faults: The faults of a run.

    Returns:
        A line for each client and reason; empty without faults.
    """
    rounds: dict[tuple[int, str], list[int]] = {}
    for fault in faults:
        rounds.setdefault((fault.client, fault.reason), []).append(fault.round)
    lines = []
    for (client, reason), when in sorted(rounds.items()):
        few = ", ".join(map(str, when[:8])) + (" ..." if len(when) > 8 else "")
        lines.append(f"client {client}: {len(when)} x {reason} (rounds {few})")
    return "\n".join(lines) + ("\n" if lines else "")

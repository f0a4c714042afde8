"""The kinds of runs that a study can repeat, and those that a search can try."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from graphml.study.audit import measure_audit, resolve_audit
from graphml.study.federate import measure_federate, monitor_of_federate, resolve_federate, validate_federate
from graphml.study.fit import measure_fit, resolve_fit
from graphml.study.results import Measurement
from graphml.study.trial_of_fit import monitor_of_fit, validate_fit
from graphml.study.watch import Watch


class RunKind(NamedTuple):
    """How a study is run; all that it needs to know of a kind.

    Attributes:
        resolve: From layered configurations and options to one full configuration; ``ValueError`` if any is wrong.
        measure: From a full configuration, options of this machine, a seed, a folder and whether to draw figures, to
            the measurements.
    """

    resolve: Callable[[Sequence[dict[str, Any]], Sequence[str]], dict[str, Any]]
    measure: Callable[[dict[str, Any], Sequence[str], int, Path, bool], list[Measurement]]


class TrialKind(NamedTuple):
    """How a search tries a run; all that it needs to know of a kind.

    Attributes:
        length: Key of the configuration that holds the rounds or epochs of a run.
        monitor: From a full configuration to the validation metric that its run chooses its best by; None if it
            names none.
        validate: From a full configuration, options of this machine, a seed, a folder and a watch to the metric that
            the watch monitors; no figure is drawn, and no test data decide.
    """

    length: str
    monitor: Callable[[dict[str, Any]], str | None]
    validate: Callable[[dict[str, Any], Sequence[str], int, Path, Watch], float]


RUNS = {
    "fit": RunKind(resolve_fit, measure_fit),
    "federate": RunKind(resolve_federate, measure_federate),
    "audit": RunKind(resolve_audit, measure_audit),
}
"""By the name that a study's file gives as ``run``."""

TRIALS = {
    "fit": TrialKind("trainer.max_epochs", monitor_of_fit, validate_fit),
    "federate": TrialKind("rounds", monitor_of_federate, validate_federate),
}
"""Likewise, of what can be tuned."""

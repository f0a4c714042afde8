"""The kinds of runs that a study can repeat."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from graphml.study.audit import measure_audit, resolve_audit
from graphml.study.federate import measure_federate, resolve_federate
from graphml.study.fit import measure_fit, resolve_fit
from graphml.study.results import Measurement


class RunKind(NamedTuple):
    """How a study is run; all that it needs to know of a kind.

    Attributes:
        resolve: From layered configurations and options to one full configuration; ``ValueError`` if any is wrong.
        measure: From a full configuration, options of this machine, a seed, a folder and whether to draw figures, to
            the measurements.
    """

    resolve: Callable[[Sequence[dict[str, Any]], Sequence[str]], dict[str, Any]]
    measure: Callable[[dict[str, Any], Sequence[str], int, Path, bool], list[Measurement]]


RUNS = {
    "fit": RunKind(resolve_fit, measure_fit),
    "federate": RunKind(resolve_federate, measure_federate),
    "audit": RunKind(resolve_audit, measure_audit),
}
"""By the name that a study's file gives as ``run``."""

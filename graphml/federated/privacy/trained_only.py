"""A client that shares trained weights and nothing else."""

from typing import Any

from graphml.federated.client import Client
from graphml.federated.weights import parameter_names


class TrainedOnly(Client):
    """Mixed into a client's class: refuses what a private stage cannot protect.

    Buffers that are shared, such as BatchNorm's running statistics, are no gradients' work: they are read off the data
    at every step, and noise makes variances negative.

    Args:
        *args: As for `Client`.
        **kwargs: As for `Client`.

    Raises:
        ValueError: If the model shares buffers, or the task takes statistics of the examples.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        shared = sorted(name for name in self.initial.keys() - parameter_names(self.task) if not self.is_personal(name))
        if shared:
            few = ", ".join(shared[:3]) + (" ..." if len(shared) > 3 else "")
            raise ValueError(f"model: expected no shared buffers, which differential privacy does not cover, got {few}")
        if self.task.has_statistics:
            kind = type(self.task).__name__
            raise ValueError(
                f"model: expected a task without statistics of the examples, which are sent as they are, got {kind}"
            )

"""Refusal of models and tasks that a private stage cannot protect."""

from graphml.federated.client import Client
from graphml.federated.weights import parameter_names


def refuse_untrained(client: Client) -> None:
    """Refuse a client that shares more than what gradients have made.

    Buffers that are shared, such as BatchNorm's running statistics, are read off the data at every step, and noise
    makes variances negative. Statistics of the examples are exchanged before training, as they are.

    Args:
        client: The client.

    Raises:
        ValueError: If its model shares buffers, or its task takes statistics of the examples.
    """
    untrained = client.initial.keys() - parameter_names(client.task)
    shared = sorted(name for name in untrained if not client.is_personal(name))
    if shared:
        few = ", ".join(shared[:3]) + (" ..." if len(shared) > 3 else "")
        raise ValueError(f"model: expected no shared buffers, which differential privacy does not cover, got {few}")
    if client.task.has_statistics:
        kind = type(client.task).__name__
        raise ValueError(f"model: expected a task that sends no statistics of the examples, got {kind}")

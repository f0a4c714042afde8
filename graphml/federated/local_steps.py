"""What a local optimizer does with its gradients, for algorithms that undo it."""

import torch

from graphml.federated.client import LocalTraining
from graphml.tasks.task import Task


def learning_rates(local: LocalTraining, task: Task) -> dict[str, float]:
    """Learning rate of each parameter, where a step is the rate times the gradient and nothing else.

    Weight decay may be there: it is the gradient of a term of the loss.

    Args:
        local: How clients train.
        task: What they train.

    Raises:
        ValueError: If they do not train by SGD without momentum.
    """
    options = sgd_options(local, task)
    wrong = sorted({f"momentum {group['momentum']}" for group in options.values() if group["momentum"]})
    if wrong:
        raise ValueError(f"local.optimizer: expected torch.optim.SGD without momentum, got {', '.join(wrong)}")
    return {name: float(group["lr"]) for name, group in options.items()}


def sgd_options(local: LocalTraining, task: Task) -> dict[str, dict[str, float]]:
    """Options of SGD for each parameter.

    Args:
        local: How clients train.
        task: What they train.

    Returns:
        ``lr``, ``momentum`` and the rest by the parameter's name.

    Raises:
        ValueError: If it is another optimizer, or of a kind whose steps are no plain sums of gradients.
    """
    optimizer = local.make_optimizer(task)
    if not isinstance(optimizer, torch.optim.SGD):
        raise ValueError(f"local.optimizer: expected torch.optim.SGD, got {type(optimizer).__name__}")
    for group in optimizer.param_groups:
        for option in ("nesterov", "dampening", "maximize"):
            if group[option]:
                raise ValueError(f"local.optimizer: expected torch.optim.SGD without {option}, got {group[option]}")
    groups = {id(parameter): group for group in optimizer.param_groups for parameter in group["params"]}
    named = task.named_parameters(remove_duplicate=False)
    return {name: groups[id(parameter)] for name, parameter in named if id(parameter) in groups}

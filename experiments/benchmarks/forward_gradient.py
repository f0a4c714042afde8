"""One gradient by forward mode (Spry's clients, one direction) against backpropagation: time and peak memory.

A GCN of growing depth on a block model of Cora's size, all of its tensors or the last layer's alone, and the head of
DER-GCN on 32 dialogues of IEMOCAP's lengths, whose encoder is frozen in both. Memory is what the job allocates beyond
the weights: activations, gradients and, in forward mode, directions and tangents. There is no goal for the time: a
forward gradient with one direction costs a forward pass with tangents and tells much less than a gradient.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch

from graphml.bench.measure import Result, compare
from graphml.data import NodeDataModule
from graphml.data.samples import contextual_sbm, synthetic_dialogues
from graphml.federated.forward_gradient import forward_gradient
from graphml.models import DERGCN, GCN
from graphml.tasks import EmotionTask, NodeClassificationTask
from graphml.tasks.task import Task

CHANNELS = {"text": 384, "audio": 9}
DIALOGUES = 32


def backpropagation(task: Task, batch: Any, names: Sequence[str]) -> Callable[[], object]:
    """A function that takes the gradient to some parameters; the others want none."""
    parameters = dict(task.named_parameters())

    def run() -> object:
        for name, parameter in parameters.items():
            parameter.requires_grad_(name in names)
        loss, _ = task.loss(task.network, batch, torch.Generator().manual_seed(0))
        return torch.autograd.grad(loss, [parameters[name] for name in names])

    return run


def forward_mode(task: Task, batch: Any, names: Sequence[str]) -> Callable[[], object]:
    """A function that estimates the same gradient from one direction."""
    return lambda: forward_gradient(task, batch, names, torch.Generator().manual_seed(0))


def gcn_task(num_layers: int) -> NodeClassificationTask:
    """A GCN of width 64."""
    return NodeClassificationTask(64, 7, model=functools.partial(GCN, hidden_channels=64, num_layers=num_layers))


def emotion_task() -> EmotionTask:
    """DER-GCN of width 128 under the cross-entropy alone."""
    return EmotionTask(CHANNELS, 6, 2, model=DERGCN, reconstruction_weight=0.0, contrastive_weight=0.0)


def benchmark(quick: bool) -> list[Result]:
    """Measure.

    Args:
        quick: Up to 8 layers.

    Returns:
        The measurements.
    """
    torch.manual_seed(0)
    graph = NodeDataModule.from_data(contextual_sbm(2708, 7, 64, 3.9), self_loops=True).data
    cases: list[tuple[str, str, Task, Any, list[str]]] = []
    for layers in (2, 8) if quick else (2, 8, 32):
        task, size = gcn_task(layers), f"GCN of {layers} layers, Cora's size"
        names = [name for name, _ in task.named_parameters()]
        last = [name for name in names if f".{layers - 1}." in name]
        cases += [("gradient to all tensors", size, task, graph, names)]
        cases += [("gradient to the last layer", size, task, graph, last)]
    dialogues = synthetic_dialogues("IEMOCAP", CHANNELS).select(torch.arange(DIALOGUES))
    task, head = emotion_task(), ["model.head.weight", "model.head.bias"]
    cases += [("gradient to the head", f"DER-GCN, {DIALOGUES} dialogues", task, dialogues, head)]
    results = []
    for job, size, model, batch, names in cases:
        ways = {way.__name__.replace("_", " "): way(model, batch, names) for way in (backpropagation, forward_mode)}
        results += compare(job, size, ways, "backpropagation", repeats=5 if quick else 15)
    return results

"""A client's loss as a function of a linear head alone: its gradient, its Hessian, and a root of that."""

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from graphml.federated.engines.joint import Known
from graphml.federated.weights import Weights
from graphml.tasks.node_mean import NodeMeanTask
from graphml.tasks.task import Task

HEAD = ("head.weight", "head.bias")
"""Names of the head's weights."""


class HeadLoss:
    r"""Mean loss of a graph's training nodes, whose encoder stays as it is.

    With the encoder's outputs :math:`\mathbf{x}_i` (and a 1 behind them where the head has a bias) and the head
    :math:`\mathbf{W}`, a matrix [C, P], the loss and its Hessian are

    .. math::
        \frac1n \sum_i \ell_i(\mathbf{W} \mathbf{x}_i), \qquad
        \frac1n \sum_i \mathbf{B}_i \otimes \mathbf{x}_i \mathbf{x}_i^\top, \qquad \mathbf{B}_i = \nabla^2 \ell_i

    so that with :math:`\mathbf{B}_i = \mathbf{R}_i \mathbf{R}_i^\top`, of the size of the number of outputs, a square
    root of the Hessian is at hand without any root of a large matrix: the rows :math:`\mathbf{r} \otimes \mathbf{x}_i`
    for the columns :math:`\mathbf{r}` of :math:`\mathbf{R}_i`. For one logit that is the classical
    :math:`\mathbf{D}^{1/2} \mathbf{X}`; for softmax it is the whole Hessian over all classes together, whose blocks
    between classes one-vs-rest would leave out. All is computed in double precision.

    Args:
        task: Task with the encoder's weights; it is left in evaluation mode.
        graph: The graph.

    Raises:
        TypeError: If the task has no linear head, or a loss that is no mean over nodes.
    """

    def __init__(self, task: Task, graph: Data) -> None:
        self.task, self.graph = linear_head(task), graph
        head: nn.Linear = task.head  # type: ignore[assignment]
        seen: list[Tensor] = []
        handle = head.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
        try:
            with torch.no_grad():
                task.eval()
                task.network(graph)
        finally:
            handle.remove()
        x = seen[0].double()
        self.x = x if head.bias is None else torch.cat([x, x.new_ones(len(x), 1)], dim=1)
        self.chosen = graph.train_mask[: len(x)].nonzero().squeeze(1)

    def loss(self, head: Tensor) -> float:
        """Mean loss; 0 without training nodes.

        Args:
            head: Matrix [C, P].
        """
        with torch.no_grad():
            return float(self._losses(self.x @ head.T).sum()) / max(1, len(self.chosen))

    def losses_along(self, head: Tensor, direction: Tensor, steps: Tensor) -> Tensor:
        """Mean losses at points of a line.

        Args:
            head: Where the line begins, [C, P].
            direction: Where it leads to with a step of 1, [C, P].
            steps: Steps [J].

        Returns:
            The losses [J].
        """
        start, way = self.x @ head.T, self.x @ direction.T
        with torch.no_grad():
            sums = [self._losses(start + step * way).sum() for step in steps.tolist()]
        return torch.stack(sums) / max(1, len(self.chosen))

    def derivatives(self, head: Tensor) -> tuple[Tensor, Tensor]:
        """Derivatives of the mean loss.

        Args:
            head: Matrix [C, P].

        Returns:
            The gradient [C, P], and ``roots`` [n, C, C] of the curvatures of the n training nodes' losses in their
            outputs, divided by the root of n: what the other methods make the Hessian and its sketches of.

        Raises:
            ValueError: If the loss is not convex in the head's outputs.
        """
        outputs = (self.x @ head.T).requires_grad_()
        count = max(1, len(self.chosen))
        (first,) = torch.autograd.grad(self._losses(outputs).sum() / count, outputs, create_graph=True)
        columns = [torch.autograd.grad(column.sum(), outputs, retain_graph=True)[0] for column in first.unbind(1)]
        values, vectors = torch.linalg.eigh(torch.stack(columns, dim=1)[self.chosen])
        largest = float(values.abs().max()) if len(values) else 0.0
        if bool((values < -1e-9 * largest).any()):
            raise ValueError(
                f"task: expected a loss that is convex in the outputs of its head, got a curvature of {values.min():g}"
            )
        return first.detach().T @ self.x, vectors * values.clamp(min=0).sqrt().unsqueeze(1)

    def rows(self, roots: Tensor) -> Tensor:
        """A square root of the Hessian: a matrix [n C, C P] whose Gram matrix the Hessian is.

        Args:
            roots: What `derivatives` returned.
        """
        return torch.einsum("ncr,np->nrcp", roots, self.x[self.chosen]).flatten(2).flatten(0, 1)

    def sketch(self, roots: Tensor, size: int, generator: torch.Generator) -> Tensor:
        """A few rows whose Gram matrix is the Hessian in expectation; exact where the root itself is no larger.

        Args:
            roots: What `derivatives` returned.
            size: Most rows k, at least 1.
            generator: Where the sketching matrix comes from: k x n C normal numbers of variance 1 / k.

        Returns:
            The rows, [k, C P] or fewer.
        """
        n, _, width = roots.shape
        if min(n * width, roots.size(1) * self.x.size(1)) <= size:
            rows = self.rows(roots)
            return rows if len(rows) <= size else torch.linalg.qr(rows, mode="r").R
        drawn = torch.randn(size, n, width, generator=generator, dtype=torch.float64) / size**0.5
        mixed = torch.einsum("knr,ncr->nkc", drawn, roots)  # the n C x C P root itself is never made
        return torch.einsum("nkc,np->kcp", mixed, self.x[self.chosen]).flatten(1)

    def _losses(self, outputs: Tensor) -> Tensor:
        return self.task.node_losses(Known(outputs), self.graph, torch.Generator())["loss"]


def linear_head(task: Task) -> NodeMeanTask:
    """The task, if its network ends in a linear head and its loss is a mean over nodes.

    Args:
        task: The task.

    Raises:
        TypeError: If it is of another kind.
    """
    if not isinstance(task, NodeMeanTask) or type(task).loss is not NodeMeanTask.loss:
        raise TypeError(f"task: expected one whose loss is a mean over nodes, got {type(task).__name__}")
    head = getattr(task, "head", None)
    if not isinstance(head, nn.Linear):
        got = f"a head that is {type(head).__name__}" if head is not None else "none"
        raise TypeError(f"task: expected an encoder and a head that is a torch.nn.Linear, got {got}")
    return task


def effective_dimension(hessian: Tensor, ridge: float) -> float:
    r"""Number of directions in which a Hessian outweighs a ridge: :math:`\operatorname{tr} H (H + \lambda I)^{-1}`.

    Args:
        hessian: Symmetric matrix [D, D] without negative eigenvalues.
        ridge: The ridge, above 0.
    """
    values = torch.linalg.eigvalsh(hessian).clamp(min=0)
    return float((values / (values + ridge)).sum())


def head_matrix(weights: Weights) -> Tensor:
    """The head as one matrix [C, P] of doubles, its bias the last column.

    Args:
        weights: Weights that hold the head's.
    """
    columns = [weights[name].double() for name in HEAD if name in weights]
    return torch.cat([columns[0], *(bias.unsqueeze(1) for bias in columns[1:])], dim=1)


def head_weights(matrix: Tensor, like: Weights) -> Weights:
    """The head's weights from one matrix: undoes `head_matrix`.

    Args:
        matrix: Matrix [C, P].
        like: The head's weights, for their shapes and types.
    """
    width = like[HEAD[0]].size(1)
    parts = {HEAD[0]: matrix[:, :width], HEAD[1]: matrix[:, width:].squeeze(1)}
    return {name: parts[name].to(value.dtype).contiguous() for name, value in like.items()}

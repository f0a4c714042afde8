"""All clients of a round at once: one block-diagonal graph, stacked weights."""

import warnings
from collections import OrderedDict
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from graphml.federated.client import Client, Pull, training_metrics
from graphml.federated.client_data import NodeData
from graphml.federated.engines.in_process import InProcessEngine
from graphml.federated.engines.joint import JointClients, Known, graph_of
from graphml.federated.engines.stacked import owned, unstackable
from graphml.federated.faults import Fault
from graphml.federated.message import Message
from graphml.federated.seeds import derived_seed, forked_random_state
from graphml.federated.weights import Weights
from graphml.tasks.node_mean import NodeMeanTask
from graphml.tasks.task import Task

Answers = dict[int, Message | Fault]

# Optimizers that treat each weight by itself, so that one step on stacked weights is one step on each client's.
_ELEMENTWISE = {
    getattr(torch.optim, name)
    for name in ("SGD", "Adam", "AdamW", "NAdam", "RAdam", "Adamax", "Adagrad", "Adadelta", "ASGD", "RMSprop", "Rprop")
}

_KEPT = 2  # sets of clients: those of a round and those of an evaluation


class VectorisedEngine(InProcessEngine):
    """Trains all clients of a round as one network: their graphs side by side, their weights stacked.

    A layer is then one sparse product and one batched matrix product instead of a small one for each client. The
    clients' weights equal the sequential engine's but for rounding, and for what dropout draws. (Adam makes much of a
    gradient that is nothing but rounding, such as that of a bias in front of a BatchNorm.) It applies where `why_not`
    finds nothing: clients that train on graphs as `Client` does, and models of layers that can be stacked.

    Graphs and stacked weights are built once for a set of clients, and kept for the last two sets; a client that
    changes its graph makes a new one. Clients of one request read one copy of it. If the joint training raises (a
    client with impossible labels, say), the clients of this round train one after the other, with a warning, so that
    each stands for itself. Clients that are evaluated on what they train on are evaluated jointly too.

    Args:
        timeout: Seconds that a client may take for what it does alone; None for any time. Nothing limits the joint
            training.
    """

    def __init__(self, timeout: float | None = None) -> None:
        super().__init__(timeout)
        self._kept: OrderedDict[tuple[int, ...], JointClients] = OrderedDict()

    def exchange(self, call: str, clients: Sequence[Client], requests: Mapping[int, Message]) -> Answers:
        """Let clients answer.

        Args:
            call: Name of the client's method: ``describe``, ``fit``, ``evaluate`` or ``assist``.
            clients: All clients.
            requests: A message for each of some clients.

        Raises:
            ValueError: If the engine does not apply to the clients.
        """
        distinct = {id(request): request for request in requests.values()}
        copies = {key: Message(request.arrays, request.metrics, request.config) for key, request in distinct.items()}
        asked = [(clients[number], copies[id(requests[number])]) for number in sorted(requests)]
        reason = why_not([client for client, _ in asked])
        if reason is not None:
            raise ValueError(f"engine: expected clients to which the vectorised one applies, but {reason}")
        if call == "fit":
            return self._fit(asked)
        if call == "evaluate":
            return self._evaluate(asked)
        return {client.number: self.answer(call, client, request) for client, request in asked}

    def _fit(self, asked: Sequence[tuple[Client, Message]]) -> Answers:
        begun = {client.number: self.attempt(client, request, _begin, client, request) for client, request in asked}
        ready = {number: begin for number, begin in begun.items() if not isinstance(begin, Fault)}
        training = [pair for pair in asked if pair[0].number in ready and _has_training_nodes(pair[0])]
        try:
            ended = self._train(training, ready) if training else {}
        except Exception as error:
            _tell("training", error)
            return {client.number: self.answer("fit", client, request) for client, request in asked}
        answers: Answers = {}
        for client, request in asked:
            begin = begun[client.number]
            if isinstance(begin, Fault):
                answers[client.number] = begin
                continue
            start = begin[0]
            end = ended.get(client.number) or ({name: value.clone() for name, value in start.items()}, 0.0, 0)
            answers[client.number] = self.attempt(client, request, _finish, client, request, start, *end)
        return answers

    def _train(
        self, training: Sequence[tuple[Client, Message]], ready: Mapping[int, tuple[Weights, Pull | None]]
    ) -> dict[int, tuple[Weights, float, int]]:
        """Weights after the joint training, mean loss and number of steps of each client."""
        joint = self._joint([client for client, _ in training])
        starts, pulls = zip(*(ready[client.number] for client in joint.clients), strict=True)
        seed = derived_seed(joint.clients[0].seed, int(training[0][1].config["round"]), -3)  # -3: no client's number
        with forked_random_state(seed) as generator:
            ends, losses, steps = joint.train(starts, pulls, generator)
        numbers = [client.number for client in joint.clients]
        return {number: (end, loss, steps) for number, end, loss in zip(numbers, ends, losses, strict=True)}

    def _evaluate(self, asked: Sequence[tuple[Client, Message]]) -> Answers:
        """Evaluation of the clients that are evaluated on what they train on; the others' one after the other."""
        own = [pair for pair in asked if _is_evaluated_on_own_graph(pair[0])]
        try:
            outputs = self._outputs(own) if own else {}
        except Exception as error:
            outputs = {}
            _tell("evaluation", error)
        return {
            client.number: self.attempt(client, request, client.counted, Known(outputs[client.number]))
            if client.number in outputs
            else self.answer("evaluate", client, request)
            for client, request in asked
        }

    def _outputs(self, own: Sequence[tuple[Client, Message]]) -> dict[int, Tensor]:
        """What each client's network makes of its graph."""
        joint = self._joint([client for client, _ in own])
        requests = {client.number: request for client, request in own}
        states = [client.evaluated(requests[client.number]) for client in joint.clients]
        numbers = [client.number for client in joint.clients]
        return dict(zip(numbers, joint.outputs(states), strict=True))

    def _joint(self, clients: Sequence[Client]) -> JointClients:
        graphs = [graph_of(client) for client in clients]
        key = (*map(id, clients), *map(id, graphs))  # the value keeps them alive, so that none takes another's place
        if key not in self._kept:
            self._kept[key] = JointClients(clients)
        self._kept.move_to_end(key)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return self._kept[key]


def why_not(clients: Sequence[Client]) -> str | None:
    """What keeps the vectorised engine from taking these clients; None if nothing does.

    Args:
        clients: Clients of one federation.
    """
    for kind in {type(client) for client in clients}:
        if kind.fit is not Client.fit or kind.train is not Client.train:
            return f"{kind.__name__} trains in a way of its own"
    for data in {type(client.view(client.data)) for client in clients}:
        if data is not NodeData:
            return f"{data.__name__} is not NodeData, a graph for each client"
    first = clients[0]
    if any(client.task is not first.task or client.local != first.local for client in clients):
        return "they do not share one task and one way of local training"
    return _why_not_task(first)


def _why_not_task(client: Client) -> str | None:
    task: Task = client.task
    kind = type(task)
    if not isinstance(task, NodeMeanTask) or kind.loss is not NodeMeanTask.loss:
        return f"the loss of {kind.__name__} is not a mean over nodes"
    optimizer = type(client.local.make_optimizer(task))
    if optimizer not in _ELEMENTWISE:
        return f"{optimizer.__name__} does not treat each weight by itself"
    return unstackable(task)


def _begin(client: Client, request: Message) -> tuple[Weights, Pull | None]:
    start = client.start(request)
    return start, client.pull(request, start)


def _finish(client: Client, request: Message, start: Weights, end: Weights, loss: float, steps: int) -> Message:
    reply = client.finish(request, start, end, training_metrics(loss, steps))
    client.memory = owned(client.memory)
    return reply


def _tell(what: str, error: Exception) -> None:
    told = f"the joint {what} raised {type(error).__name__}: {error}; the clients take turns this time"
    warnings.warn(told, stacklevel=4)


def _has_training_nodes(client: Client) -> bool:
    return client.view(client.data).num_examples("train") > 0


def _is_evaluated_on_own_graph(client: Client) -> bool:
    plain = type(client).evaluate is Client.evaluate
    return plain and client.evaluation_data is client.data and graph_of(client).num_nodes > 0

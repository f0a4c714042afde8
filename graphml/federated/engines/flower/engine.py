"""The engine of the server: messages over Flower's Grid."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flwr.app import DEFAULT_TTL, ConfigRecord, RecordDict
from flwr.app import Message as FlowerMessage
from flwr.serverapp import Grid
from torch import Tensor

from graphml.federated.client import Client
from graphml.federated.engines.engine import Engine
from graphml.federated.engines.flower.records import (
    engine_record,
    from_array_record,
    from_records,
    to_array_record,
    to_records,
)
from graphml.federated.faults import Fault
from graphml.federated.message import Message
from graphml.federated.weights import Weights

KINDS = {"describe": "query.describe", "assist": "query.assist", "fit": "train", "evaluate": "evaluate"}
"""Flower's name of each call."""

PULL_INTERVAL = 0.1  # seconds between two looks for answers
STARTING = 60.0  # seconds that a node may take to start a process for a message


class FlowerEngine(Engine):
    """Asks the clients that live on Flower's nodes; client number k is on the node of partition-id k.

    What a client remembers stays on its node. A node keeps it under the number of the exchange that left it, and the
    one before; a request says which of the two is meant, so that an answer that was refused, or came too late, is
    forgotten without another message. Only a checkpoint brings memories to the server: `memories` fetches them, and
    `remember` sends them along with the next request.

    Args:
        grid: Flower's Grid.
        timeout: Seconds that a client may take for an answer, counted on its node; None for any time.
        wait: Seconds to wait, at first, for the nodes of all clients.
    """

    def __init__(self, grid: Grid, timeout: float | None = None, wait: float = 300.0) -> None:
        self.grid, self.timeout, self.wait = grid, timeout, wait
        self._numbers: dict[int, int] = {}  # client number by node, of the nodes that are there
        self._held: dict[int, int | Weights] = {}  # by client: exchange whose memory its node has, or what to send it
        self._exchanges = 0

    def exchange(
        self, call: str, clients: Sequence[Client], requests: Mapping[int, Message]
    ) -> dict[int, Message | Fault]:
        """Let clients answer.

        Args:
            call: Name of the client's method: ``describe``, ``fit``, ``evaluate`` or ``assist``.
            clients: All clients; only their number matters here.
            requests: A message for each of some clients.

        Raises:
            RuntimeError: If the nodes of all clients are not there at first; later it is a fault of the client.
            ValueError: If two nodes have one partition-id.
        """
        self._find(len(clients))
        self._exchanges += 1
        records = {id(request): to_records(request) for request in requests.values()}
        contents = {number: self._content(number, records[id(request)]) for number, request in requests.items()}
        seconds = DEFAULT_TTL if self.timeout is None else (self.timeout + STARTING) * len(requests)
        answers = self._ask(KINDS[call], contents, seconds)
        out: dict[int, Message | Fault] = {}
        for number in sorted(requests):
            reply = self._taken(number, answers[number])
            round = int(requests[number].config["round"])
            out[number] = reply if isinstance(reply, Message) else Fault(number, round, reply)
        return out

    def snapshot(self, clients: Sequence[Client]) -> dict[int, Any]:
        """Which memories the clients have now; they stay on their nodes.

        Args:
            clients: All clients.
        """
        return dict(self._held)

    def restore(self, clients: Sequence[Client], number: int, snapshot: Mapping[int, Any]) -> None:
        """Let a client's next request mean the memory of a snapshot.

        Args:
            clients: All clients.
            number: Number of the client.
            snapshot: What `snapshot` returned before the last exchange.
        """
        self._hold(number, snapshot.get(number, {}))

    def memories(self, clients: Sequence[Client]) -> dict[int, dict[str, Tensor]]:
        """Fetch memories from the nodes of the clients that have any.

        Args:
            clients: All clients.

        Raises:
            RuntimeError: If a node does not answer.
        """
        self._find(len(clients))
        contents = {
            number: RecordDict({"engine": ConfigRecord({"memory": held})})
            for number, held in self._held.items()
            if isinstance(held, int)
        }
        out = {number: held for number, held in self._held.items() if not isinstance(held, int)}
        for number, answer in self._ask("query.memory", contents, self.wait).items():
            if isinstance(answer, str) or "memory" not in answer:
                reason = answer if isinstance(answer, str) else engine_record(answer)["fault"]
                raise RuntimeError(f"what client {number} remembers could not be fetched for the checkpoint: {reason}")
            out[number] = from_array_record(answer.array_records["memory"])
        return dict(sorted(out.items()))

    def remember(self, clients: Sequence[Client], memories: Mapping[int, dict[str, Tensor]]) -> None:
        """Send memories to the clients' nodes with their next requests.

        Args:
            clients: All clients.
            memories: Memories by number.
        """
        for number, memory in memories.items():
            self._hold(number, dict(memory))

    def _hold(self, number: int, memory: int | Weights) -> None:
        if memory:
            self._held[number] = memory
        else:
            self._held.pop(number, None)

    def _content(self, number: int, records: Mapping[str, Any]) -> RecordDict:
        held = self._held.get(number, 0)
        given = {} if isinstance(held, int) else {"memory": to_array_record(held)}
        told = {"memory": held if isinstance(held, int) else 0, "exchange": self._exchanges}
        return RecordDict({**records, **given, "engine": ConfigRecord({**told})})

    def _taken(self, number: int, answer: RecordDict | str) -> Message | str:
        if isinstance(answer, str):
            return answer
        told = engine_record(answer)
        if "fault" in told:
            return str(told["fault"])
        if told["changed"]:
            self._hold(number, 0 if told["empty"] else self._exchanges)
        return from_records(answer)

    def _find(self, clients: int) -> None:
        """Learn which node has which client; wait for all of them the first time."""
        first, stop = not self._numbers, time.monotonic() + self.wait
        while True:
            online = list(self.grid.get_node_ids())
            self._numbers = {node: self._numbers[node] for node in online if node in self._numbers}
            self._numbers |= self._asked_numbers(node for node in online if node not in self._numbers)
            missing = sorted(set(range(clients)) - set(self._numbers.values()))
            if not missing or not first:
                break
            if time.monotonic() > stop:
                raise RuntimeError(
                    f"expected SuperNodes of the partition-ids 0 to {clients - 1}, found none of {missing} within "
                    f'{self.wait:g} seconds: start each with --node-config "partition-id=... num-partitions={clients}"'
                )
            time.sleep(PULL_INTERVAL)
        for number in range(clients):
            nodes = [node for node, partition in self._numbers.items() if partition == number]
            if len(nodes) > 1:
                raise ValueError(f"partition-id: expected another on each SuperNode, got {number} on nodes {nodes}")

    def _asked_numbers(self, nodes: Iterable[int]) -> dict[int, int]:
        addressed = {node: (node, RecordDict()) for node in nodes}
        answers = self._exchange_with_nodes("query.partition", addressed, self.wait)
        return {
            node: int(engine_record(answer)["partition-id"])
            for node, answer in answers.items()
            if not isinstance(answer, str)
        }

    def _ask(self, kind: str, contents: Mapping[int, RecordDict], seconds: float) -> dict[int, RecordDict | str]:
        nodes = {number: node for node, number in self._numbers.items()}
        addressed = {number: (nodes[number], content) for number, content in contents.items() if number in nodes}
        gone = {number: "its SuperNode is not connected" for number in contents if number not in nodes}
        return self._exchange_with_nodes(kind, addressed, seconds) | gone

    def _exchange_with_nodes(
        self, kind: str, addressed: Mapping[int, tuple[int, RecordDict]], seconds: float
    ) -> dict[int, RecordDict | str]:
        """Send each message to its node and wait; answers by the same keys, or what went wrong instead.

        Grid.send_and_receive would do, but it loses messages to nodes that have just left, and looks every 3 seconds.
        """
        answers: dict[int, RecordDict | str] = {}
        waiting: dict[str, int] = {}
        for key, (node, content) in addressed.items():
            sent = list(self.grid.push_messages([FlowerMessage(content, node, kind, ttl=seconds)]))
            if sent and sent[0]:
                waiting[sent[0]] = key
            else:
                answers[key] = "its SuperNode could not be sent a message"
        stop = time.monotonic() + seconds
        while waiting and time.monotonic() < stop:
            for reply in self.grid.pull_messages(list(waiting)):
                key = waiting.pop(reply.metadata.reply_to_message_id)
                answers[key] = f"Flower says: {reply.error.reason}" if reply.has_error() else reply.content
            time.sleep(PULL_INTERVAL)
        return answers | dict.fromkeys(waiting.values(), f"did not answer within {seconds:g} seconds")

"""Flower's ClientApp: rebuilds the federation from its configuration and lets one client answer."""

import functools
import json
import shlex

from flwr.app import ConfigRecord, Context, RecordDict
from flwr.app import Message as FlowerMessage
from flwr.clientapp import ClientApp

from graphml.federated.engines.flower.records import (
    engine_record,
    from_array_record,
    from_records,
    to_array_record,
    to_records,
)
from graphml.federated.engines.in_process import SequentialEngine
from graphml.federated.faults import Fault
from graphml.federated.setup import Setup, build
from graphml.federated.simulation import one_thread
from graphml.federated.weights import Weights


def describe(message: FlowerMessage, context: Context) -> FlowerMessage:
    """Let the node's client tell the statistics of its examples.

    Args:
        message: A request of `FlowerEngine`.
        context: Its node, and what the client remembers.
    """
    return FlowerMessage(_answer("describe", message.content, context), reply_to=message)


def fit(message: FlowerMessage, context: Context) -> FlowerMessage:
    """Let the node's client train.

    Args:
        message: A request of `FlowerEngine`.
        context: Its node, and what the client remembers.
    """
    return FlowerMessage(_answer("fit", message.content, context), reply_to=message)


def assist(message: FlowerMessage, context: Context) -> FlowerMessage:
    """Let the node's client do what a round needs beside training.

    Args:
        message: A request of `FlowerEngine`.
        context: Its node, and what the client remembers.
    """
    return FlowerMessage(_answer("assist", message.content, context), reply_to=message)


def evaluate(message: FlowerMessage, context: Context) -> FlowerMessage:
    """Let the node's client evaluate.

    Args:
        message: A request of `FlowerEngine`.
        context: Its node, and what the client remembers.
    """
    return FlowerMessage(_answer("evaluate", message.content, context), reply_to=message)


def partition(message: FlowerMessage, context: Context) -> FlowerMessage:
    """Tell which client the node has; -1 if it was started without a partition-id.

    Args:
        message: An empty message.
        context: The node.
    """
    told = ConfigRecord({"partition-id": int(context.node_config.get("partition-id", -1))})
    return FlowerMessage(RecordDict({"engine": told}), reply_to=message)


def memory(message: FlowerMessage, context: Context) -> FlowerMessage:
    """Tell what the client remembers.

    Args:
        message: Says which of the memories that the node keeps.
        context: The node.
    """
    try:
        content = RecordDict({"memory": to_array_record(_recalled(message.content, context.state))})
    except LookupError as error:
        content = _fault(str(error))
    return FlowerMessage(content, reply_to=message)


@functools.lru_cache(maxsize=1)
def federation(config: str, options: str) -> Setup:
    """The federation of a configuration, built once in each process.

    Args:
        config: Configuration as JSON.
        options: Command line options of this node, such as where its data are.
    """
    return build(json.loads(config), shlex.split(options))


def _answer(call: str, content: RecordDict, context: Context) -> RecordDict:
    try:
        return _answered(call, content, context)
    except Exception as error:  # the node may lack the data, or its options may be wrong: the server shall know
        return _fault(f"raised {type(error).__name__}: {error}")


def _answered(call: str, content: RecordDict, context: Context) -> RecordDict:
    setup = federation(str(context.run_config["config"]), str(context.node_config.get("options", "")))
    client = setup.clients[int(context.node_config["partition-id"])]
    start = _recalled(content, context.state)
    client.memory = start
    with one_thread():
        reply = SequentialEngine(setup.timeout).answer(call, client, from_records(content))
    if isinstance(reply, Fault):
        return _fault(reply.reason)
    changed = client.memory is not start
    if changed:
        _keep(content, context.state, client.memory)
    told = ConfigRecord({"changed": changed, "empty": not client.memory})
    return RecordDict({**to_records(reply), "engine": told})


def _recalled(content: RecordDict, state: RecordDict) -> Weights:
    """What the client shall remember: what came along, or what its node kept after the exchange that is named."""
    if "memory" in content:
        return from_array_record(content.array_records["memory"])
    exchange = engine_record(content)["memory"]
    if not exchange:
        return {}
    if _name(exchange) not in state:
        raise LookupError("its node has lost what it remembered; a SuperNode that was restarted cannot go on with it")
    return from_array_record(state.array_records[_name(exchange)])


def _keep(content: RecordDict, state: RecordDict, memory: Weights) -> None:
    """Keep a memory beside the one that it came from, which is needed again if the server refuses the answer."""
    told = engine_record(content)
    for name in [name for name in state if name.startswith("memory-") and name != _name(told["memory"])]:
        del state[name]
    state[_name(told["exchange"])] = to_array_record(memory)


def _name(exchange: int) -> str:
    return f"memory-{exchange}"


def _fault(reason: str) -> RecordDict:
    return RecordDict({"engine": ConfigRecord({"fault": reason})})


app = ClientApp()
app.train()(fit)
app.evaluate()(evaluate)
app.query("describe")(describe)
app.query("assist")(assist)
app.query("partition")(partition)
app.query("memory")(memory)

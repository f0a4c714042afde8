"""From a configuration to a federation that is ready to run."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
from jsonargparse import Namespace
from pytorch_lightning.loggers import Logger

from graphml.data import DatasetMissingError
from graphml.federated.client import Client, LocalTraining
from graphml.federated.clients import LazyClients
from graphml.federated.partition import Items, Partition, Partitioner
from graphml.federated.protocols import Protocol, protocol_named
from graphml.federated.simulation import Schedule
from graphml.federated.sources import source_of
from graphml.federated.strategy import Strategy
from graphml.federated.weights import weights_of
from graphml.parser import GraphmlParser, UsageError, link_sizes
from graphml.tasks.task import Task

DESCRIPTION = """\
Run a federation: a partitioner deals the data to clients, which train a task by the rules of a strategy. Without a
configuration: FedAvg of a GCN on the embedded digits graph, dealt to five clients by Louvain communities.
"""


DEFAULT = {
    "data": {"class_path": "graphml.data.NodeDataModule", "init_args": {"name": "digits", "self_loops": True}},
    "model": {
        "class_path": "graphml.tasks.NodeClassificationTask",
        "init_args": {"model": {"class_path": "graphml.models.GCN"}},
    },
    "partitioner": {"class_path": "graphml.federated.LouvainPartitioner", "init_args": {"num_clients": 5}},
    "strategy": {"class_path": "graphml.federated.FedAvg"},
    "local": {"epochs": 2, "optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.5}}},
}
"""What is run where no file says otherwise. (As defaults of the parser these options would leak into other classes.)"""


@dataclass(frozen=True)
class Setup:
    """A federation, ready to run.

    Attributes:
        task: The task, with the weights that everything starts from.
        items: What was dealt.
        partition: Who holds what.
        strategy: Server half of the algorithm.
        clients: The clients, made when needed.
        local: How they train.
        server: The evaluator of the global weights; None where clients evaluate.
        protocol: Published protocol, or None.
        rounds: Rounds of training.
        schedule: When to evaluate, save and stop.
        seed: Seed of the run.
        engine: Name of the engine.
        timeout: Seconds that a client may take; None for any time.
        logger: Lightning logger that gets the metrics of each round; None for the files alone.
        config: Full configuration: another process builds the same federation from it.
    """

    task: Task
    items: Items
    partition: Partition
    strategy: Strategy
    clients: Sequence[Client]
    local: LocalTraining
    server: Client | None
    protocol: Protocol | None
    rounds: int
    schedule: Schedule
    seed: int
    engine: str
    timeout: float | None
    logger: Logger | None
    config: dict[str, Any]


def federation_parser() -> GraphmlParser:
    """Return the parser of a federation's configuration; ``graphml federate`` adds its own options."""
    parser = GraphmlParser(prog="graphml federate", description=DESCRIPTION)
    parser.add_argument("--config", action="config", help="YAML file of these options, or of a study")
    parser.add_subclass_arguments(
        pl.LightningDataModule, "data", required=True, help="the data that are dealt to the clients"
    )
    parser.add_subclass_arguments(Task, "model", required=True, help="the task that the clients train")
    parser.add_subclass_arguments(Partitioner, "partitioner", required=True, help="who gets what")
    parser.add_subclass_arguments(Strategy, "strategy", required=True, help="the algorithm")
    parser.add_class_arguments(LocalTraining, "local", help="how clients train between two messages")
    parser.add_class_arguments(Schedule, "schedule", help="when to evaluate, save and stop")
    parser.add_argument("--rounds", type=int, default=100, help="rounds of training")
    parser.add_argument("--protocol", type=str | None, help="published protocol: fs-g, openfgl, fedgcn ...")
    parser.add_argument("--seed", type=int, default=0, help="of split, initial weights, training and drawn clients")
    parser.add_argument(
        "--engine", type=str, default="auto", help="auto, sequential, vectorised, flower or flower-deployment"
    )
    parser.add_argument("--timeout", type=float | None, help="seconds that a client may take for an answer")
    parser.add_argument("--logger", type=Logger | None, help="Lightning logger that gets the metrics of each round")
    link_sizes(parser)
    return parser


def resolve(configs: Sequence[dict[str, Any]], options: Sequence[str] = ()) -> dict[str, Any]:
    """Full configuration of a federation.

    Args:
        configs: Configurations, each laid over those before it; none for `DEFAULT`.
        options: Command line options, laid over them all.

    Returns:
        The configuration with all defaults written out.

    Raises:
        ValueError: If a key or an option is wrong.
    """
    parser = federation_parser()
    try:
        parsed = parser.parse_args([*(f"--config={json.dumps(config)}" for config in configs or [DEFAULT]), *options])
    except UsageError as error:
        raise ValueError(str(error)) from error
    return _plain(parsed)


def build(config: dict[str, Any], options: Sequence[str] = ()) -> Setup:
    """Make the federation that a configuration describes: the same in any process.

    Args:
        config: Configuration, such as `resolve` returns.
        options: Command line options laid over it, such as where the data are on this machine.

    Returns:
        The federation.

    Raises:
        ValueError: If a value is wrong.
        DatasetMissingError: If the data are not there.
    """
    parser = federation_parser()
    try:
        parsed = parser.parse_args([f"--config={json.dumps(config)}", *options])
    except UsageError as error:
        raise ValueError(str(error)) from error
    pl.seed_everything(parsed.seed, verbose=False)  # initial weights
    try:
        made = parser.instantiate(parsed)
    except ValueError as error:  # the parser wraps what the data raise when the model asks for their sizes
        if isinstance(error.__cause__, DatasetMissingError):
            raise error.__cause__ from None
        raise
    return _assemble(made, _plain(parsed))


def _assemble(made: Namespace, config: dict[str, Any]) -> Setup:
    task, strategy, seed = made.model, made.strategy, made.seed
    protocol, source = protocol_named(made.protocol), source_of(made.data)
    items = source.items()
    partition = made.partitioner(items)
    source.deal(partition, protocol, seed)
    initial = weights_of(task)
    on_graph = protocol is None or protocol.evaluate_on == "graph"
    whole = source.server_data() if on_graph else None

    def make_client(number: int) -> Client:
        data, own = source.client_data(number), source.evaluation_data(number)
        client: Client = strategy.client(number, task, data, made.local, whole if own is None else own, seed, initial)
        return client

    return Setup(
        task=task,
        items=items,
        partition=partition,
        strategy=strategy,
        clients=LazyClients(make_client, len(partition)),
        local=made.local,
        server=None if whole is None else Client(-1, task, whole, made.local, whole, seed, initial),
        protocol=protocol,
        rounds=made.rounds,
        schedule=made.schedule,
        seed=seed,
        engine=made.engine,
        timeout=made.timeout,
        logger=made.logger,
        config=config,
    )


def _plain(parsed: Namespace) -> dict[str, Any]:
    """Configuration as plain values; the parser's own dump would leave out every None."""
    values: dict[str, Any] = json.loads(json.dumps(parsed.as_dict() | {"config": None}))
    values.pop("config")
    return values

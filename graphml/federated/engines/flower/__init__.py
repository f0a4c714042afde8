"""Flower: the same strategies and clients on many processes or machines.

The server loop is `graphml.federated.simulate` in Flower's ServerApp, with `FlowerEngine` to carry the messages over
Flower's Grid; each client is rebuilt in Flower's ClientApp from the same configuration. Nothing here imports Flower but
the modules that Flower itself loads (``engine``, ``records``, ``client_app``, ``server_app``).

`run_on_flower` starts all processes on this machine. For several machines, `write_app` writes the app once. Then, with
graphml-torch[flower] on each machine and TLS as Flower documents it:

- on the server: ``flower-superlink --disable-runtime-dependency-installation``;
- on the machine of client k of K: ``flower-supernode --superlink HOST:PORT --node-config "partition-id=k
  num-partitions=K options='--data.root=DIR'"``, where ``options`` lay over the configuration on that machine;
- from anywhere: ``flwr run APP``.

Server and clients build the federation from the same configuration, so the data must be readable on all of them: this
spreads computation, and shows that an algorithm needs nothing but its messages; it does not keep data apart.
"""

from graphml.federated.engines.flower.launch import run_on_flower, write_app

__all__ = ["run_on_flower", "write_app"]

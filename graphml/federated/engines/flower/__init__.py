"""Flower: the same strategies and clients on many processes or machines.

The server loop is `graphml.federated.simulate` in Flower's ServerApp, with `FlowerEngine` to carry the messages over
Flower's Grid; each client is rebuilt in Flower's ClientApp from the same configuration. Nothing here imports Flower but
the modules that Flower itself loads (``engine``, ``records``, ``client_app``, ``server_app``).
"""

from graphml.federated.engines.flower.launch import run_on_flower

__all__ = ["run_on_flower"]

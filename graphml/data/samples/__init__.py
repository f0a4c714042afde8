"""Data that need no download: the embedded graph, a classic, and synthetic families for tests and scaling."""

from graphml.data.samples.contextual_sbm import contextual_sbm
from graphml.data.samples.dialogues import synthetic_dialogues
from graphml.data.samples.digits import digits
from graphml.data.samples.karate_club import karate_club
from graphml.data.samples.power_law import power_law

__all__ = ["contextual_sbm", "digits", "karate_club", "power_law", "synthetic_dialogues"]

"""What turns embeddings or predictions into a table."""

from graphml.evaluation.linear_probe import LinearProbe, ProbeResult

__all__ = ["LinearProbe", "ProbeResult"]

"""Objectives of self-supervised learning.

Each is made from an encoder, owns its heads and views, and maps ``(encoder, batch, generator)`` to a scalar loss. A
batch holds ``x, edge_index, edge_weight, density``.
"""

from graphml.tasks.objectives.bgrl import BGRL
from graphml.tasks.objectives.cca_ssg import CCASSG
from graphml.tasks.objectives.demi import DEMI
from graphml.tasks.objectives.dgi import DGI
from graphml.tasks.objectives.graph_mae import GraphMAE
from graphml.tasks.objectives.info_nce import InfoNCE
from graphml.tasks.objectives.poly_gcl import PolyGCL

__all__ = ["BGRL", "CCASSG", "DEMI", "DGI", "GraphMAE", "InfoNCE", "PolyGCL"]

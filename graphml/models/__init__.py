"""Whole networks as plain modules: encoders, classifiers of nodes and graphs, models of links and of conversations.

Every encoder maps ``(x, edge_index, edge_weight, density)`` to node embeddings ``[N, out_channels]``, every node
classifier, made as ``Model(in_channels, num_classes)``, maps it to logits ``[N, num_classes]``. Every model of
conversations is made as ``Model(in_channels, num_classes, num_speakers, hidden_channels, dropout)`` and maps a
`graphml.ops.DialogueBatch` to logits ``[N, num_classes]``.
"""

from graphml.models.bidirectional_gru import BiGRU
from graphml.models.cogmen import COGMEN
from graphml.models.der_gcn import DERGCN, EncodedDialogues
from graphml.models.dialogue_gcn import DialogueGCN
from graphml.models.distmult import DistMult
from graphml.models.gat import GAT
from graphml.models.gcn import GCN
from graphml.models.gcn_encoder import GCNEncoder, MLPEncoder
from graphml.models.gin import GIN
from graphml.models.gin_graph import GINGraphClassifier
from graphml.models.gprgnn import GPRGNN
from graphml.models.identity_encoder import IdentityEncoder
from graphml.models.m3net import M3Net
from graphml.models.mmgcn import MMGCN
from graphml.models.neighbor_generator import NeighborGenerator
from graphml.models.polynomial_encoder import PolynomialEncoder
from graphml.models.rgcn_distmult import RGCNDistMult
from graphml.models.sage import SAGE
from graphml.models.utterance_classifier import UtteranceClassifier
from graphml.models.wavelet_encoder import WaveletEncoder

__all__ = [
    "COGMEN",
    "DERGCN",
    "GAT",
    "GCN",
    "GIN",
    "GPRGNN",
    "MMGCN",
    "SAGE",
    "BiGRU",
    "DialogueGCN",
    "DistMult",
    "EncodedDialogues",
    "GCNEncoder",
    "GINGraphClassifier",
    "IdentityEncoder",
    "M3Net",
    "MLPEncoder",
    "NeighborGenerator",
    "PolynomialEncoder",
    "RGCNDistMult",
    "UtteranceClassifier",
    "WaveletEncoder",
]

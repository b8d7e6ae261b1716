"""Models of ours, each readable from top to bottom."""

from istsim.networks.models._mlp import mlp as mlp
from istsim.networks.models._resnet import PreActivationBlock as PreActivationBlock
from istsim.networks.models._resnet import ResNet as ResNet
from istsim.networks.models._transformer import Attention as Attention
from istsim.networks.models._transformer import GatedMLP as GatedMLP
from istsim.networks.models._transformer import Transformer as Transformer
from istsim.networks.models._transformer import TransformerBlock as TransformerBlock

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from istsim._validation import positive_int


class Attention(nn.Module):
    """Causal attention with rotary positions, in which several query heads share one head of keys and values.

    The number of heads is read off the weights, so that it works with any subset of them.

    Args:
        width: of what comes in and goes out.
        heads: of the queries.
        key_heads: of keys and values, a divisor of `heads`.
    """

    def __init__(self, width: int, heads: int, key_heads: int):
        super().__init__()
        if heads % key_heads or width % heads or width // heads % 2:
            raise ValueError(
                f"key_heads must divide heads, and width must be heads times an even number, got width {width}, "
                f"heads {heads}, key_heads {key_heads}"
            )
        self.head_dim = width // heads
        self.q_proj = nn.Linear(width, heads * self.head_dim, bias=False)
        self.k_proj = nn.Linear(width, key_heads * self.head_dim, bias=False)
        self.v_proj = nn.Linear(width, key_heads * self.head_dim, bias=False)
        self.o_proj = nn.Linear(heads * self.head_dim, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, time, width) to the same."""
        q, k, v = (self._split(proj(x)) for proj in (self.q_proj, self.k_proj, self.v_proj))
        mixed = functional.scaled_dot_product_attention(_rotated(q), _rotated(k), v, is_causal=True, enable_gqa=True)
        return self.o_proj(mixed.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)  # (batch, heads, time, head_dim)


def _rotated(x: Tensor) -> Tensor:
    """Positions as angles (Su et al., arXiv 2104.09864), for x of shape (batch, heads, time, head_dim)."""
    half = x.shape[-1] // 2
    wide = torch.promote_types(x.dtype, torch.float32)  # bfloat16 has no number between 256 and 258
    speeds = 10_000.0 ** (-torch.arange(half, dtype=wide, device=x.device) / half)
    angles = torch.arange(x.shape[-2], dtype=wide, device=x.device)[:, None] * speeds  # (time, half)
    first, second = x[..., :half], x[..., half:]
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


class GatedMLP(nn.Module):
    """Two dense layers, of which a third gates what passes (SwiGLU; Shazeer, arXiv 2002.05202)."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.gate_proj = nn.Linear(width, hidden, bias=False)
        self.up_proj = nn.Linear(width, hidden, bias=False)
        self.down_proj = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) to the same."""
        return self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))


class TransformerBlock(nn.Module):
    """Attention, then a gated MLP, each added to what came in."""

    def __init__(self, width: int, heads: int, key_heads: int, hidden: int):
        super().__init__()
        self.attention_norm = nn.RMSNorm(width, eps=1e-6)
        self.attention = Attention(width, heads, key_heads)
        self.mlp_norm = nn.RMSNorm(width, eps=1e-6)
        self.mlp = GatedMLP(width, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, time, width) to the same."""
        x = x + self.attention(self.attention_norm(x))
        return x + self.mlp(self.mlp_norm(x))


class Transformer(nn.Module):
    """A language model built like LLaMA (Touvron et al., arXiv 2302.13971).

    Args:
        vocabulary: number of tokens.
        width: of the residual stream.
        depth: number of blocks.
        heads: attention heads, a divisor of the width.
        key_heads: heads of keys and values, a divisor of `heads`; as many if None.
        hidden: width of the gated MLPs; 8/3 of `width` if None.

    Example:
        >>> import torch
        >>> from istsim import networks
        >>> model = networks.Transformer(256, width=32, depth=2, heads=4, key_heads=2)
        >>> model(torch.zeros(1, 7, dtype=torch.long)).shape
        torch.Size([1, 7, 256])
    """

    def __init__(
        self,
        vocabulary: int,
        *,
        width: int,
        depth: int,
        heads: int,
        key_heads: int | None = None,
        hidden: int | None = None,
    ):
        super().__init__()
        vocabulary, width = positive_int("vocabulary", vocabulary), positive_int("width", width)
        depth, heads = positive_int("depth", depth), positive_int("heads", heads)
        key_heads = heads if key_heads is None else positive_int("key_heads", key_heads)
        hidden = 8 * width // 3 if hidden is None else positive_int("hidden", hidden)
        self.embedding = nn.Embedding(vocabulary, width)
        self.blocks = nn.Sequential(*[TransformerBlock(width, heads, key_heads, hidden) for _ in range(depth)])
        self.norm = nn.RMSNorm(width, eps=1e-6)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.apply(self._init_weights)

    def _init_weights(self, layer: nn.Module) -> None:
        if isinstance(layer, nn.Linear | nn.Embedding):
            nn.init.normal_(layer.weight, std=0.02)
        elif isinstance(layer, nn.RMSNorm):
            layer.reset_parameters()

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (batch, time, vocabulary) of tokens (batch, time)."""
        return self.head(self.norm(self.blocks(self.embedding(tokens))))

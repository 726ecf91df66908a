"""Attention for packed rows: every sample attends to itself alone, whatever lies beside it in the row.

Registered with transformers under one name, so that the student's own code runs unchanged and only its attention is
exchanged. On a CUDA device with half-precision values torch's variable-length kernel does a whole row at once;
elsewhere one call of ``scaled_dot_product_attention`` for each sample: exact, and on a CPU the fastest measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel

from workers.tuning.packing import Row

NAME = "seedbed_packed"


class AttentionProblem(ValueError):
    """The student's attention is of a kind that cannot be packed; one sentence says which."""


@dataclass(frozen=True, slots=True)
class PackedLayout:
    """Where the samples of a row lie; see :class:`workers.tuning.packing.Row`.

    In attention every sample has the shared beginning before its own tokens: ``lengths`` are those of the two
    together, ``bounds`` their running sum from 0.
    """

    shared: int
    own: tuple[int, ...]
    shares: tuple[bool, ...]
    lengths: tuple[int, ...]
    bounds: torch.Tensor

    @classmethod
    def of(cls, row: Row, device: torch.device) -> PackedLayout:
        lengths = tuple(own + (row.shared if shares else 0) for own, shares in zip(row.own, row.shares, strict=True))
        bounds = torch.tensor([0, *lengths], dtype=torch.int32).cumsum(0, dtype=torch.int32)
        return cls(row.shared, row.own, row.shares, lengths, bounds.to(device))

    def samples(self, part: torch.Tensor) -> list[torch.Tensor]:
        """Queries, keys or values of a row, shape (1, heads, n, head size), sample by sample.

        Split and joined, not indexed: the gradient of an indexed read is summed up place by place, which on a CPU
        took as long as the attention itself.
        """
        beginning, *own = torch.split(part, [self.shared, *self.own], 2)
        return [
            torch.cat([beginning, piece], 2) if shares else piece
            for piece, shares in zip(own, self.shares, strict=True)
        ]

    def row(self, outputs: list[torch.Tensor]) -> torch.Tensor:
        """Outputs of the samples, each (1, length, heads, head size), as the row's, (1, n, heads, head size)."""
        if not self.shared:
            return torch.cat(outputs, 1)
        # The beginning comes out the same for all that share it: the first one's copy is taken.
        beginning = outputs[self.shares.index(True)][:, : self.shared]
        rest = [out[:, self.shared :] if shares else out for out, shares in zip(outputs, self.shares, strict=True)]
        return torch.cat([beginning, *rest], 1)


def packed_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    packed_layout: PackedLayout | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention within each sample of one row.

    Args:
        query, key, value: shape (1, heads, n, head size); keys and values may have fewer heads (grouped query).
        attention_mask: must be None: a mask would be for the row as a whole, and samples would see one another.
        packed_layout: where the samples lie.

    Returns:
        shape (1, n, heads, head size), and None for the weights that are never formed.

    Raises:
        AttentionProblem: called without a layout, or the model asks for what this attention does not do.
    """
    if packed_layout is None or attention_mask is not None or query.shape[0] != 1:
        raise AttentionProblem("Packed attention takes one row with its layout and no mask.")
    for name in ("softcap", "s_aux", "position_bias"):
        if others.get(name) is not None:
            raise AttentionProblem(f"The student's attention uses {name}, which cannot be tuned here yet.")
    samples = list(zip(*(packed_layout.samples(part) for part in (query, key, value)), strict=True))
    if _has_variable_length_kernel(query):
        outputs = _one_call(samples, scaling, sliding_window, packed_layout)
    else:
        outputs = [_one_sample(sample, scaling, dropout, sliding_window) for sample in samples]
    return packed_layout.row(outputs), None


def _one_sample(
    sample: tuple[torch.Tensor, ...], scaling: float | None, dropout: float, sliding_window: int | None
) -> torch.Tensor:
    query, key, value = sample
    count = query.shape[2]
    mask = None
    if sliding_window is not None and count > sliding_window:
        distance = torch.arange(count, device=query.device)
        distance = distance[:, None] - distance[None, :]
        mask = (distance >= 0) & (distance < sliding_window)
    output = scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=mask,
        dropout_p=dropout,
        is_causal=mask is None,
        scale=scaling,
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return output.transpose(1, 2)


def _has_variable_length_kernel(query: torch.Tensor) -> bool:
    """torch's kernel wants a CUDA device of compute capability 8.0 or newer and half-precision values."""
    return (
        query.is_cuda
        and query.dtype in (torch.float16, torch.bfloat16)
        and torch.cuda.get_device_capability(query.device) >= (8, 0)
    )


def _one_call(
    samples: list[tuple[torch.Tensor, ...]], scaling: float | None, sliding_window: int | None, layout: PackedLayout
) -> list[torch.Tensor]:
    """All samples in one call of ``torch.nn.attention.varlen.varlen_attn``, which takes (tokens, heads, head size)."""
    from torch.nn.attention.varlen import varlen_attn

    longest = max(layout.lengths)
    query, key, value = (torch.cat(parts, 2)[0].transpose(0, 1).contiguous() for parts in zip(*samples, strict=True))
    output = varlen_attn(
        query,
        key,
        value,
        layout.bounds,
        layout.bounds,
        longest,
        longest,
        scale=scaling,
        # (left, right): itself and what came before, at most `sliding_window` tokens with itself.
        window_size=(-1 if sliding_window is None else sliding_window - 1, 0),
        enable_gqa=query.shape[1] != key.shape[1],
    )
    # A tuple only when the log-sum-exp is asked for too.
    return list(torch.split(cast(torch.Tensor, output)[None], list(layout.lengths), 1))


def _no_mask(*_arguments: Any, **_named: Any) -> None:
    """No mask at all: the layout alone says who attends to whom."""


def register() -> str:
    """Make the attention known to transformers; its name for ``attn_implementation``."""
    AttentionInterface.register(NAME, packed_attention)
    AttentionMaskInterface.register(NAME, _no_mask)
    return NAME


def check_model(model: PreTrainedModel) -> None:
    """Refuse a student whose code does not take its attention from the registry.

    Raises:
        AttentionProblem: it does not, so samples in a row would silently see one another.
    """
    if not getattr(model, "_supports_attention_backend", False):
        raise AttentionProblem(
            f"Students of type {model.config.model_type!r} cannot be tuned here: their attention cannot be exchanged."
        )

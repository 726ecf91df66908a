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
    """Where the samples of a row lie; see :class:`workers.tuning.packing.Row`."""

    lengths: tuple[int, ...]
    expand: torch.Tensor | None
    collapse: torch.Tensor | None
    bounds: torch.Tensor

    @classmethod
    def of(cls, row: Row, device: torch.device) -> PackedLayout:
        bounds = torch.tensor([0, *row.lengths], dtype=torch.int32).cumsum(0, dtype=torch.int32)
        return cls(
            lengths=row.lengths,
            expand=None if row.expand is None else torch.from_numpy(row.expand).to(device),
            collapse=None if row.collapse is None else torch.from_numpy(row.collapse).to(device),
            bounds=bounds.to(device),
        )


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
    if packed_layout.expand is not None:
        query, key, value = (part.index_select(2, packed_layout.expand) for part in (query, key, value))
    if _has_variable_length_kernel(query):
        output = _one_call((query, key, value), scaling, sliding_window, packed_layout)
    else:
        split = [torch.split(part, list(packed_layout.lengths), 2) for part in (query, key, value)]
        output = torch.cat(
            [_one_sample(sample, scaling, dropout, sliding_window) for sample in zip(*split, strict=True)], 1
        )
    if packed_layout.collapse is not None:
        output = output.index_select(1, packed_layout.collapse)
    return output, None


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
    row: tuple[torch.Tensor, ...], scaling: float | None, sliding_window: int | None, layout: PackedLayout
) -> torch.Tensor:
    """All samples of a row in one call of ``torch.nn.attention.varlen.varlen_attn``, which takes (n, heads, size)."""
    from torch.nn.attention.varlen import varlen_attn

    longest = max(layout.lengths)
    query, key, value = (part[0].transpose(0, 1).contiguous() for part in row)
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
    return cast(torch.Tensor, output)[None]


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

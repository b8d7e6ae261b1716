"""What a network looks like from near: a quadratic for each worker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev

from istsim import methods
from istsim._validation import one_of
from istsim.methods._method import SketchedMethod
from istsim.networks._layout import Layout
from istsim.networks._methods import IST, SDP
from istsim.networks._parameter_sketch import parameter_sketch
from istsim.networks._trainer import Loss, cross_entropy
from istsim.problems import Quadratic

CURVATURES = ("gauss-newton", "hessian")
_MEMORY = 4e9  # bytes of all workers' matrices


def parameter_vector(model: nn.Module) -> np.ndarray:
    """The model's trainable parameters, one after the other, shape (d,) in float64."""
    return torch.cat([p.detach().reshape(-1) for p in model.parameters() if p.requires_grad]).double().numpy()


def local_quadratic(
    model: nn.Module,
    data: Sequence[tuple[Tensor, Tensor]],
    *,
    curvature: Literal["gauss-newton", "hessian"] = "gauss-newton",
    damping: float = 1e-3,
    loss: Loss = cross_entropy,
) -> Quadratic:
    """The second-order model of each worker's loss around the parameters that `model` has now.

    `f_i(x) = f_i(x0) + g_i'(x - x0) + 1/2 (x - x0)' L_i (x - x0)` over the trainable parameters, as an
    `istsim.Quadratic`, whose values leave constants out. The gradients g_i are exact. For small networks: the matrices
    of n workers are 8 n d^2 bytes, of which at most 4 GB are made.

    Args:
        model: its parameters are x0; it computes as in training or in evaluation, as it is set. Batch norms must not
            keep statistics in training: see `torch.func.replace_all_batch_norm_modules_`.
        data: inputs and targets of each worker.
        curvature: the Gauss-Newton matrix, which is never indefinite, or the Hessian.
        damping: times the identity is added to the curvature, which is singular in most networks.
        loss: of outputs and targets.

    Raises:
        ValueError: for a Hessian that is indefinite by more than the damping, a damping that is not positive, or more
            parameters than the memory is for.

    Example:
        >>> from istsim import networks
        >>> model, data = networks.mlp([64, 4, 10]), networks.digits()
        >>> networks.local_quadratic(model, [(data.train_inputs[:50], data.train_targets[:50])] * 2).dim
        310
    """
    one_of("curvature", curvature, CURVATURES)
    if not damping > 0:
        raise ValueError(f"damping must be positive, got {damping}")
    d = sum(p.numel() for p in model.parameters() if p.requires_grad)
    if (needed := 8 * len(data) * d**2) > _MEMORY:
        raise ValueError(
            f"the matrices of {len(data)} workers for d = {d} trainable parameters take {needed / 1e9:.3g} GB, more "
            f"than {_MEMORY / 1e9:g} GB; take a smaller model, or freeze parameters by requires_grad_(False)"
        )
    names = [name for name, p in model.named_parameters() if p.requires_grad]
    parameters = {name: p.detach().double() for name, p in model.named_parameters() if p.requires_grad}
    rest = {name: p.detach().double() for name, p in model.named_parameters() if not p.requires_grad}
    rest |= {name: b.double() if b.is_floating_point() else b for name, b in model.named_buffers()}
    shapes = [parameters[name].shape for name in names]
    x0 = torch.cat([parameters[name].reshape(-1) for name in names])

    def outputs(x: Tensor, inputs: Tensor) -> Tensor:
        pieces = x.split([shape.numel() for shape in shapes])
        values = {name: piece.view(shape) for name, piece, shape in zip(names, pieces, shapes, strict=True)}
        found = functional_call(model, {**rest, **values}, (inputs,))
        return found if isinstance(found, Tensor) else found.logits

    matrices, vectors = [], []
    for inputs, targets in data:
        wide = inputs.double() if inputs.is_floating_point() else inputs

        def value(x: Tensor, wide: Tensor = wide, targets: Tensor = targets) -> Tensor:
            return loss(outputs(x, wide), targets)

        gradient = torch.func.grad(value)(x0)
        if curvature == "hessian":
            matrix = jacrev(torch.func.grad(value), chunk_size=256)(x0)
        else:
            found = outputs(x0, wide)
            jacobian: Any = jacrev(lambda x, wide=wide: outputs(x, wide).reshape(-1), chunk_size=256)(x0)

            def of_outputs(flat: Tensor, shape: torch.Size = found.shape, targets: Tensor = targets) -> Tensor:
                return loss(flat.view(shape), targets)

            matrix = jacobian.T @ jacrev(torch.func.grad(of_outputs))(found.reshape(-1)) @ jacobian
        matrix = (matrix + matrix.T) / 2 + damping * torch.eye(len(x0), dtype=x0.dtype)
        lowest = float(torch.linalg.eigvalsh(matrix)[0])
        if lowest <= 0:
            raise ValueError(
                f"the Hessian of worker {len(matrices)} has the eigenvalue {lowest - damping:.3g}: raise the damping "
                f"of {damping:g} above its size, or take the Gauss-Newton matrix"
            )
        matrices.append(matrix.detach().numpy())
        vectors.append((matrix @ x0 - gradient).detach().numpy())
    return Quadratic(np.stack(matrices), np.stack(vectors))


def quadratic_method(model: nn.Module, layout: Layout, method: IST | SDP) -> SketchedMethod:
    """The method on the trainable parameters, as the simulator and the exact engine take it.

    Raises:
        ValueError: for what they do not have: forward rescaling, or masks that stay for several steps.

    Example:
        >>> from istsim import networks
        >>> model = networks.mlp([3, 4, 2])
        >>> networks.quadratic_method(model, networks.neurons(model), networks.IST(2, local_steps=3)).local_steps
        3
    """
    if method.rescale == "forward":
        raise ValueError("forward rescaling multiplies outputs of layers, which on parameters is not a sketch's scale")
    if method.rounds_a_draw != 1:
        raise ValueError("the exact engine draws masks anew in every round: set resample_every=1")
    sketch = parameter_sketch(model, layout, method.sketch_for(layout))
    if method.masking == "backward":
        return methods.CompressedGradient(sketch, merge="owners", gradient_scale=1.0)
    return methods.IST(sketch, merge="owners", forward_scale=1.0, gradient_scale=1.0, local_steps=method.local_steps)

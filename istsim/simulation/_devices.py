"""Workers on several devices: their arrays split, their draws sliced, their sums added up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from istsim._pytree import Pytree
from istsim.methods._method import Draws

AXIS = "workers"

Tree = TypeVar("Tree", bound=Pytree)


def split_workers(tree: Tree, num_devices: int) -> Tree:
    """The same object with a new leading axis of length `num_devices` on all its arrays.

    What belongs to workers is split evenly, after padding with zeros; the rest is repeated.
    """

    def split(array: jax.Array) -> jax.Array:
        missing = -len(array) % num_devices
        padded = jnp.pad(array, [(0, missing), *[(0, 0)] * (array.ndim - 1)])
        return padded.reshape(num_devices, -1, *array.shape[1:])

    def repeat(array: jax.Array) -> jax.Array:
        return jnp.broadcast_to(array, (num_devices, *array.shape))

    return _map_workers(tree, split, repeat)


def _map_workers(tree: Tree, on_workers: Callable[[Any], Any], on_others: Callable[[Any], Any]) -> Tree:
    changed = object.__new__(type(tree))
    vars(changed).update(vars(tree))
    for name in tree.data_fields:
        child = getattr(tree, name)
        if name not in tree.worker_fields:
            child = jax.tree.map(on_others, child)
        elif isinstance(child, Pytree):
            child = _map_workers(child, on_workers, on_others)
        elif child is not None:
            child = on_workers(child)
        vars(changed)[name] = child
    return changed


def draws_of_device(draws: Draws, num_devices: int, device: Any) -> Draws:
    """The part of a round's draws that belongs to one device's workers; padding workers do not report."""
    num_workers = len(draws.workers)
    per_device = -(-num_workers // num_devices)
    missing = per_device * num_devices - num_workers

    def part(array: jax.Array) -> jax.Array:
        padded = jnp.pad(array, [(0, missing), *[(0, 0)] * (array.ndim - 1)])
        return jax.lax.dynamic_slice_in_dim(padded, device * per_device, per_device)

    reporting = draws.reporting
    if reporting is None and missing:
        reporting = jnp.ones(num_workers, bool)
    return draws._replace(
        held=part(draws.held),
        reporting=None if reporting is None else part(reporting),
        workers=part(draws.workers),
    )

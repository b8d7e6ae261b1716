"""Trajectories and workers on a mesh of devices: what is where, and what is added up over it.

Rows of the mesh share the repetitions: they communicate nothing. Columns share the workers: they add up their sums in
every round. Masks depend on neither.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from istsim._pytree import Pytree
from istsim.methods._method import Draws

ROWS, COLUMNS = "trajectories", "workers"
_DEVICES = "devices"

Tree = TypeVar("Tree", bound=Pytree)


class MeshShape(NamedTuple):
    """Over how many devices the trajectories are split, and the workers."""

    trajectories: int
    workers: int

    @classmethod
    def of(cls, shape: Any, repetitions: int) -> MeshShape:
        """The shape that was asked for; for None as many rows as there are repetitions for, since they cost nothing.

        Raises:
            ValueError: unless it is two positive integers whose product is the number of devices.
        """
        devices = len(jax.devices())
        if shape is None:
            rows = max(rows for rows in range(1, min(devices, repetitions) + 1) if devices % rows == 0)
            return cls(rows, devices // rows)
        try:
            rows, columns = (int(number) for number in shape)
        except (TypeError, ValueError):
            raise ValueError(f"mesh_shape must be (trajectories, workers), two integers, got {shape!r}") from None
        if min(rows, columns) < 1 or rows * columns != devices:
            raise ValueError(
                f"mesh_shape must be (trajectories, workers) with the number of devices, {devices}, as their product, "
                f"got {shape!r}"
            )
        return cls(rows, columns)


class Share(NamedTuple):
    """The part of the workers that a device has.

    Attributes:
        parts: how many parts there are.
        here: the number of this one.
        add_up: sums over all parts of what each has.
    """

    parts: int
    here: Any
    add_up: Callable[[Any], Any]

    def of_draws(self, draws: Draws) -> Draws:
        """The draws of this part's workers; those that pad the last part do not report."""
        num_workers = len(draws.workers)
        each = -(-num_workers // self.parts)
        missing = each * self.parts - num_workers

        def part(array: Any) -> jax.Array:
            padded = jnp.pad(array, [(0, missing), *[(0, 0)] * (array.ndim - 1)])
            return jax.lax.dynamic_slice_in_dim(padded, self.here * each, each)

        reporting = draws.reporting
        if reporting is None and missing:
            reporting = jnp.ones(num_workers, bool)
        return draws._replace(
            held=part(draws.held),
            reporting=None if reporting is None else part(reporting),
            workers=part(draws.workers),
        )


# What runs on a device: of its share of the workers, its problem, its repetitions, their iterates, and more that all
# devices have. It returns iterates, and arrays whose second axis are the repetitions.
Part = Callable[..., tuple[Any, Any]]


@dataclasses.dataclass(frozen=True)
class OneDevice:
    """The default device."""

    def place_problem(self, problem: Tree) -> Tree:
        """The problem as it is."""
        return problem

    def place(self, array: Any) -> Any:
        """An array of all repetitions as it is."""
        return jnp.asarray(array)

    def mapped(self, part: Part) -> Callable[..., tuple[Any, Any]]:
        """The part, which is all."""
        return jax.jit(functools.partial(part, None))

    def collect(self, array: jax.Array, axis: int) -> jax.Array:
        """The repetitions along an axis, as they are."""
        return array


@dataclasses.dataclass(frozen=True)
class ShardMap:
    """All devices, of all processes, by `jax.shard_map`."""

    shape: MeshShape

    @property
    def mesh(self) -> jax.sharding.Mesh:
        """The devices."""
        return jax.make_mesh(tuple(self.shape), (ROWS, COLUMNS), axis_types=(AxisType.Auto,) * 2)

    def place_problem(self, problem: Tree) -> Tree:
        """Every device gets the arrays of its workers."""
        sharding = NamedSharding(self.mesh, PartitionSpec(COLUMNS))
        return jax.tree.map(functools.partial(_place, sharding), split_workers(problem, self.shape.workers))

    def place(self, array: Any) -> jax.Array:
        """Every device gets its repetitions."""
        return _place(NamedSharding(self.mesh, PartitionSpec(ROWS)), _padded(array, self.shape.trajectories))

    def mapped(self, part: Part) -> Callable[..., tuple[Any, Any]]:
        """The part of every device on that device."""

        def of_device(problem: Any, *arguments: Any) -> tuple[Any, Any]:
            workers = jax.lax.axis_index(COLUMNS)
            share = Share(self.shape.workers, workers, lambda sums: jax.lax.psum(sums, COLUMNS))
            return part(share, jax.tree.map(lambda array: array[0], problem), *arguments)

        by_row = PartitionSpec(ROWS)

        def on_mesh(problem: Any, repetitions: Any, x: Any, *others: Any) -> tuple[Any, Any]:
            in_specs = (PartitionSpec(COLUMNS), by_row, by_row, *[PartitionSpec()] * len(others))
            run = jax.shard_map(
                of_device,
                mesh=self.mesh,
                in_specs=in_specs,
                out_specs=(by_row, PartitionSpec(None, ROWS)),
                check_vma=False,
            )
            return run(problem, repetitions, x, *others)

        return jax.jit(on_mesh)

    def collect(self, array: jax.Array, axis: int) -> Any:
        """What all devices have, in every process.

        Raises:
            RuntimeError: if another process is gone.
        """
        if jax.process_count() == 1:
            return array
        try:
            return multihost_utils.process_allgather(array, tiled=True)
        except jax.errors.JaxRuntimeError as error:
            raise RuntimeError(
                f"process {jax.process_index()} of {jax.process_count()} has lost another one, which has ended or "
                "cannot be reached: look for the first error in the output of the others, and start all of them again"
            ) from error


@dataclasses.dataclass(frozen=True)
class Pmap:
    """All devices by `jax.pmap`, which knows one axis: the rows of the mesh are groups on it."""

    shape: MeshShape

    def place_problem(self, problem: Tree) -> Tree:
        """Every device gets the arrays of its workers."""
        split = split_workers(problem, self.shape.workers)
        return jax.tree.map(lambda array: self._place(array, lambda row, column: column), split)

    def place(self, array: Any) -> jax.Array:
        """Every device gets its repetitions."""
        padded = _padded(array, self.shape.trajectories)
        return self._place(padded.reshape(self.shape.trajectories, -1, *padded.shape[1:]), lambda row, column: row)

    def _place(self, parts: Any, choice: Callable[[int, int], int]) -> jax.Array:
        """On every device the part chosen by its row and column."""
        parts, count = np.asarray(parts), math.prod(self.shape)
        mesh = jax.make_mesh((count,), (_DEVICES,), axis_types=(AxisType.Auto,))

        def part_of(index: Any) -> np.ndarray:
            row, column = divmod(index[0].start or 0, self.shape.workers)
            return parts[choice(row, column)][None]

        sharding = NamedSharding(mesh, PartitionSpec(_DEVICES))
        return jax.make_array_from_callback((count, *parts.shape[1:]), sharding, part_of)

    def mapped(self, part: Part) -> Callable[..., tuple[Any, Any]]:
        """The part of every device on that device."""
        rows, columns = self.shape
        groups = np.arange(rows * columns).reshape(rows, columns).tolist()

        def of_device(*arguments: Any) -> tuple[Any, Any]:
            workers = jax.lax.axis_index(_DEVICES) % columns
            add_up = functools.partial(jax.lax.psum, axis_name=_DEVICES, axis_index_groups=groups)
            return part(Share(columns, workers, add_up), *arguments)

        @functools.cache
        def on_devices(num_others: int) -> Callable[..., tuple[Any, Any]]:
            return jax.pmap(of_device, axis_name=_DEVICES, in_axes=(0, 0, 0, *[None] * num_others))

        return lambda problem, repetitions, x, *others: on_devices(len(others))(problem, repetitions, x, *others)

    def collect(self, array: jax.Array, axis: int) -> jax.Array:
        """One device of every row, one row after the other."""
        first_of_rows = array.reshape(*self.shape, *array.shape[1:])[:, 0]
        return jnp.concatenate(list(first_of_rows), axis=axis)


def split_workers(tree: Tree, parts: int) -> Tree:
    """The same object with a new leading axis of length `parts` on all its arrays.

    What belongs to workers is split evenly, after padding with zeros; the rest is repeated.
    """

    def split(array: Any) -> np.ndarray:
        missing = -len(array) % parts
        padded = np.pad(array, [(0, missing), *[(0, 0)] * (array.ndim - 1)]) if missing else np.asarray(array)
        return padded.reshape(parts, -1, *array.shape[1:])

    def repeat(array: Any) -> np.ndarray:
        return np.broadcast_to(array, (parts, *array.shape))

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
        else:
            child = jax.tree.map(on_workers, child)
        vars(changed)[name] = child
    return changed


def _place(sharding: NamedSharding, array: Any) -> jax.Array:
    """Every device takes its part of what this process has in full."""
    return jax.make_array_from_callback(array.shape, sharding, lambda index: np.asarray(array)[index])


def _padded(array: Any, parts: int) -> np.ndarray:
    """With the last repetition again, until the parts have equally many."""
    return np.concatenate([array, np.repeat(np.asarray(array)[-1:], -len(array) % parts, axis=0)])

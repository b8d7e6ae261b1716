"""Immutable objects that JAX can look into."""

from __future__ import annotations

from typing import Any, ClassVar

import jax


class Pytree:
    """Base of problems, sketches and methods: every subclass is a JAX pytree.

    The attributes named in `data_fields` are traced (arrays, differentiable numbers, other
    pytrees); all others must be hashable and become part of the compiled function's identity.
    Rebuilding an object inside JAX skips `__init__`, so that a constructor may check its
    arguments: they are only ever real values.

    Of the traced attributes, `worker_fields` names the arrays whose leading axis is the worker, and the pytrees
    that have such arrays: by them an object is split over devices.

    Example:
        >>> import jax, istsim
        >>> jax.tree.leaves(istsim.Bernoulli(2, 3, 0.25))
        [0.25]
    """

    data_fields: ClassVar[tuple[str, ...]] = ()
    worker_fields: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        jax.tree_util.register_pytree_with_keys(cls, _flatten_with_keys, _unflattener(cls), _flatten)


def _static(tree: Pytree) -> tuple[tuple[str, Any], ...]:
    return tuple((name, value) for name, value in sorted(vars(tree).items()) if name not in tree.data_fields)


def _flatten(tree: Pytree):
    return [getattr(tree, name) for name in tree.data_fields], _static(tree)


def _flatten_with_keys(tree: Pytree):
    children = [(jax.tree_util.GetAttrKey(name), getattr(tree, name)) for name in tree.data_fields]
    return children, _static(tree)


def _unflattener(cls: type[Pytree]):
    def unflatten(static, children):
        tree = object.__new__(cls)
        vars(tree).update(static)
        vars(tree).update(zip(cls.data_fields, children, strict=True))
        return tree

    return unflatten

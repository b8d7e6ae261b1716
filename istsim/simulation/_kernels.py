"""Rounds of IST as loops compiled by numba.

XLA gathers the block of L_i that a worker holds entry by entry, with index arithmetic for each, and both triangles.
Here one triangle is copied, the row that follows being prefetched while memory delivers this one, and then multiplied
where it lies in the cache, for all step sizes.

Loops over blocks of different structures differ in `_hold` and `_multiply` only. All are in one file because numba
recompiles what it has cached on disk when, and only when, the file changes.
"""

# What is here is Python to numba only: type checkers do not know what `_hold` and the like stand for.
# pyright: basic, reportArgumentType=false, reportCallIssue=false, reportIndexIssue=false, reportOptionalSubscript=false
# pyright: reportAttributeAccessIssue=false, reportReturnType=false

from __future__ import annotations

import inspect
from typing import Any, no_type_check

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, overload

from istsim.methods._method import MERGES

_MEAN, _OWNERS, _LITERAL = (MERGES.index(merge) for merge in ("mean", "owners", "literal"))
# Sums may be reordered; numbers beyond floating point must stay what they are.
_OPTIONS = {"nogil": True, "error_model": "numpy", "fastmath": {"reassoc", "contract", "nsz"}}


def _compiled(function) -> Any:
    # Without what checks types in the tests, which cannot be compiled.
    return numba.njit(inspect.unwrap(function), cache=True, **_OPTIONS)


@intrinsic
@no_type_check
def _prefetch(typing_context, array, index):
    """Ask memory for an entry, without waiting for it."""

    def generate(context, builder, signature, arguments):
        array_type = signature.args[0]
        array = context.make_array(array_type)(context, builder, arguments[0])
        entry = cgutils.get_item_pointer(
            context, builder, array_type, array, [arguments[1]], wraparound=False, boundscheck=False
        )
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        prefetch = builder.module.declare_intrinsic(
            "llvm.prefetch", (pointer,), ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        )
        read, keep, data = number(0), number(3), number(1)
        builder.call(prefetch, [builder.bitcast(entry, pointer), read, keep, data])
        return context.get_dummy_value()

    return types.void(array, index), generate


@intrinsic
@no_type_check
def _lowest_bit(typing_context, word):
    """The number of the lowest bit that is set, of a word that is not zero."""

    def generate(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.IntType(1)(1))

    return types.uint64(types.uint64), generate


@_compiled
def put_in_order(held, marks):
    """Sort lists in place, by marking what they hold.

    Args:
        held: (repetition, round, n, k) distinct coordinates.
        marks: a zero bit for each coordinate, in words of 64.
    """
    for r in range(held.shape[0]):
        for c in range(held.shape[1]):
            for i in range(held.shape[2]):
                some = held[r, c, i]
                for a in range(len(some)):
                    marks[some[a] >> 6] |= np.uint64(1) << np.uint64(some[a] & 63)
                a = 0
                for w in range(len(marks)):
                    word = marks[w]
                    while word != 0:
                        some[a] = 64 * w + np.int64(_lowest_bit(word))
                        word &= word - np.uint64(1)
                        a += 1
                    marks[w] = 0


def _coordinates(held, on):
    """Copy the coordinates that a worker holds, in order, and return their number; from a list or a mask."""


@overload(_coordinates, jit_options=_OPTIONS)
@no_type_check
def _coordinates_of(held, on):
    def of_list(held, on):
        on[:] = held
        return len(held)

    def of_mask(held, on):
        count = 0
        for j in range(len(held)):
            if held[j]:
                on[count] = j
                count += 1
        return count

    return of_mask if held.dtype == types.boolean else of_list


def _hold(parts, i, on, block):
    """Bring what worker i needs of L_i to multiply on its coordinates into the cache."""


@overload(_hold, jit_options=_OPTIONS)
@no_type_check
def _hold_of(parts, i, on, block):
    def dense(parts, i, on, block):
        matrix, size = parts[0][i], len(on)
        if size > 0:
            for c in range(size):
                _prefetch(matrix[on[0]], on[c])
        for a in range(size):
            row, following = matrix[on[a]], matrix[on[min(a + 1, size - 1)]]
            for c in range(a, size):
                _prefetch(following, on[c])
                block[a, c] = row[on[c]]
        for a in range(size):
            for c in range(a):
                block[a, c] = block[c, a]

    def tridiagonal(parts, i, on, block):
        entries, couplings = parts[0][i], parts[1][i]
        for a in range(len(on)):
            j = on[a]
            block[0, a] = entries[j]
            block[1, a] = couplings[j] if a > 0 and on[a - 1] == j - 1 else 0

    def diagonal(parts, i, on, block):
        for a in range(len(on)):
            block[0, a] = parts[0][i, on[a]]

    def factored(parts, i, on, block):
        factor, size = parts[0][i], len(on)
        width, line = factor.shape[1], max(1, 64 // block.itemsize)
        for a in range(size):
            row, following = factor[on[a]], factor[on[min(a + 1, size - 1)]]
            for m in range(0, width, line):
                _prefetch(following, m)
            for m in range(width):
                block[a, m] = row[m]

    return {(3,): dense, (3, 1): factored, (2, 2): tridiagonal, (2,): diagonal}[tuple(part.ndim for part in parts)]


def _multiply(parts, i, on, block, values, product):
    """product = L_i's block on the coordinates times values."""


@overload(_multiply, jit_options=_OPTIONS)
@no_type_check
def _multiply_of(parts, i, on, block, values, product):
    def dense(parts, i, on, block, values, product):
        # Rows are columns, by symmetry. Four at once: the product is read and written less often.
        size = len(on)
        fours = size - size % 4
        product[:size] = 0
        for c in range(0, fours, 4):
            r0, r1, r2, r3 = block[c], block[c + 1], block[c + 2], block[c + 3]
            v0, v1, v2, v3 = values[c], values[c + 1], values[c + 2], values[c + 3]
            for a in range(size):
                product[a] += (r0[a] * v0 + r1[a] * v1) + (r2[a] * v2 + r3[a] * v3)
        for c in range(fours, size):
            row = block[c]
            for a in range(size):
                product[a] += row[a] * values[c]

    def factored(parts, i, on, block, values, product):
        # Four rows at once: what they share, `samples`, is read and written less often.
        size, width = len(on), block.shape[1]
        ridge, samples = parts[1], block[size]
        fours = size - size % 4
        samples[:] = 0
        for a in range(0, fours, 4):
            r0, r1, r2, r3 = block[a], block[a + 1], block[a + 2], block[a + 3]
            v0, v1, v2, v3 = values[a], values[a + 1], values[a + 2], values[a + 3]
            for m in range(width):
                samples[m] += (r0[m] * v0 + r1[m] * v1) + (r2[m] * v2 + r3[m] * v3)
        for a in range(fours, size):
            row = block[a]
            for m in range(width):
                samples[m] += row[m] * values[a]
        for a in range(size):
            product[a] = ridge[on[a]] * values[a]
        for a in range(0, fours, 4):
            r0, r1, r2, r3 = block[a], block[a + 1], block[a + 2], block[a + 3]
            t0, t1, t2, t3 = product[a], product[a + 1], product[a + 2], product[a + 3]
            for m in range(width):
                t0 += r0[m] * samples[m]
                t1 += r1[m] * samples[m]
                t2 += r2[m] * samples[m]
                t3 += r3[m] * samples[m]
            product[a], product[a + 1], product[a + 2], product[a + 3] = t0, t1, t2, t3
        for a in range(fours, size):
            row, total = block[a], product[a]
            for m in range(width):
                total += row[m] * samples[m]
            product[a] = total

    def tridiagonal(parts, i, on, block, values, product):
        for a in range(len(on)):
            product[a] = block[0, a] * values[a]
        for a in range(1, len(on)):
            product[a] += block[1, a] * values[a - 1]
            product[a - 1] += block[1, a] * values[a]

    def diagonal(parts, i, on, block, values, product):
        for a in range(len(on)):
            product[a] = block[0, a] * values[a]

    return {(3,): dense, (3, 1): factored, (2, 2): tridiagonal, (2,): diagonal}[tuple(part.ndim for part in parts)]


def block_shape(parts, size):
    """The shape of the array that `_hold` fills for so many coordinates."""
    return {
        (3,): (size, size),
        (3, 1): (size + 1, parts[0].shape[-1]),  # the last row holds what one sum over rows is gathered in
        (2, 2): (2, size),
        (2,): (1, size),
    }[tuple(part.ndim for part in parts)]


@_compiled
def _combine(updates, holders, step_size, scales, merge, reports, x):
    alpha, beta = scales
    step = step_size * beta
    if merge == _MEAN:
        for j in range(len(x)):
            x[j] -= step / reports * updates[j]
    elif merge == _OWNERS:
        for j in range(len(x)):
            x[j] -= step * updates[j] / max(holders[j], 1)
    elif merge == _LITERAL:
        for j in range(len(x)):
            x[j] = (alpha * holders[j] * x[j] - step * updates[j]) / reports


@_compiled
def prepare(rounds, parts, held, blocks):
    """Hold the blocks of all repetitions and workers for some rounds.

    Args:
        rounds: the first, and the one after the last.
        parts: the arrays of the L_i.
        held: (repetition, round, n, k) sorted lists.
        blocks: (round, repetition, n, ...), the first for the first of these rounds.
    """
    for c in range(rounds[0], rounds[1]):
        for r in range(held.shape[0]):
            for i in range(held.shape[2]):
                _hold(parts, i, held[r, c, i], blocks[c - rounds[0], r, i])


@_compiled
def advance(
    repetitions,
    rounds,
    parts,
    b,
    held,
    reporting,
    step_sizes,
    scales,
    merge,
    reports,
    local_steps,
    blocks,
    prepared,
    first,
    end,
    stride,
    x,
    minimizer,
    records,
):
    """Some of the rounds that were drawn, of some repetitions, in place.

    Args:
        repetitions: the first, and the one after the last.
        rounds: the first, and the one after the last.
        parts: the arrays of the L_i.
        b: (n, d).
        held: (repetition, round, n, k) sorted lists, or (repetition, round, n, d) masks.
        reporting: (repetition, round, n).
        step_sizes: (round, step_size).
        scales: alpha and beta.
        merge: the number of the merge.
        reports, local_steps: m and H.
        blocks: (round, repetition, n, ...) prepared for these rounds, or (1, 1, 1, ...) to hold them one by one.
        prepared: which of both.
        first: rounds of this chunk before the first that was drawn.
        end: rounds of this chunk.
        stride: rounds from record to record.
        x: (repetition, step_size, d).
        minimizer: (d,).
        records: (record, repetition, step_size, d), what x - x* goes to.
    """
    n, width = held.shape[2:]
    lanes, d = x.shape[1:]
    everything = np.empty(width, np.int32)
    start, point, product, total, b_held = (
        np.empty(width, x.dtype),
        np.empty(width, x.dtype),
        np.empty(width, x.dtype),
        np.empty(width, x.dtype),
        np.empty(width, x.dtype),
    )
    updates, holders = np.empty((lanes, d), x.dtype), np.empty(d, np.int64)
    for r in range(repetitions[0], repetitions[1]):
        for c in range(rounds[0], rounds[1]):
            updates[:] = 0
            holders[:] = 0
            for i in range(n):
                if not reporting[r, c, i]:
                    continue
                size = _coordinates(held[r, c, i], everything)
                if size == 0:
                    continue
                on = everything[:size]
                if prepared:
                    block = blocks[c - rounds[0], r, i]
                else:
                    block = blocks[0, 0, 0]
                    _hold(parts, i, on, block)
                for a in range(size):
                    holders[on[a]] += 1
                    b_held[a] = b[i, on[a]]
                for s in range(lanes):
                    for a in range(size):
                        start[a] = scales[0] * x[r, s, on[a]]
                        total[a] = 0
                    for _ in range(local_steps):
                        for a in range(size):
                            point[a] = start[a] - step_sizes[c, s] * total[a]
                        _multiply(parts, i, on, block, point, product)
                        for a in range(size):
                            total[a] += product[a] - b_held[a]
                    for a in range(size):
                        updates[s, on[a]] += total[a]
            for s in range(lanes):
                _combine(updates[s], holders, step_sizes[c, s], scales, merge, reports, x[r, s])
            done = first + c + 1
            if done % stride == 0 or done == end:
                for s in range(lanes):
                    for j in range(d):
                        records[(done - 1) // stride, r, s, j] = x[r, s, j] - minimizer[j]

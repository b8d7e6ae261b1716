"""Numbers for the letters of the proofs: small problems and methods, and all outcomes of a round."""

import itertools

import numpy as np

import istsim
from istsim.derivations import Model
from istsim.theorems._instance import Instance


def problem(rng, n, d, *, interpolation=False, homogeneous=False, least=0.2):
    """A random problem with n workers; under interpolation all b_i are 0; all L_i are alike if it is homogeneous."""
    roots = rng.standard_normal((n, d, d))
    L = roots @ roots.transpose(0, 2, 1) + least * np.eye(d)
    L = L[:1].repeat(n, axis=0) if homogeneous else L
    b = np.zeros((n, d)) if interpolation else rng.standard_normal((n, d))
    return istsim.Quadratic(L, b)


def instance(rng, made, method, *, step_size, rounds=3):
    """The problem and the method, from a random start."""
    return Instance.of(made, method, step_size=step_size, rounds=rounds, x0=rng.standard_normal(made.dim))


def known(of: Instance, k=0, **more):
    """A model with what a problem and a method have: L_i, b_i, their averages, the minimizer, and where the run starts.

    Args:
        of: the instance.
        k: the round.
        more: what else there is, by the names of `Model`, added to this.
    """
    L, b = np.asarray(of.problem.L), np.asarray(of.problem.b)
    n, d = b.shape
    column = (slice(None), None)
    letters = {
        "Lbar": of.Lbar,
        "L_i": L,
        "b_i": b[:, :, None],
        "bbar": b.mean(axis=0)[column],
        "x_star": of.minimizer[column],
        "x_0": np.asarray(of.x0)[column],
    }
    return Model(
        of,
        k,
        dims={"d": d, "n": n} | more.get("dims", {}),
        outcomes={"worker": np.full(n, 1 / n)} | more.get("outcomes", {}),
        letters=letters | more.get("letters", {}),
        numbers={"gamma": of.step_size} | more.get("numbers", {}),
        sequences=more.get("sequences", {}),
        indices=more.get("indices", {}),
    )


def masks(sketch):
    """The probabilities of all draws, and the masks of all workers as matrices: shape (draws, workers, d, d)."""
    drawn, chances = zip(*sketch.outcomes(), strict=True)
    mask = np.array([np.asarray(one, float) for one in drawn])
    return np.array(chances, float), mask[..., None] * np.eye(mask.shape[-1])


def round_of(made, method):
    """B and c for all draws of a method with one local step and the merge "mean"."""
    chances, P = masks(method.sketch)
    L, b = np.asarray(made.L), np.asarray(made.b)
    model, gradient = (method.masks_model, method.masks_gradient)
    forward = P * method.forward_scale if model else np.broadcast_to(np.eye(made.dim), P.shape)
    backward = P * method.gradient_scale if gradient else np.broadcast_to(np.eye(made.dim), P.shape)
    return chances, (backward @ L @ forward).mean(axis=1), (backward @ b[:, :, None]).mean(axis=1)


def reports(method):
    """All that a round can draw: its probability, the masks of those who report, and the masks of all.

    The masks of workers that do not report are 0, and those of the others weigh more: the average over all workers of
    what they report is then that over those who do.
    """
    chances, P = masks(method.sketch)
    n = P.shape[1]
    m = method.num_reports(n)
    chosen = [np.isin(np.arange(n), subset) * n / m for subset in itertools.combinations(range(n), m)]
    reported = np.concatenate([weight[:, None, None] * P for weight in chosen])
    held = np.concatenate([P for _ in chosen])
    return np.tile(chances, len(chosen)) / len(chosen), reported, held

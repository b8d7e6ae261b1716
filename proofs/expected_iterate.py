"""The expected iterate in closed form, by induction: every step is checked by sympy.

A round is `x+ = x - gamma (B x - c)` with (B, c) independent of x, so that the mean obeys

    m_(k+1) = A m_k + gamma E[c],    A = I - gamma E[B],    E[c] = E[B] x_inf.

Claim: `m_k = A^k x_0 + (I - A^k) x_inf`.

Run: python proofs/expected_iterate.py
"""

import sympy as sp

gamma, k = sp.symbols("gamma k", positive=True)
A, EB, x0, x_inf = sp.symbols("A EB x_0 x_inf", commutative=False)  # matrices and vectors


def claim(rounds: sp.Expr) -> sp.Expr:
    return A**rounds * x0 + x_inf - A**rounds * x_inf


def check(step: str, expression: sp.Expr) -> None:
    """Print the step if the expression vanishes identically, else fail."""
    if sp.expand(expression) != 0:
        raise SystemExit(f"FAILED: {step}: {sp.expand(expression)} is not 0")
    print(f"checked: {step}")


def main() -> None:
    check("the claim holds at round 0", claim(sp.Integer(0)) - x0)

    # E[B] = (I - A) / gamma, by the definition of A.
    recurrence = A * claim(k) + gamma * EB * x_inf
    recurrence = recurrence.subs(EB, (1 - A) / gamma)
    check("if it holds at round k, the recurrence gives it at round k + 1", recurrence - claim(k + 1))
    print("proved: expected-iterate")


if __name__ == "__main__":
    main()

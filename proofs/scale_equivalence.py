"""The scales of IST do no more than rescale the step and the iterates.

Run: python proofs/scale_equivalence.py
"""

from _scales import alpha, model, scaled_path, x, z

from istsim.derivations import Proof, expect

proof = Proof("scale-equivalence", model)
path = scaled_path(proof)
moments = proof.identity(
    "so the second moments differ by the square of alpha",
    expect(x * x.T, "past"),
    expect(z * z.T, "past") / alpha**2,
    using=[path],
)
proof.conclude(moments, where={"second_scaled": moments.left, "second": expect(z * z.T, "past")})

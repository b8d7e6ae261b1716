(* The expected iterate, said of vectors: what was made from the proof's trace says it of matrices. *)

From mathcomp Require Import all_ssreflect all_algebra.
From istsim Require Import Words.
From istsim.generated Require expected_iterate.
Import GRing.Theory.

Local Open Scope ring_scope.

Section Vectors.

Variables (R : realFieldType) (n : nat) (round : chances R).
Variables (B : points round -> 'M[R]_n.+1) (c : points round -> 'cV[R]_n.+1) (x_0 : 'cV[R]_n.+1) (gamma : R).

Fixpoint x k : points (past round k) -> 'cV[R]_n.+1 :=
  if k is k'.+1 then fun o : (points (past round k') * points round)%type =>
    x k' o.1 - gamma *: (B o.2 *m x k' o.1 - c o.2)
  else fun=> x_0.

Let mean_B : 'M[R]_n.+1 := \E_(r <- round) B r.
Let x_inf : 'cV[R]_n.+1 := mean_B^-1 *m (\E_(r <- round) c r).

Hypothesis invertible : mean_B \is a GRing.unit.

Lemma same_x k p :
  as_matrix (x k p) = expected_iterate.x R n round B (fun r => as_matrix (c r)) (as_matrix x_0) gamma k p.
Proof.
elim: k p => [|k IH] //= p; rewrite -IH scalerBr opprB addrA addrAC -scaleNr.
by rewrite !as_matrix_add !as_matrix_scale as_matrix_mul.
Qed.

Theorem expected_iterate_of_vectors k : let kept := (1 - gamma *: mean_B) ^+ k in
  \E_(p <- past round k) x k p = kept *m x_0 + (1 - kept) *m x_inf.
Proof.
move=> kept; apply: as_matrix_inj; rewrite as_matrix_expect.
transitivity (\E_(p <- past round k)
  expected_iterate.x R n round B (fun r => as_matrix (c r)) (as_matrix x_0) gamma k p).
  by apply: eq_bigr => p _; rewrite same_x.
rewrite expected_iterate.expected_iterate; last exact: mulrV.
rewrite /expected_iterate.x_inf -as_matrix_expect -as_matrix_mul -/mean_B -/x_inf scaleNr [- _ + 1]addrC -/kept.
by rewrite as_matrix_add !as_matrix_mul mulrBl mul1r addrAC addrA.
Qed.

End Vectors.

Check expected_iterate_of_vectors.
Print Assumptions expected_iterate_of_vectors.

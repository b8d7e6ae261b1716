(* Words of matrices, transposes and expectations, and numbers that are traces of these: a normal form that keeps
   their meaning, and the rules of istsim's proofs as lemmas.

   All letters are square matrices of one size. A vector is a matrix whose first column is that vector and whose other
   columns are arbitrary: sums, products with a matrix from the left and expectations act on each column, and a number
   such as x' A y is a trace. What is shown here for such matrices is so for vectors, by other columns that are 0. *)

From Coq Require Import ZArith QArith Qreduction Ring_theory InitialRing.
From mathcomp Require Import all_ssreflect all_algebra.
Import Order.TTheory GRing.Theory Num.Theory.

Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.

Local Open Scope ring_scope.

Arguments Qred : simpl never.
Arguments Qplus : simpl never.
Arguments Qmult : simpl never.
Arguments Qopp : simpl never.
Arguments Qinv : simpl never.
Arguments Z.of_nat : simpl never.

(* Rational numbers that compute, in any field with an order. *)

Section Rationals.

Variable R : realFieldType.

Lemma ring_of_field : @ring_theory R 0 1 +%R *%R (fun x y => x - y) -%R eq.
Proof.
by split; [exact: add0r|exact: addrC|exact: addrA|exact: mul1r|exact: mulrC|exact: mulrA|exact: mulrDl| |exact: subrr].
Qed.

Definition of_Z : Z -> R := gen_phiZ 0 1 +%R *%R -%R.

Lemma of_Z_morph : ring_morph 0 1 +%R *%R (fun x y => x - y) -%R eq Z0 (Zpos xH) Z.add Z.mul Z.sub Z.opp Zeq_bool of_Z.
Proof.
have ext : ring_eq_ext +%R *%R -%R (@eq R) by split; move=> ? ? -> // ? ? ->.
exact: (gen_phiZ_morph (Eqsth R) ext ring_of_field).
Qed.

Lemma of_Z_add a b : of_Z (Z.add a b) = of_Z a + of_Z b. Proof. exact: (morph_add of_Z_morph). Qed.
Lemma of_Z_mul a b : of_Z (Z.mul a b) = of_Z a * of_Z b. Proof. exact: (morph_mul of_Z_morph). Qed.
Lemma of_Z_opp a : of_Z (Z.opp a) = - of_Z a. Proof. exact: (morph_opp of_Z_morph). Qed.

Lemma of_pos_gt0 p : 0 < of_Z (Zpos p).
Proof.
apply (Pos.peano_ind (fun p => is_true (0 < of_Z (Zpos p)))) => [|{}p IH]; first exact: ltr01.
by rewrite Pos2Z.inj_succ -Z.add_1_r of_Z_add addr_gt0 // ltr01.
Qed.

Lemma of_pos_neq0 p : of_Z (Zpos p) != 0. Proof. exact: lt0r_neq0 (of_pos_gt0 p). Qed.

Definition of_Q (q : Q) : R := of_Z (Qnum q) / of_Z (Zpos (Qden q)).

Lemma of_Q_eq p q : Qeq p q -> of_Q p = of_Q q.
Proof. by rewrite /Qeq => e; apply/eqP; rewrite /of_Q eqr_div ?of_pos_neq0 // -!of_Z_mul e. Qed.

Lemma of_Q_red q : of_Q (Qred q) = of_Q q. Proof. exact/of_Q_eq/Qred_correct. Qed.

Lemma of_Q_add p q : of_Q (Qplus p q) = of_Q p + of_Q q.
Proof. by rewrite /of_Q addf_div ?of_pos_neq0 // of_Z_add !Pos2Z.inj_mul !of_Z_mul. Qed.

Lemma of_Q_mul p q : of_Q (Qmult p q) = of_Q p * of_Q q.
Proof. by rewrite /of_Q mulf_div ?of_pos_neq0 // Pos2Z.inj_mul !of_Z_mul. Qed.

Lemma of_Q_opp q : of_Q (Qopp q) = - of_Q q.
Proof. by rewrite /of_Q of_Z_opp mulNr. Qed.

Lemma of_Q_0 : of_Q (Qmake Z0 xH) = 0. Proof. by rewrite /of_Q mul0r. Qed.
Lemma of_Z_nat k : of_Z (Z.of_nat k) = k%:R.
Proof.
elim: k => [|k IH] //; rewrite Nat2Z.inj_succ -Z.add_1_r of_Z_add IH mulrSr; congr (_ + _).
Qed.

Lemma of_Q_nat k : of_Q (Qmake (Z.of_nat k) xH) = k%:R.
Proof. by rewrite /of_Q of_Z_nat divr1. Qed.

Lemma of_Q_inv k : of_Q (Qinv (Qmake (Z.of_nat k) xH)) = k%:R^-1.
Proof.
case: k => [|k]; first by rewrite invr0 /of_Q mul0r.
by rewrite /of_Q -(of_Z_nat k.+1) /= mul1r.
Qed.

Lemma of_Q_1 : of_Q (Qmake (Zpos xH) xH) = 1. Proof. by rewrite /of_Q divr1. Qed.

End Rationals.

(* What a random matrix is: a function of the outcomes of all sources of randomness, each with finitely many. *)

Inductive source := Past | Round | Worker | Report.

Definition source_eq (s t : source) : bool :=
  match s, t with Past, Past | Round, Round | Worker, Worker | Report, Report => true | _, _ => false end.

Lemma source_eqP : Equality.axiom source_eq.
Proof. by do 2![case]; constructor. Qed.

Canonical source_eqType := EqType source (EqMixin source_eqP).

(* What the computation below may use: with which sources each letter is random, and whether it is symmetric. *)
Record signature := Signature { sources_of : nat -> seq source; symmetric : nat -> bool }.

Section Spaces.

Variable space : source -> finType.

Definition outcome : Type := (space Past * space Round * space Worker * space Report)%type.

Definition put (s : source) (o : outcome) : space s -> outcome :=
  match s with
  | Past => fun t => (t, o.1.1.2, o.1.2, o.2)
  | Round => fun t => (o.1.1.1, t, o.1.2, o.2)
  | Worker => fun t => (o.1.1.1, o.1.1.2, t, o.2)
  | Report => fun t => (o.1.1.1, o.1.1.2, o.1.2, t)
  end.

Definition free_of (T : Type) (s : source) (f : outcome -> T) : Prop := forall o t, f (@put s o t) = f o.

Variables (R : realFieldType) (V : lmodType R) (weight : forall s, space s -> R).

Definition mean (s : source) (f : outcome -> V) (o : outcome) : V := \sum_t weight t *: f (@put s o t).

End Spaces.

Record model (R : realFieldType) (n : nat) (sg : signature) := Model {
  space : source -> finType;
  weight : forall s, space s -> R;
  letter : nat -> outcome space -> 'M[R]_n.+1;
  number : nat -> R;
  weight_ge0 : forall s (t : space s), 0 <= weight t;
  weight_sum : forall s, \sum_(t : space s) weight t = 1;
  letter_free : forall s i, s \notin sources_of sg i -> free_of s (letter i);
  letter_symmetric : forall i o, symmetric sg i -> (letter i o)^T = letter i o
}.

Arguments weight {R n sg} m s t.
Arguments letter {R n sg} m i o.
Arguments weight_ge0 {R n sg} m s t.
Arguments weight_sum {R n sg} m s.
Arguments letter_free {R n sg} m s i.
Arguments letter_symmetric {R n sg} m i o.

(* Terms. *)

Inductive scalar :=
  | SVar (j : nat) | SNat (k : nat) | SInv (k : nat) | SAdd (a b : scalar) | SMul (a b : scalar) | SOpp (a : scalar).

Inductive term :=
  | Let (i : nat) | Zero | One | Scale (c : scalar) (a : term) | Add (a b : term) | Mul (a b : term) | Opp (a : term)
  | Tr (a : term) | Mean (s : source) (a : term) | Hole.

(* Numbers: the traces of terms, and scalars. *)
Inductive num :=
  | Trace (a : term) | Scalar (c : scalar) | NAdd (a b : num) | NScale (c : scalar) (a : num) | NOpp (a : num).

Fixpoint fill (c t : term) : term :=
  match c with
  | Let i => Let i
  | Zero => Zero
  | One => One
  | Scale k a => Scale k (fill a t)
  | Add a b => Add (fill a t) (fill b t)
  | Mul a b => Mul (fill a t) (fill b t)
  | Opp a => Opp (fill a t)
  | Tr a => Tr (fill a t)
  | Mean s a => Mean s (fill a t)
  | Hole => t
  end.

Fixpoint nfill (c : num) (t : term) : num :=
  match c with
  | Trace a => Trace (fill a t)
  | Scalar k => Scalar k
  | NAdd a b => NAdd (nfill a t) (nfill b t)
  | NScale k a => NScale k (nfill a t)
  | NOpp a => NOpp (nfill a t)
  end.

(* Words, the products in the normal form: letters, transposed or not, and means of words. *)

Inductive word := Nil | Cons (i : nat) (t : bool) (w : word) | ConsM (s : source) (v w : word).

Definition word_dec (v w : word) : {v = w} + {v <> w}.
Proof. by decide equality; [exact: Bool.bool_dec|exact: PeanoNat.Nat.eq_dec|decide equality]. Defined.

Definition nats_dec (v w : seq nat) : {v = w} + {v <> w}.
Proof. by decide equality; exact: PeanoNat.Nat.eq_dec. Defined.

Arguments word_dec : simpl never.
Arguments nats_dec : simpl never.

(* A polynomial: coefficients, scalars and words. *)
Definition poly := seq (Q * seq nat * word).

Fixpoint wcat (v w : word) : word :=
  match v with Nil => w | Cons i t v => Cons i t (wcat v w) | ConsM s u v => ConsM s u (wcat v w) end.

Fixpoint padd1 (c : Q) (m : seq nat) (w : word) (p : poly) : poly :=
  match p with
  | [::] => if Qeq_bool c (Qmake Z0 xH) then [::] else [:: (c, m, w)]
  | (c', m', w') :: p =>
      if word_dec w w' then
        if nats_dec m m' then
          let d := Qred (Qplus c c') in if Qeq_bool d (Qmake Z0 xH) then p else (d, m, w) :: p
        else (c', m', w') :: padd1 c m w p
      else (c', m', w') :: padd1 c m w p
  end.

Definition padd (p q : poly) : poly := foldr (fun m => padd1 m.1.1 m.1.2 m.2) q p.

Fixpoint sinsert (i : nat) (m : seq nat) : seq nat :=
  match m with [::] => [:: i] | j :: m' => if Nat.leb i j then i :: m else j :: sinsert i m' end.

Definition smul (m m' : seq nat) : seq nat := foldr sinsert m' m.

Definition pmul (p q : poly) : poly :=
  foldr (fun m r => foldr (fun m' => padd1 (Qred (Qmult m.1.1 m'.1.1)) (smul m.1.2 m'.1.2) (wcat m.2 m'.2)) r q) [::] p.

Definition popp (p : poly) : poly := [seq (Qopp m.1.1, m.1.2, m.2) | m <- p].

Fixpoint snf (c : scalar) : poly :=
  match c with
  | SVar j => [:: (Qmake (Zpos xH) xH, [:: j], Nil)]
  | SNat k => padd1 (Qmake (Z.of_nat k) xH) [::] Nil [::]
  | SInv k => padd1 (Qinv (Qmake (Z.of_nat k) xH)) [::] Nil [::]
  | SAdd a b => padd (snf a) (snf b)
  | SMul a b => pmul (snf a) (snf b)
  | SOpp a => popp (snf a)
  end.

Section Normal.

Variable sg : signature.

Fixpoint wtr (w acc : word) : word :=
  match w with
  | Nil => acc
  | Cons i t w => wtr w (Cons i (if symmetric sg i then t else ~~ t) acc)
  | ConsM s v w => wtr w (ConsM s (wtr v Nil) acc)
  end.

Fixpoint wfree (s : source) (w : word) : bool :=
  match w with
  | Nil => true
  | Cons i _ w => (s \notin sources_of sg i) && wfree s w
  | ConsM s' v w => ((s == s') || wfree s v) && wfree s w
  end.

(* The longest end of a word that is free of a source, and what is before it. *)
Fixpoint wsplit (s : source) (w : word) : word * word :=
  match w with
  | Nil => (Nil, Nil)
  | Cons i t w' =>
      let: (c, f) := wsplit s w' in
      match c with
      | Nil => if s \in sources_of sg i then (Cons i t Nil, f) else (Nil, Cons i t f)
      | _ => (Cons i t c, f)
      end
  | ConsM s' v w' =>
      let: (c, f) := wsplit s w' in
      match c with
      | Nil => if (s == s') || wfree s v then (Nil, ConsM s' v f) else (ConsM s' v Nil, f)
      | _ => (ConsM s' v c, f)
      end
  end.

Definition wmean_end (s : source) (w : word) : word :=
  let: (c, f) := wsplit s w in match c with Nil => f | _ => ConsM s c f end.

Fixpoint wmean (s : source) (w : word) : word :=
  match w with
  | Nil => Nil
  | Cons i t w' => if s \in sources_of sg i then wmean_end s w else Cons i t (wmean s w')
  | ConsM s' v w' => if (s == s') || wfree s v then ConsM s' v (wmean s w') else wmean_end s w
  end.

Definition pmap (f : word -> word) (p : poly) : poly := foldr (fun m => padd1 m.1.1 m.1.2 (f m.2)) [::] p.

Fixpoint nf (a : term) : poly :=
  match a with
  | Let i => [:: (Qmake (Zpos xH) xH, [::], Cons i false Nil)]
  | Zero => [::]
  | One => [:: (Qmake (Zpos xH) xH, [::], Nil)]
  | Scale c a => pmul (snf c) (nf a)
  | Add a b => padd (nf a) (nf b)
  | Mul a b => pmul (nf a) (nf b)
  | Opp a => popp (nf a)
  | Tr a => pmap (fun w => wtr w Nil) (nf a)
  | Mean s a => pmap (wmean s) (nf a)
  | Hole => [::]
  end.

(* Traces: letters may be moved round in a circle and the whole transposed; means are taken over the whole circle
   where nothing else in it is random with that source. *)

Fixpoint wcode (w : word) : seq nat :=
  match w with
  | Nil => [::]
  | Cons i t w => 0%N :: i :: (t : nat) :: wcode w
  | ConsM s v w =>
      (match s with Past => 1 | Round => 2 | Worker => 3 | Report => 4 end)%N :: wcode v ++ 5%N :: wcode w
  end.

Fixpoint nats_le (v w : seq nat) : bool :=
  match v, w with
  | [::], _ => true
  | _, [::] => false
  | i :: v, j :: w => if Nat.eqb i j then nats_le v w else Nat.leb i j
  end.

Definition wmin (v w : word) : word := if nats_le (wcode v) (wcode w) then v else w.

Definition wturn (w : word) : word :=
  match w with Nil => Nil | Cons i t w => wcat w (Cons i t Nil) | ConsM s v w => wcat w (ConsM s v Nil) end.

Fixpoint wleast (m : nat) (w : word) : word :=
  if m is m'.+1 then wmin w (wleast m' (wturn w)) else w.

Fixpoint wlen (w : word) : nat := match w with Nil => 0 | Cons _ _ w => (wlen w).+1 | ConsM _ _ w => (wlen w).+1 end.

(* The mean at some place in the circle that can be taken over all of it, and what is left inside. *)
Fixpoint wopen (m : nat) (w : word) : option (source * word) :=
  if m is m'.+1 then
    match w with
    | ConsM s v w' => if wfree s w' then Some (s, wcat v w') else wopen m' (wturn w)
    | _ => wopen m' (wturn w)
    end
  else None.

Definition source_le (s t : source) : bool :=
  match s, t with
  | Past, _ => true | _, Past => false | Round, _ => true | _, Round => false
  | Worker, _ => true | _, Worker => false | Report, Report => true
  end.

Fixpoint means_insert (s : source) (ss : seq source) : seq source :=
  match ss with
  | [::] => [:: s]
  | t :: ss' => if (s == t) || source_le s t then s :: ss else t :: means_insert s ss'
  end.

Definition wrap (ss : seq source) (w : word) : word := foldr (fun s w => ConsM s w Nil) w ss.

Fixpoint tcanon (fuel : nat) (ss : seq source) (w : word) : word :=
  let last := wrap ss (wmin (wleast (wlen w) w) (wleast (wlen w) (wtr w Nil))) in
  if fuel is fuel'.+1 then
    if wopen (wlen w) w is Some (s, w') then tcanon fuel' (means_insert s ss) w' else last
  else last.

(* Traces, and scalars. *)
Fixpoint nnf (a : num) : poly * poly :=
  match a with
  | Trace a => (pmap (tcanon 20 [::]) (nf a), [::])
  | Scalar c => ([::], snf c)
  | NAdd a b => let: (p, q) := nnf a in let: (p', q') := nnf b in (padd p p', padd q q')
  | NScale c a => let: (p, q) := nnf a in (pmul (snf c) p, pmul (snf c) q)
  | NOpp a => let: (p, q) := nnf a in (popp p, popp q)
  end.

End Normal.

(* What terms mean, and that the normal form keeps it. *)

Section Meaning.

Variables (R : realFieldType) (n : nat) (sg : signature) (m : model R n sg).

Local Notation M := 'M[R]_n.+1.
Local Notation O := (outcome (space m)).

Definition E (s : source) (f : O -> M) : O -> M := @mean (space m) R _ (weight m) s f.

Definition Er (s : source) (f : O -> R) : O -> R :=
  fun o => \sum_t weight m s t * f (@put (space m) s o t).

Fixpoint seval (c : scalar) : R :=
  match c with
  | SVar j => number m j
  | SNat k => k%:R
  | SInv k => k%:R^-1
  | SAdd a b => seval a + seval b
  | SMul a b => seval a * seval b
  | SOpp a => - seval a
  end.

Fixpoint eval (a : term) (o : O) : M :=
  match a with
  | Let i => letter m i o
  | Zero => 0
  | One => 1
  | Scale c a => seval c *: eval a o
  | Add a b => eval a o + eval b o
  | Mul a b => eval a o * eval b o
  | Opp a => - eval a o
  | Tr a => (eval a o)^T
  | Mean s a => E s (eval a) o
  | Hole => 0
  end.

Fixpoint neval (a : num) (o : O) : R :=
  match a with
  | Trace a => \tr (eval a o)
  | Scalar c => seval c
  | NAdd a b => neval a o + neval b o
  | NScale c a => seval c * neval a o
  | NOpp a => - neval a o
  end.

Fixpoint weval (w : word) (o : O) : M :=
  match w with
  | Nil => 1
  | Cons i t w => (if t then (letter m i o)^T else letter m i o) * weval w o
  | ConsM s v w => E s (weval v) o * weval w o
  end.

Definition sceval (l : seq nat) : R := foldr (fun j r => number m j * r) 1 l.

Definition meval (a : Q * seq nat * word) (o : O) : M := (of_Q R a.1.1 * sceval a.1.2) *: weval a.2 o.

Definition peval (p : poly) (o : O) : M := foldr (fun a r => meval a o + r) 0 p.

(* Expectations. *)

Lemma E_ext s (f g : O -> M) o : f =1 g -> E s f o = E s g o.
Proof. by move=> e; apply: eq_bigr => t _; rewrite e. Qed.

Lemma E_add s (f g : O -> M) o : E s (fun o => f o + g o) o = E s f o + E s g o.
Proof. by rewrite /E /mean -big_split; apply: eq_bigr => t _; rewrite scalerDr. Qed.

Lemma E_zero s o : E s (fun=> 0) o = 0.
Proof. by rewrite /E /mean big1 // => t _; rewrite scaler0. Qed.

Lemma E_scale s c (f : O -> M) o : E s (fun o => c *: f o) o = c *: E s f o.
Proof. by rewrite /E /mean scaler_sumr; apply: eq_bigr => t _; rewrite !scalerA mulrC. Qed.

Lemma E_tr s (f : O -> M) o : (E s f o)^T = E s (fun o => (f o)^T) o.
Proof. by rewrite /E /mean (linear_sum (trmx_linear _ _ _)) /=; apply: eq_bigr => t _; rewrite linearZ. Qed.

Lemma E_mull s (a f : O -> M) o : free_of s a -> E s (fun o => a o * f o) o = a o * E s f o.
Proof. by move=> fr; rewrite /E /mean mulr_sumr; apply: eq_bigr => t _; rewrite fr scalerAr. Qed.

Lemma E_mulr s (a f : O -> M) o : free_of s a -> E s (fun o => f o * a o) o = E s f o * a o.
Proof. by move=> fr; rewrite /E /mean mulr_suml; apply: eq_bigr => t _; rewrite fr scalerAl. Qed.

Lemma E_free s (a : O -> M) o : free_of s a -> E s a o = a o.
Proof.
move=> fr; rewrite /E /mean -[RHS]scale1r -(weight_sum m s) scaler_suml.
by apply: eq_bigr => t _; rewrite fr.
Qed.

Lemma put_put s (o : O) t t' : @put (space m) s (@put (space m) s o t) t' = @put (space m) s o t'.
Proof. by case: s t t'. Qed.

Lemma free_E s (f : O -> M) : free_of s (E s f).
Proof. by move=> o t; apply: eq_bigr => t' _; rewrite put_put. Qed.

Lemma put_swap s s' (o : O) t t' : s != s' ->
  @put (space m) s (@put (space m) s' o t') t = @put (space m) s' (@put (space m) s o t) t'.
Proof. by case: s t; case: s' t'. Qed.

Lemma free_E_of s s' (f : O -> M) : free_of s f -> free_of s (E s' f).
Proof.
have [<- _|ne fr] := eqVneq s s'; first exact: free_E.
by move=> o t; apply: eq_bigr => t' _; rewrite -put_swap // fr.
Qed.

(* Sums of numbers and words. *)

Lemma weval_cat v w o : weval (wcat v w) o = weval v o * weval w o.
Proof. by elim: v => [|i t v IH|s u _ v IH] /=; rewrite ?mul1r // IH mulrA. Qed.

Lemma sceval_insert j l : sceval (sinsert j l) = number m j * sceval l.
Proof. by elim: l => //= i l IH; case: Nat.leb => //=; rewrite IH mulrCA. Qed.

Lemma sceval_mul l l' : sceval (smul l l') = sceval l * sceval l'.
Proof. by elim: l => [|j l IH] /=; rewrite ?mul1r // sceval_insert IH mulrA. Qed.

Lemma peval_add1 c l w p o : peval (padd1 c l w p) o = meval (c, l, w) o + peval p o.
Proof.
elim: p => [|[[c' l'] w'] p IH] /=.
  case: ifP => [e|_] //=.
  by rewrite /meval /= (of_Q_eq R (Qeq_bool_eq _ _ e)) of_Q_0 mul0r scale0r addr0.
destruct (word_dec w w') as [e|ne]; last by rewrite /= IH addrCA.
destruct (nats_dec l l') as [e'|ne]; last by rewrite /= IH addrCA.
subst w' l'.
rewrite addrA {1 2}/meval /= -scalerDl -mulrDl -of_Q_add -of_Q_red.
rewrite /padd1 -/padd1; set d := Qred _; case: ifP => [e|_] //=.
by rewrite (of_Q_eq R (Qeq_bool_eq _ _ e)) of_Q_0 mul0r scale0r add0r.
Qed.

Lemma peval_add p q o : peval (padd p q) o = peval p o + peval q o.
Proof. by elim: p => [|[[c l] w] p IH] /=; rewrite ?add0r // peval_add1 IH addrA. Qed.

Lemma peval_opp p o : peval (popp p) o = - peval p o.
Proof.
elim: p => [|[[c l] w] p IH] /=; first by rewrite oppr0.
by rewrite IH opprD {1}/meval /= of_Q_opp mulNr scaleNr.
Qed.

Lemma peval_mul p q o : peval (pmul p q) o = peval p o * peval q o.
Proof.
elim: p => [|[[c l] w] p IH] /=; first by rewrite mul0r.
rewrite mulrDl -IH; move: (pmul p q) => r; elim: q {IH} => [|[[c' l'] w'] q IH] /=; first by rewrite mulr0 add0r.
rewrite peval_add1 IH addrA mulrDr; congr (_ + _ + _).
by rewrite /meval /= of_Q_red of_Q_mul sceval_mul weval_cat -scalerAl -scalerAr scalerA mulrACA.
Qed.

Lemma peval_snf c o : peval (snf c) o = seval c *: 1.
Proof.
elim: c => [j|k|k|a IHa b IHb|a IHa b IHb|a IHa] /=.
- by rewrite /meval /= of_Q_1 mul1r mulr1 addr0.
- rewrite [LHS](peval_add1 (Qmake (Z.of_nat k) xH) [::] Nil [::] o).
  by rewrite /meval /= of_Q_nat mulr1 addr0.
- rewrite [LHS](peval_add1 (Qinv (Qmake (Z.of_nat k) xH)) [::] Nil [::] o).
  by rewrite /meval /= of_Q_inv mulr1 addr0.
- by rewrite peval_add IHa IHb scalerDl.
- by rewrite peval_mul IHa IHb -scalerAl mul1r scalerA.
- by rewrite peval_opp IHa scaleNr.
Qed.

Lemma peval_map f (g : (O -> M) -> O -> M) p :
  (forall w o, weval (f w) o = g (weval w) o) ->
  (forall o, g (fun=> 0) o = 0) ->
  (forall c h h' o, g (fun o => c *: h o + h' o) o = c *: g h o + g h' o) ->
  forall o, peval (pmap f p) o = g (peval p) o.
Proof.
move=> gw g0 gl o; elim: p => [|[[c l] w] p IH] /=; first by rewrite g0.
by rewrite peval_add1 IH /meval /= gw -gl.
Qed.

Lemma weval_tr w acc o : weval (wtr sg w acc) o = (weval w o)^T * weval acc o.
Proof.
elim: w acc o => [|i t w IH|s v IHv w IH] acc o /=; first by rewrite trmx1 mul1r.
  rewrite IH /= [X in _ = X * _]trmx_mul -mulrA; congr (_ * (_ * _)).
  case e: (symmetric sg i); first by case: t; rewrite ?trmxK ?(letter_symmetric m i _ e).
  by case: t; rewrite /= ?trmxK.
rewrite IH /= [X in _ = X * _]trmx_mul -mulrA; congr (_ * (_ * _)).
by rewrite E_tr; apply: E_ext => o'; rewrite IHv /= mulr1.
Qed.

Lemma free_word s w : wfree sg s w -> free_of s (weval w).
Proof.
elim: w => [|i t w IH|s' v IHv w IH] //= => [/andP[fi /IH fw]|/andP[fv /IH fw]] o u; rewrite fw; congr (_ * _).
  by rewrite (letter_free m _ _ fi).
case/orP: fv => [/eqP <-|/IHv fv]; first exact: free_E.
exact: (free_E_of _ fv).
Qed.

Lemma split_word s w : wfree sg s (wsplit sg s w).2 /\
  forall o, weval w o = weval (wsplit sg s w).1 o * weval (wsplit sg s w).2 o.
Proof.
elim: w => [|i t w IH|s' v _ w IH] /=; first by split=> // o; rewrite mulr1.
  case: (wsplit sg s w) IH => c f /= [fr ev].
  case: c ev => [|j u c|s'' u c] ev /=; [|by split=> // o; rewrite ev /= !mulrA..].
  by case: ifP => e /=; rewrite ?e; split=> // o; rewrite ev /= ?mulr1 ?mul1r.
case: (wsplit sg s w) IH => c f /= [fr ev].
case: c ev => [|j u c|s'' u c] ev /=; [|by split=> // o; rewrite ev /= !mulrA..].
by case: ifP => e /=; rewrite ?e; split=> // o; rewrite ev /= ?mulr1 ?mul1r.
Qed.

Lemma weval_mean_end s w o : weval (wmean_end sg s w) o = E s (weval w) o.
Proof.
have [fr ev] := split_word s w; rewrite /wmean_end.
case: (wsplit sg s w) fr ev => c f /= fr ev.
rewrite (E_ext _ _ ev) (E_mulr _ _ (free_word fr)).
case: c {ev} => //=; rewrite E_free ?mul1r // => *; done.
Qed.

Lemma weval_mean s w o : weval (wmean sg s w) o = E s (weval w) o.
Proof.
elim: w o => [|i t w IH|s' v _ w IH] o /=; first by rewrite E_free.
  case: ifP => e; first by rewrite weval_mean_end.
  rewrite /= IH; apply/esym; apply: (@E_mull s (fun o => if t then (letter m i o)^T else letter m i o)) => o' u.
  by rewrite (letter_free m _ _ (negbT e)).
case: ifP => e; last by rewrite weval_mean_end.
rewrite /= IH; apply/esym; apply: (@E_mull s (E s' (weval v))) => o' u.
have /= := @free_word s (ConsM s' v Nil); rewrite e => /(_ isT) fr.
by have := fr o' u; rewrite /= !mulr1.
Qed.

Theorem nf_eval a o : peval (nf sg a) o = eval a o.
Proof.
elim: a o => [i|||c a IH|a IHa b IHb|a IHa b IHb|a IH|a IH|s a IH|] o /=.
- by rewrite /meval /= of_Q_1 !mul1r scale1r mulr1 addr0.
- by [].
- by rewrite /meval /= of_Q_1 mul1r scale1r addr0.
- by rewrite peval_mul peval_snf IH -scalerAl mul1r.
- by rewrite peval_add IHa IHb.
- by rewrite peval_mul IHa IHb.
- by rewrite peval_opp IH.
- rewrite (@peval_map _ (fun f o => (f o)^T)) ?IH // => [w o'|o'|c h h' o'].
  + by rewrite weval_tr mulr1.
  + by rewrite trmx0.
  + by rewrite linearD linearZ.
- rewrite (@peval_map _ (E s)) => [|w o'|o'|c h h' o'].
  + exact: E_ext.
  + exact: weval_mean.
  + exact: E_zero.
  + by rewrite E_add E_scale.
- by [].
Qed.

(* Traces. *)

Lemma Er_ext s (f g : O -> R) o : f =1 g -> Er s f o = Er s g o.
Proof. by move=> e; apply: eq_bigr => t _; rewrite e. Qed.

Lemma tr_E s (f : O -> M) o : \tr (E s f o) = Er s (fun o => \tr (f o)) o.
Proof. by rewrite /E /mean linear_sum; apply: eq_bigr => t _; rewrite linearZ. Qed.

Lemma Er_swap s s' (f : O -> R) o : s != s' -> Er s (Er s' f) o = Er s' (Er s f) o.
Proof.
move=> ne; rewrite /Er.
under eq_bigr do rewrite mulr_sumr.
rewrite exchange_big; apply: eq_bigr => t _ /=; rewrite mulr_sumr.
by apply: eq_bigr => t' _; rewrite mulrCA put_swap // eq_sym.
Qed.

Definition tE (ss : seq source) (f : O -> R) : O -> R := foldr Er f ss.

Lemma tE_ext ss f g o : f =1 g -> tE ss f o = tE ss g o.
Proof. by move=> e; elim: ss o => [|s ss IH] o /=; [exact: e|exact: Er_ext]. Qed.

Lemma tr_wrap ss w o : \tr (weval (wrap ss w) o) = tE ss (fun o => \tr (weval w o)) o.
Proof. by elim: ss o => //= s ss IH o; rewrite mulr1 tr_E; apply: Er_ext. Qed.

Lemma tE_insert s ss f o : tE (means_insert s ss) f o = Er s (tE ss f) o.
Proof.
elim: ss o => //= t ss IH o; case: ifP => //= /negbT; rewrite negb_or => /andP[ne _].
by rewrite Er_swap //; apply: Er_ext.
Qed.

Lemma tr_turn w o : \tr (weval (wturn w) o) = \tr (weval w o).
Proof. by case: w => [|i t w|s v w] //=; rewrite weval_cat /= mulr1 [RHS]mxtrace_mulC. Qed.

Lemma tr_open k w s v o : wopen sg k w = Some (s, v) -> \tr (weval w o) = Er s (fun o => \tr (weval v o)) o.
Proof.
elim: k w => //= k IH [|i t w|s' u w].
- by move=> /IH; rewrite tr_turn.
- by move=> /IH; rewrite tr_turn.
case: ifP => [fr [<- <-]|_ /IH]; last by rewrite tr_turn.
by rewrite /= -(E_mulr _ _ (free_word fr)) tr_E; apply: Er_ext => o'; rewrite weval_cat.
Qed.

Lemma tr_least k w o : \tr (weval (wleast k w) o) = \tr (weval w o).
Proof. by elim: k w => //= k IH w; rewrite /wmin; case: ifP => // _; rewrite IH tr_turn. Qed.

Lemma tr_canon fuel ss w o : \tr (weval (tcanon sg fuel ss w) o) = tE ss (fun o => \tr (weval w o)) o.
Proof.
have last ss' w' o' : \tr (weval (wrap ss' (wmin (wleast (wlen w') w') (wleast (wlen w') (wtr sg w' Nil)))) o') =
    tE ss' (fun o => \tr (weval w' o)) o'.
  rewrite tr_wrap; apply: tE_ext => {}o; rewrite /wmin; case: ifP => _; rewrite tr_least //.
  by rewrite weval_tr mulr1 mxtrace_tr.
elim: fuel ss w o => [|fuel IH] ss w o; rewrite [tcanon _ _ _ _]/=; first exact: last.
case e: wopen => [[s v]|]; last exact: last.
rewrite IH tE_insert; elim: ss o => [|t ss IHs] o /=; first by rewrite (tr_open _ e).
have [e'|ne] := eqVneq s t; first by subst t; apply: Er_ext => o'; exact: IHs.
by rewrite Er_swap //; apply: Er_ext => o'; rewrite IHs.
Qed.

Arguments tcanon : simpl never.

Lemma tr_pmap fuel p o : \tr (peval (pmap (tcanon sg fuel [::]) p) o) = \tr (peval p o).
Proof.
elim: p => [|[[c l] w] p IH] //=.
by rewrite peval_add1 !linearD /= IH /meval /= !linearZ /= tr_canon.
Qed.

Definition nvalue (p : poly * poly) o : R := \tr (peval p.1 o) + peval p.2 o 0 0.

Theorem nnf_eval a o : nvalue (nnf sg a) o = neval a o.
Proof.
rewrite /nvalue; elim: a => [a|c|a IHa b IHb|c a IH|a IH] /=.
- by rewrite tr_pmap nf_eval mxE addr0.
- by rewrite linear0 add0r peval_snf !mxE mulr1.
- move: IHa IHb; case: (nnf sg a) => p q; case: (nnf sg b) => p' q' /= <- <-.
  by rewrite !peval_add linearD mxE addrACA.
- move: IH; case: (nnf sg a) => p q /= <-.
  by rewrite !peval_mul !peval_snf -!scalerAl !mul1r linearZ mxE -mulrDr.
- by move: IH; case: (nnf sg a) => p q /= <-; rewrite !peval_opp linearN mxE -opprD.
Qed.

(* Relations. *)

Definition psd (A : M) : Prop := forall u : 'cV[R]_n.+1, 0 <= (u^T *m A *m u) 0 0.

Inductive relation := Eq (a b : term) | Psd (a b : term) | NEq (a b : num) | NLe (a b : num) | NLt (a b : num).

Definition holds (r : relation) : Prop :=
  match r with
  | Eq a b => forall o, eval a o = eval b o
  | Psd a b => forall o, psd (eval b o - eval a o)
  | NEq a b => forall o, neval a o = neval b o
  | NLe a b => forall o, neval a o <= neval b o
  | NLt a b => forall o, neval a o < neval b o
  end.

Lemma eval_fill c l r o : (forall o, eval l o = eval r o) -> eval (fill c l) o = eval (fill c r) o.
Proof.
move=> e; elim: c o => [i|||k a IH|a IHa b IHb|a IHa b IHb|a IH|a IH|s a IH|] o //=; rewrite ?IH ?IHa ?IHb //.
exact: E_ext.
Qed.

Lemma neval_fill c l r o : (forall o, eval l o = eval r o) -> neval (nfill c l) o = neval (nfill c r) o.
Proof. by move=> e; elim: c => [a|k|a IHa b IHb|k a IH|a IH] //=; rewrite ?(eval_fill _ _ e) ?IH ?IHa ?IHb. Qed.

(* What is 0, or not negative, because of what is known. *)

Record zero := IsZero { zero_term : term; zero_ok : forall o, eval zero_term o = 0 }.

Lemma use_ok c l r : holds (Eq l r) -> forall o, eval (Add (fill c l) (Opp (fill c r))) o = 0.
Proof. by move=> e o; rewrite /= (eval_fill _ _ e) subrr. Qed.

Definition use c l r (e : holds (Eq l r)) : zero := IsZero (use_ok c e).

Definition zeros (zs : seq zero) : term := foldr (fun z a => Add (zero_term z) a) Zero zs.

Lemma zeros_0 zs o : eval (zeros zs) o = 0.
Proof. by elim: zs => [|z zs IH] /=; rewrite // zero_ok add0r. Qed.

Theorem identity a b zs : nf sg (Add a (Opp (Add b (zeros zs)))) = [::] -> holds (Eq a b).
Proof.
move=> e o; have := nf_eval (Add a (Opp (Add b (zeros zs)))) o; rewrite e /= zeros_0 addr0.
by move/esym/eqP; rewrite subr_eq0 => /eqP.
Qed.

Record nzero := IsNZero { nzero_num : num; nzero_ok : forall o, neval nzero_num o = 0 }.

Lemma nuse_ok c l r : holds (Eq l r) -> forall o, neval (NAdd (nfill c l) (NOpp (nfill c r))) o = 0.
Proof. by move=> e o; rewrite /= (neval_fill _ _ e) subrr. Qed.

Definition nuse c l r (e : holds (Eq l r)) : nzero := IsNZero (nuse_ok c e).

Lemma nuse_number_ok c l r : holds (NEq l r) -> forall o, neval (NScale c (NAdd l (NOpp r))) o = 0.
Proof. by move=> e o; rewrite /= e subrr mulr0. Qed.

Definition nuse_number c l r (e : holds (NEq l r)) : nzero := IsNZero (nuse_number_ok c e).

Definition nzeros (zs : seq nzero) : num := foldr (fun z a => NAdd (nzero_num z) a) (Scalar (SNat 0)) zs.

Lemma nzeros_0 zs o : neval (nzeros zs) o = 0.
Proof. by elim: zs => [|z zs IH] /=; rewrite // nzero_ok add0r. Qed.

Theorem number_identity a b zs : nnf sg (NAdd a (NOpp (NAdd b (nzeros zs)))) = ([::], [::]) -> holds (NEq a b).
Proof.
move=> e o; have := nnf_eval (NAdd a (NOpp (NAdd b (nzeros zs)))) o.
rewrite e /nvalue /= nzeros_0 addr0 linear0 mxE addr0.
by move/esym/eqP; rewrite subr_eq0 => /eqP.
Qed.

Definition nscale (c : scalar) (z : nzero) : nzero.
Proof. by exists (NScale c (nzero_num z)) => o; rewrite /= nzero_ok mulr0. Defined.

(* Numbers that are positive, or at least not negative, at some outcome. *)

Definition sign (strict : bool) (x : R) : Prop := if strict then 0 < x else 0 <= x.

Lemma sign_mul s t x y : sign s x -> sign t y -> sign (s && t) (x * y).
Proof.
by case: s; case: t => /= p q; [exact: mulr_gt0|..|exact: mulr_ge0]; apply: mulr_ge0 => //; exact: ltW.
Qed.

Lemma sign_add s t x y : sign s x -> sign t y -> sign (s || t) (x + y).
Proof. by case: s; case: t => /= p q; [exact: addr_gt0|exact: ltr_paddr|exact: ltr_paddl|exact: addr_ge0]. Qed.

Record factor := Factor {
  factor_scalar : scalar; factor_strict : bool; factor_ok : sign factor_strict (seval factor_scalar)
}.

Record positive (o : O) := Positive {
  positive_num : num; positive_strict : bool; positive_ok : sign positive_strict (neval positive_num o)
}.

Lemma sign_le a b o : holds (NLe a b) -> sign false (neval (NAdd b (NOpp a)) o).
Proof. by move=> h; rewrite /sign /= subr_ge0; exact: h. Qed.

Lemma sign_lt a b o : holds (NLt a b) -> sign true (neval (NAdd b (NOpp a)) o).
Proof. by move=> h; rewrite /sign /= subr_gt0; exact: h. Qed.

Lemma sign_nat k : sign true (seval (SNat k.+1)). Proof. exact: ltr0Sn. Qed.
Lemma sign_inv k : sign true (seval (SInv k.+1)). Proof. by rewrite /sign /= invr_gt0 ltr0Sn. Qed.
Lemma sign_square c : sign false (seval (SMul c c)). Proof. by rewrite /sign /= -expr2 sqr_ge0. Qed.

Definition by_nat k := Factor (sign_nat k).
Definition by_inv k := Factor (sign_inv k).
Definition by_square c := Factor (sign_square c).

Definition known_le a b o (h : holds (NLe a b)) : positive o := Positive (sign_le o h).
Definition known_lt a b o (h : holds (NLt a b)) : positive o := Positive (sign_lt o h).
Definition known_at o a s (h : sign s (neval a o)) : positive o := Positive h.
Definition as_positive o (f : factor) : positive o := @Positive o (Scalar (factor_scalar f)) _ (factor_ok f).

Definition scalar_le (o : O) a b (h : holds (NLe (Scalar a) (Scalar b))) : factor :=
  @Factor (SAdd b (SOpp a)) false (sign_le o h).
Definition scalar_lt (o : O) a b (h : holds (NLt (Scalar a) (Scalar b))) : factor :=
  @Factor (SAdd b (SOpp a)) true (sign_lt o h).
Definition scalar_at o c s (h : sign s (neval (Scalar c) o)) : factor := @Factor c s h.

Lemma product_ok (o : O) f (p : positive o) :
  sign (factor_strict f && positive_strict p) (neval (NScale (factor_scalar f) (positive_num p)) o).
Proof. exact: sign_mul (factor_ok f) (positive_ok p). Qed.

Definition product (o : O) f (p : positive o) : positive o := Positive (product_ok f p).

Definition positives (o : O) (ps : seq (positive o)) : num :=
  foldr (fun p a => NAdd (positive_num p) a) (Scalar (SNat 0)) ps.

Lemma positives_ok (o : O) (ps : seq (positive o)) :
  sign (has (fun p => positive_strict p) ps) (neval (positives ps) o).
Proof.
elim: ps => [|p ps IH]; first exact: lexx.
exact: sign_add (positive_ok p) IH.
Qed.

Definition vanish (p : poly * poly) : bool := nilp p.1 && nilp p.2.

(* Numbers of which one is positive and none is negative do not add up to 0. *)
Theorem contradiction (o : O) (ps : seq (positive o)) zs :
  has (fun p => positive_strict p) ps && vanish (nnf sg (NAdd (positives ps) (nzeros zs))) -> False.
Proof.
case/andP=> strict /andP[/nilP e1 /nilP e2]; have := positives_ok ps; rewrite strict /=.
have := nnf_eval (NAdd (positives ps) (nzeros zs)) o.
by rewrite /nvalue e1 e2 /= nzeros_0 addr0 linear0 mxE addr0 => <-; rewrite /sign ltxx.
Qed.

Theorem at_most a b : (forall o, sign true (neval (NAdd a (NOpp b)) o) -> False) -> holds (NLe a b).
Proof. by move=> h o; rewrite leNgt; apply/negP => lt; apply: (h o); rewrite /sign /= subr_gt0. Qed.

Theorem less a b : (forall o, sign false (neval (NAdd a (NOpp b)) o) -> False) -> holds (NLt a b).
Proof. by move=> h o; rewrite ltNge; apply/negP => le; apply: (h o); rewrite /sign /= subr_ge0. Qed.

(* A quotient is a product with an inverse, which is a number of its own. *)

Lemma inverse_gt0 b j : holds (NLt (Scalar (SNat 0)) (Scalar b)) -> number m j = (seval b)^-1 ->
  holds (NLt (Scalar (SNat 0)) (Scalar (SVar j))).
Proof. by move=> h e o; rewrite /= e invr_gt0; exact: (h o). Qed.

Lemma inverse_mul b j : holds (NLt (Scalar (SNat 0)) (Scalar b)) -> number m j = (seval b)^-1 ->
  holds (NEq (Scalar (SMul (SVar j) b)) (Scalar (SNat 1))).
Proof. by move=> h e o; rewrite /= e mulVf //; exact: lt0r_neq0 (h o). Qed.

(* Positive semidefinite matrices. *)

Lemma psd_add (A B : M) : psd A -> psd B -> psd (A + B).
Proof. by move=> a b u; rewrite mulmxDr mulmxDl mxE addr_ge0. Qed.

Lemma psd_scale c (A : M) : 0 <= c -> psd A -> psd (c *: A).
Proof. by move=> c0 a u; rewrite -scalemxAr -scalemxAl mxE mulr_ge0. Qed.

Lemma psd_0 : psd 0.
Proof. by move=> u; rewrite mulmx0 mul0mx mxE. Qed.

Lemma psd_E s (f : O -> M) o : (forall o, psd (f o)) -> psd (E s f o).
Proof.
move=> a; rewrite /E /mean; elim/big_rec: _ => [|t A _]; first exact: psd_0.
by apply: psd_add; apply: psd_scale => //; exact: weight_ge0.
Qed.

Lemma psd_congruence (A B : M) : psd A -> psd (B^T * A * B).
Proof. by move=> a u; have := a (B *m u); rewrite trmx_mul !mulmxA. Qed.

Lemma psd_1 : psd 1.
Proof.
move=> u; rewrite mulmx1 mxE; apply: sumr_ge0 => i _.
by rewrite mxE -expr2 sqr_ge0.
Qed.

Lemma psd_trace (A : M) : psd A -> 0 <= \tr A.
Proof.
move=> a; apply: sumr_ge0 => i _; have := a (delta_mx i 0).
by rewrite trmx_delta -rowE -colE !mxE.
Qed.

Record semidefinite := Semidefinite { psd_term : term; psd_ok : forall o, psd (eval psd_term o) }.

Lemma times_psd_ok c l r :
  holds (NLe (Scalar (SNat 0)) (Scalar c)) -> holds (Psd l r) -> forall o, psd (eval (Scale c (Add r (Opp l))) o).
Proof. by move=> c0 e o; apply: psd_scale (c0 o) (e o). Qed.

Definition times_psd c l r (c0 : holds (NLe (Scalar (SNat 0)) (Scalar c))) (e : holds (Psd l r)) : semidefinite :=
  Semidefinite (times_psd_ok c0 e).

Definition psds (ps : seq semidefinite) : term :=
  foldr (fun p a => Add (psd_term p) a) Zero ps.

Lemma psds_ok ps o : psd (eval (psds ps) o).
Proof.
elim: ps => [|p ps IH] /=; first exact: psd_0.
by apply: psd_add => //; exact: psd_ok.
Qed.

Theorem loewner a b ps zs :
  nf sg (Add b (Opp (Add a (Add (psds ps) (zeros zs))))) = [::] -> holds (Psd a b).
Proof.
move=> e o; have := nf_eval (Add b (Opp (Add a (Add (psds ps) (zeros zs))))) o.
rewrite e /= zeros_0 addr0; move/esym/eqP; rewrite subr_eq0 => /eqP ->.
by rewrite addrC addKr; exact: psds_ok.
Qed.

Definition means (ss : seq source) (a : term) : term := foldr Mean a ss.

Lemma psd_means ss a o : (forall o, psd (eval a o)) -> psd (eval (means ss a) o).
Proof. by move=> h; elim: ss o => //= s ss IH o; apply: psd_E. Qed.

Lemma eval_means_sub ss a b o :
  eval (means ss (Add b (Opp a))) o = eval (means ss b) o - eval (means ss a) o.
Proof.
elim: ss o => //= s ss IH o; rewrite (E_ext _ _ IH) -scaleN1r -E_scale -E_add.
by apply: E_ext => o'; rewrite scaleN1r.
Qed.

Definition between (ss : seq source) (by_ a : term) : term := means ss (Mul (Mul (Tr by_) a) by_).

Theorem congruence ss by_ a b : holds (Psd a b) -> holds (Psd (between ss by_ a) (between ss by_ b)).
Proof.
move=> h o; rewrite -eval_means_sub; apply: psd_means => o' /=.
by rewrite -mulrBl -mulrBr; apply: psd_congruence; exact: h.
Qed.

Theorem trace_at_most a b : holds (Psd a b) -> holds (NLe (Trace a) (Trace b)).
Proof. by move=> h o; rewrite /= -subr_ge0 -linearB; apply: psd_trace; exact: h. Qed.

Theorem square ss root : holds (Psd Zero (between ss root One)).
Proof.
move=> o; rewrite /= subr0; apply: psd_means => o' /=.
exact/psd_congruence/psd_1.
Qed.

(* Two relations between sides that have the same normal form. *)

Definition same (r r' : relation) : bool :=
  let alike a b := nilp (nf sg (Add a (Opp b))) in
  let nalike a b := vanish (nnf sg (NAdd a (NOpp b))) in
  match r, r' with
  | Eq a b, Eq a' b' | Psd a b, Psd a' b' => alike a a' && alike b b'
  | NEq a b, NEq a' b' | NLe a b, NLe a' b' | NLt a b, NLt a' b' => nalike a a' && nalike b b'
  | _, _ => false
  end.

Lemma alike_eval a b o : nilp (nf sg (Add a (Opp b))) -> eval a o = eval b o.
Proof.
move/nilP => e; have := nf_eval (Add a (Opp b)) o.
by rewrite e /= => /esym/eqP; rewrite subr_eq0 => /eqP.
Qed.

Lemma nalike_eval a b o : vanish (nnf sg (NAdd a (NOpp b))) -> neval a o = neval b o.
Proof.
case/andP=> /nilP e1 /nilP e2; have := nnf_eval (NAdd a (NOpp b)) o.
by rewrite /nvalue e1 e2 linear0 mxE addr0 /= => /esym/eqP; rewrite subr_eq0 => /eqP.
Qed.

Theorem rewritten r r' : holds r -> same r r' -> holds r'.
Proof.
by case: r => a b; case: r' => a' b' //= h /andP[ea eb] o;
  rewrite -?(alike_eval _ ea) -?(alike_eval _ eb) -?(nalike_eval _ ea) -?(nalike_eval _ eb).
Qed.

End Meaning.

Arguments E {R n sg} m s f o.
Arguments seval {R n sg} m c.
Arguments eval {R n sg} m a o.
Arguments neval {R n sg} m a o.
Arguments holds {R n sg} m r.

(* Finite probability spaces, and what is drawn in k rounds, independently. *)

Record chances (R : realFieldType) := Chances {
  points : finType;
  chance : points -> R;
  chance_ge0 : forall t, 0 <= chance t;
  chance_sum : \sum_t chance t = 1
}.

Section Chances.

Variable R : realFieldType.

Definition expect (V : lmodType R) (S : chances R) (f : points S -> V) : V := \sum_t chance t *: f t.

Lemma nothing_sum : \sum_(t : unit) (1 : R) = 1. Proof. by rewrite sumr_const card_unit. Qed.

Definition nothing : chances R := @Chances R unit_finType (fun _ => 1) (fun _ => ler01) nothing_sum.

Section Both.

Variables S T : chances R.

Lemma both_ge0 (t : points S * points T) : 0 <= chance t.1 * chance t.2.
Proof. by apply: mulr_ge0; exact: chance_ge0. Qed.

Lemma both_sum : \sum_(t : points S * points T) chance t.1 * chance t.2 = 1.
Proof.
rewrite -(pair_bigA _ (fun s t => chance s * chance t)) /= -(chance_sum S).
by apply: eq_bigr => s _; rewrite -mulr_sumr chance_sum mulr1.
Qed.

Definition both : chances R :=
  @Chances R (prod_finType (points S) (points T)) (fun t => chance t.1 * chance t.2) both_ge0 both_sum.

End Both.

(* All rounds before round k. *)
Fixpoint past (S : chances R) (k : nat) : chances R := if k is k'.+1 then both (past S k') S else nothing.

Record process := Process { round : chances R; worker : chances R; report : chances R }.

Definition drawn (P : process) (k : nat) (s : source) : chances R :=
  match s with Past => past (round P) k | Round => round P | Worker => worker P | Report => report P end.

End Chances.

(* Rounds: what is known of round k + 1, in the words of round k. *)

Inductive move (T : Type) := Stays | Becomes (t : T) | Unknown.

Definition stays T (a : move T) : bool := if a is Stays then true else false.
Definition follows T (a : move T) : bool := if a is Unknown then false else true.
Arguments Stays {T}.
Arguments Unknown {T}.

Section Rounds.

Variables (R : realFieldType) (n : nat) (sg : signature) (P : process R).

Local Notation M := 'M[R]_n.+1.
Local Notation space_at k := (fun s => points (drawn P k s)).
Local Notation O k := (outcome (space_at k)).

Variable letters : forall k, nat -> O k -> M.
Variable numbers : nat -> nat -> R.
Hypothesis letters_free : forall k s i, s \notin sources_of sg i -> free_of s (@letters k i).
Hypothesis letters_symmetric : forall k i (o : O k), symmetric sg i -> (letters i o)^T = letters i o.

Definition at_round (k : nat) : model R n sg :=
  @Model R n sg (space_at k) (fun s t => chance t) (@letters k) (numbers k) (fun s t => chance_ge0 t)
    (fun s => chance_sum (drawn P k s)) (@letters_free k) (@letters_symmetric k).

(* What becomes of letters and numbers from round to round. *)
Variable moves : nat -> move term.
Variable number_moves : nat -> move scalar.

Fixpoint snext (c : scalar) : scalar :=
  match c with
  | SVar j => if number_moves j is Becomes c then c else SVar j
  | SNat k => SNat k
  | SInv k => SInv k
  | SAdd a b => SAdd (snext a) (snext b)
  | SMul a b => SMul (snext a) (snext b)
  | SOpp a => SOpp (snext a)
  end.

Fixpoint sall (p : move scalar -> bool) (c : scalar) : bool :=
  match c with
  | SVar j => p (number_moves j)
  | SNat _ | SInv _ => true
  | SAdd a b | SMul a b => sall p a && sall p b
  | SOpp a => sall p a
  end.

Local Notation sstill := (sall (fun m => stays m)).
Local Notation sknown := (sall (fun m => follows m)).

Fixpoint still (a : term) : bool :=
  match a with
  | Let i => stays (moves i)
  | Zero | One | Hole => true
  | Scale c a => sstill c && still a
  | Add a b | Mul a b => still a && still b
  | Opp a | Tr a => still a
  | Mean s a => (s != Past) && still a
  end.

Fixpoint next (a : term) : term :=
  match a with
  | Let i => if moves i is Becomes b then b else Let i
  | Zero => Zero
  | One => One
  | Scale c a => Scale (snext c) (next a)
  | Add a b => Add (next a) (next b)
  | Mul a b => Mul (next a) (next b)
  | Opp a => Opp (next a)
  | Tr a => Tr (next a)
  | Mean Past a => Mean Past (Mean Round (next a))
  | Mean Round a => Mean Round a
  | Mean s a => Mean s (next a)
  | Hole => Hole
  end.

(* The draws of a round are others in the next one: a mean over them holds no iterate, which saw them. *)
Fixpoint known (a : term) : bool :=
  match a with
  | Let i => follows (moves i) && (~~ stays (moves i) || (Round \notin sources_of sg i))
  | Zero | One | Hole => true
  | Scale c a => sknown c && known a
  | Opp a | Tr a => known a
  | Add a b | Mul a b => known a && known b
  | Mean Round a => still a
  | Mean _ a => known a
  end.

Fixpoint nnext (a : num) : num :=
  match a with
  | Trace a => Trace (next a)
  | Scalar c => Scalar (snext c)
  | NAdd a b => NAdd (nnext a) (nnext b)
  | NScale c a => NScale (snext c) (nnext a)
  | NOpp a => NOpp (nnext a)
  end.

Fixpoint nknown (a : num) : bool :=
  match a with
  | Trace a => known a
  | Scalar c => sknown c
  | NAdd a b => nknown a && nknown b
  | NScale c a => sknown c && nknown a
  | NOpp a => nknown a
  end.

Definition rnext (r : relation) : relation :=
  match r with
  | Eq a b => Eq (next a) (next b)
  | Psd a b => Psd (next a) (next b)
  | NEq a b => NEq (nnext a) (nnext b)
  | NLe a b => NLe (nnext a) (nnext b)
  | NLt a b => NLt (nnext a) (nnext b)
  end.

Definition rknown (r : relation) : bool :=
  match r with
  | Eq a b | Psd a b => known a && known b
  | NEq a b | NLe a b | NLt a b => nknown a && nknown b
  end.

Definition moved (k : nat) : Prop :=
  (forall i, match moves i with
    | Becomes a => forall p r r' w v, @letters k.+1 i ((p, r), r', w, v) = eval (at_round k) a (p, r, w, v)
    | Stays => forall p r r' w v, @letters k.+1 i ((p, r'), r, w, v) = @letters k i (p, r, w, v)
    | Unknown => True
    end) /\
  (forall j, match number_moves j with
    | Becomes c => numbers k.+1 j = seval (at_round k) c
    | Stays => numbers k.+1 j = numbers k j
    | Unknown => True
    end).

Variable k : nat.
Hypothesis moved_k : moved k.

Lemma snext_eval c : sknown c -> seval (at_round k.+1) c = seval (at_round k) (snext c).
Proof.
elim: c => [j|i|i|a IHa b IHb|a IHa b IHb|a IH] //=.
- by have := moved_k.2 j; case: number_moves.
- by case/andP=> /IHa -> /IHb ->.
- by case/andP=> /IHa -> /IHb ->.
- by move/IH => ->.
Qed.

Lemma sstill_eval c : sstill c -> seval (at_round k.+1) c = seval (at_round k) c.
Proof.
elim: c => [j|i|i|a IHa b IHb|a IHa b IHb|a IH] //=.
- by have := moved_k.2 j; case: number_moves.
- by case/andP=> /IHa -> /IHb ->.
- by case/andP=> /IHa -> /IHb ->.
- by move/IH => ->.
Qed.

Lemma still_eval a p r r' w v : still a ->
  eval (at_round k.+1) a ((p, r'), r, w, v) = eval (at_round k) a (p, r, w, v).
Proof.
elim: a r w v => [i|||c a IH|a IHa b IHb|a IHa b IHb|a IH|a IH|s a IH|] r w v //=.
- by have := moved_k.1 i; case: (moves i) => //= e _; exact: e.
- by case/andP=> /sstill_eval -> /IH ->.
- by case/andP=> /IHa -> /IHb ->.
- by case/andP=> /IHa -> /IHb ->.
- by move/IH => ->.
- by move/IH => ->.
- case/andP; case: s => // _ st; apply: eq_bigr => t _; congr (_ *: _); exact: IH.
Qed.

Lemma next_eval a p r r' w v : known a ->
  eval (at_round k.+1) a ((p, r), r', w, v) = eval (at_round k) (next a) (p, r, w, v).
Proof.
elim: a p r r' w v => [i|||c a IH|a IHa b IHb|a IHa b IHb|a IH|a IH|s a IH|] p r r' w v //=.
- have := moved_k.1 i; case: (moves i) => [|b|] e //= fr.
  rewrite -(e p r r w v); have fr' := @letters_free k.+1 Round i fr.
  by rewrite -(fr' ((p, r), r, w, v) r').
- by case/andP=> /snext_eval -> /IH ->.
- by case/andP=> /IHa -> /IHb ->.
- by case/andP=> /IHa -> /IHb ->.
- by move/IH => ->.
- by move/IH => ->.
- case: s => kn.
  + rewrite /= /E /mean /=.
    transitivity (\sum_(t : points (past (round P) k) * points (round P))
      (chance t.1 * chance t.2) *: eval (at_round k) (next a) (t.1, t.2, w, v)).
      by apply: eq_bigr => -[p' r''] _; rewrite IH.
    rewrite -(pair_bigA _ (fun s t => (chance s * chance t) *: eval (at_round k) (next a) (s, t, w, v))) /=.
    by apply: eq_bigr => p' _; rewrite scaler_sumr; apply: eq_bigr => t _; rewrite scalerA.
  + by apply: eq_bigr => t _; congr (_ *: _); exact: still_eval.
  + by apply: eq_bigr => t _; congr (_ *: _); exact: IH.
  + by apply: eq_bigr => t _; congr (_ *: _); exact: IH.
Qed.

Lemma nnext_eval a p r r' w v : nknown a ->
  neval (at_round k.+1) a ((p, r), r', w, v) = neval (at_round k) (nnext a) (p, r, w, v).
Proof.
elim: a => [a|c|a IHa b IHb|c a IH|a IH] //=.
- by move=> kn; rewrite (next_eval _ _ _ _ _ kn).
- exact: snext_eval.
- by case/andP=> /IHa -> /IHb ->.
- by case/andP=> /snext_eval -> /IH ->.
- by move/IH => ->.
Qed.

Theorem next_round r : rknown r -> (holds (at_round k.+1) r <-> holds (at_round k) (rnext r)).
Proof.
by case: r => a b /= /andP[ka kb]; (split=> h;
  [move=> [[[p r] w] v]; have := h ((p, r), r, w, v)|move=> [[[[p r] r'] w] v]; have := h (p, r, w, v)]);
  rewrite ?(next_eval _ _ _ _ _ ka) ?(next_eval _ _ _ _ _ kb) ?(nnext_eval _ _ _ _ _ ka) ?(nnext_eval _ _ _ _ _ kb).
Qed.

Theorem next_fact r r' :
  holds (at_round k.+1) r -> rknown r && same sg (rnext r) r' -> holds (at_round k) r'.
Proof. by move=> h /andP[kn]; apply: rewritten; apply/(next_round kn). Qed.

Theorem next_step r r' :
  holds (at_round k) r' -> rknown r && same sg r' (rnext r) -> holds (at_round k.+1) r.
Proof. by move=> h /andP[kn e]; apply/(next_round kn); apply: rewritten e. Qed.

End Rounds.

Arguments at_round {R n sg P letters} numbers letters_free letters_symmetric k.
Arguments moved {R n sg P letters} numbers letters_free letters_symmetric moves number_moves k.

Lemma some_point (R : realFieldType) (S : chances R) : points S.
Proof.
case: (pickP (fun _ : points S => true)) => [t _|none]; first exact: t.
by have := chance_sum S; rewrite big_pred0 // => /esym/eqP; rewrite oner_eq0.
Qed.

Definition some_outcome (R : realFieldType) (P : process R) (k : nat) : outcome (fun s => points (drawn P k s)) :=
  (some_point (drawn P k Past), some_point (drawn P k Round), some_point (drawn P k Worker),
   some_point (drawn P k Report)).

Notation "\E_ ( t <- S ) f" := (expect (S := S) (fun t => f))
  (at level 36, f at level 36, t, S at level 50) : ring_scope.
Notation "A <<= B" := (psd (B - A)) (at level 70) : ring_scope.

(* A vector as a matrix: it is the first column, and the others are 0. Sums, products and means of vectors are those of
   such matrices, x' A y is a trace, and equal matrices are of equal vectors. *)

Section Vectors.

Variables (R : realFieldType) (n : nat).

Definition as_matrix (v : 'cV[R]_n.+1) : 'M[R]_n.+1 := v *m delta_mx 0 0.

Lemma as_matrix_add u v : as_matrix (u + v) = as_matrix u + as_matrix v. Proof. exact: mulmxDl. Qed.

Lemma as_matrix_scale c v : as_matrix (c *: v) = c *: as_matrix v. Proof. by rewrite /as_matrix scalemxAl. Qed.

Lemma as_matrix_mul (A : 'M[R]_n.+1) v : as_matrix (A *m v) = A * as_matrix v.
Proof. by rewrite /as_matrix -mulmxA. Qed.

Lemma as_matrix_expect (S : chances R) (f : points S -> 'cV[R]_n.+1) :
  as_matrix (\E_(t <- S) f t) = \E_(t <- S) as_matrix (f t).
Proof. by rewrite /expect /as_matrix mulmx_suml; apply: eq_bigr => t _; rewrite scalemxAl. Qed.


Lemma as_matrix_inj : injective as_matrix.
Proof.
move=> u v e; apply/matrixP => i j; rewrite (ord1 j).
by have := congr1 (fun A : 'M[R]_n.+1 => A i 0) e; rewrite !mxE !big_ord1 !mxE !eqxx !mulr1.
Qed.

Lemma as_matrix_trace u (A : 'M[R]_n.+1) v : \tr ((as_matrix u)^T * A * as_matrix v) = (u^T *m A *m v) 0 0.
Proof.
have -> : (as_matrix u)^T * A * as_matrix v = delta_mx 0 0 *m (u^T *m A *m v) *m delta_mx 0 0.
  by rewrite /as_matrix trmx_mul trmx_delta /GRing.mul /= !mulmxA.
move: (u^T *m A *m v) => x; rewrite mxtrace_mulC (mulmxA (delta_mx 0 0) (delta_mx 0 0) x) mul_delta_mx.
by rewrite /mxtrace big_ord1 mxE big_ord1 mxE !eqxx mul1r.
Qed.

End Vectors.

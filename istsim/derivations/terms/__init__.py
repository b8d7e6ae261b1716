"""Terms: polynomials in matrices and vectors, expectations, entries, and their normal forms."""

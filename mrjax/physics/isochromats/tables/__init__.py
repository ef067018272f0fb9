"""Sequences of known numbers as tables, and how spins that rest play them."""

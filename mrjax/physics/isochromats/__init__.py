"""Spins, each a solution of the Bloch equations."""

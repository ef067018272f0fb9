"""The sum over many spins, each a solution of the Bloch equations."""

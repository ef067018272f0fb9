"""Images of phase distribution graphs."""

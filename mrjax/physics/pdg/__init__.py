"""Phase distribution graphs."""

"""What reaches below JAX's public functions, in one place."""

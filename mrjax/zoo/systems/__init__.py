"""Networks that can be trained: a file each, found by its name."""

"""Methods that need no training: a file each, found by its name."""

"""The signal of a whole object: the sum over its voxels of what an engine says, seen by coils."""

from .acquire import acquire as acquire

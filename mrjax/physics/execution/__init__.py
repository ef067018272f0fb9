"""Playing a sequence: operators prepared, loops, chunks of voxels, cores and devices."""

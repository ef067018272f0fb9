"""The sum over many voxels of what they answer: samples of a readout are encoded together."""

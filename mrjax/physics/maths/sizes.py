"""Few sizes for many, so that what is a little larger or smaller finds its program compiled."""


def padded_size(n: int) -> int:
    """The next larger of the numbers 1 to 8, 10, 12, 14, 16, 20, ...: at most a quarter more.

    These are four to seven times a power of two. Files sample so often, and nothing is added then; voxels and repetitions, whose
    neighbours are asked for, have sizes a little above round numbers in their place (`execution.sizes.rounded_up`).
    """
    exponent = max(0, (n - 1).bit_length() - 3)
    return -(-n // 2**exponent) * 2**exponent

"""Arrays with as many axes as others: ranks are made equal where it is said, never by the way; and lengths of axes."""

from jaxtyping import Array


def with_rank(array: Array, rank: int) -> Array:
    """`array` with axes of length one in front, up to `rank` axes."""
    return array.reshape((1,) * (rank - array.ndim) + array.shape)


def of_one_rank(first: Array, second: Array) -> tuple[Array, Array]:
    """Both arrays with as many axes; the last ones are those they have in common."""
    rank = max(first.ndim, second.ndim)
    return with_rank(first, rank), with_rank(second, rank)


def quick_length(n: int) -> int:
    """The next length, from `n` on, that Fourier transforms of real numbers are quick for."""
    from scipy.fft import next_fast_len  # which few need

    return int(next_fast_len(n, real=True))  # pyright: ignore[reportArgumentType]  # which its stubs say is None

"""Pool files with relaxation rates, and with comments in Latin-1, are read as those with times and in UTF-8."""

import numpy as np
import pytest

from mrjax.io import FileError, read_grid, read_pools

BY_RATES = """\
water_pool: {f: 1.0, r1: 0.4, r2: 25}
cest_pool: {amide: {f: 1.0e-3, r1: 0.8, t2: 0.1, k: 30, dw: 3.5}}
mt_pool: {f: 0.1, r1: 0.5, r2: 1.0e+5, k: 25, dw: -3.0, lineshape: Lorentzian}
b0: 3
"""


def written(folder, text: str, encoding: str = "utf-8"):
    path = folder / "pools.yaml"
    path.write_bytes(text.encode(encoding))
    return path


def test_rates_stand_in_place_of_times(tmp_path):
    tissue = read_pools(written(tmp_path, BY_RATES)).tissue
    amide, semisolid = tissue.pools
    np.testing.assert_allclose([tissue.t1, tissue.t2], [2.5, 0.04], rtol=1e-15)
    np.testing.assert_allclose([amide.t1, amide.t2], [1.25, 0.1], rtol=1e-15)
    np.testing.assert_allclose([semisolid.t1, semisolid.t2], [2.0, 1e-5], rtol=1e-15)


def test_a_grid_keeps_the_rates_of_the_file(tmp_path):
    grid = read_grid(written(tmp_path, BY_RATES.replace("r1: 0.4", "r1: [0.3, 0.4]")))
    np.testing.assert_array_equal(grid["water_pool.r1"], [0.3, 0.4])
    assert "water_pool.t1" not in grid


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "r1: 0.4",
            "r1: 0.4, t1: 2.5",
            "water_pool has both t1 and r1; give one of them, a time in s or a rate in 1/s.",
        ),
        ("t2: 0.1, ", "", "cest_pool.amide lacks t2; it must have f, t1, t2, k, dw."),
        ("r2: 25", "r2: 0", "water_pool.r2 must be a positive rate in 1/s, but is 0."),
    ],
)
def test_exactly_one_of_each_pair_is_due(tmp_path, old, new, sentence):
    path = written(tmp_path, BY_RATES.replace(old, new))
    with pytest.raises(FileError) as caught:
        read_pools(path)
    assert str(caught.value) == f"{path}: {sentence}"


def test_comments_may_be_latin_1(tmp_path):
    text = "# B1 in µT, Größe\n" + BY_RATES.replace("b0: 3", "b0: 3 # £\ngamma: 267.5153 # rad/s/µT")
    file = read_pools(written(tmp_path, text, "latin-1"))
    assert (file.b0, file.names) == (3.0, ("amide", "mt_pool"))

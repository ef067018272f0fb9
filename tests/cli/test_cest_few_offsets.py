"""`mrjax cest` with few, repeated or one-sided offsets; what `simulate` wrote is read by `fit`."""

import csv

import jax
import numpy as np
import pytest
from saturation_files import saturation_file

import mrjax as mr
from mrjax.cli import main

POOLS = """\
water_pool: {f: 1.0, t1: 1.3, t2: 0.08}
cest_pool: {amide: {f: 1.0e-3, t1: 1.3, t2: 0.1, k: 60, dw: 3.5}}
b0: 3
"""


def sequence(offsets):
    """A block of 1 s and 2 uT at each offset, preceded by full recovery, and a readout."""
    definitions = f"B0 3\noffsets_ppm {' '.join(map(str, offsets))}\nM0_offset -300"
    return saturation_file(offsets, amplitude=85, definitions=definitions)


@pytest.fixture
def simulated(tmp_path):
    """`simulated(offsets)` runs `cest simulate` and gives the paths of its input and the rows of its table."""

    def run(offsets):
        paths = [str(tmp_path / "pools.yaml"), str(tmp_path / "scan.seq")]
        (tmp_path / "pools.yaml").write_text(POOLS)
        (tmp_path / "scan.seq").write_text(sequence(offsets))
        assert main(["cest", "simulate", *paths, "--out", str(tmp_path / "out")]) == 0
        assert (tmp_path / "out" / "z_spectrum.png").is_file()
        with (tmp_path / "out" / "z_spectrum.csv").open() as file:
            return paths, [{name: float(cell) for name, cell in row.items()} for row in csv.DictReader(file)]

    return run


@pytest.mark.exhaustive
@pytest.mark.parametrize("offsets", [(-3.5, 3.5), (-300, 3.5, -3.5), (-300, -3.5, 3.5, -3.5, 3.5)])
def test_asymmetry_of_measured_pairs_needs_no_other_offsets(simulated, offsets):
    _, rows = simulated(offsets)
    z = {row["offset_ppm"]: row["z"] for row in rows}
    assert set(z) == {-3.5, 3.5}
    for row in rows:
        np.testing.assert_allclose(row["mtr_asymmetry"], z[-row["offset_ppm"]] - z[row["offset_ppm"]], atol=1e-12)
    assert abs(z[-3.5] - z[3.5]) > 0.01


@pytest.mark.exhaustive
def test_what_was_not_measured_on_both_sides_has_no_asymmetry(simulated):
    _, rows = simulated((-300, -3.5, 3.5, 2.0, 2.0))
    assert [np.isnan(row["mtr_asymmetry"]) for row in rows] == [False, False, True, True]
    _, rows = simulated((-300, 3.5, 3.5))
    assert list(rows[0]) == ["offset_ppm", "z"]


@pytest.mark.exhaustive
def test_fit_reads_what_simulate_wrote(simulated, tmp_path, capsys):
    paths, _ = simulated((-300, -4, -3.5, 2, 3.5, 4))
    fraction = mr.io.read_pools(paths[0]).tissue.pools[0].fraction
    changed = tmp_path / "changed.yaml"
    changed.write_text(POOLS.replace("1.0e-3", "2.0e-3"))
    spectrum, out = str(tmp_path / "out" / "z_spectrum.csv"), tmp_path / "fit"
    fit = ["cest", "fit", str(changed), paths[1]]
    assert main([*fit, spectrum, "--free", "amide.fraction", "--out", str(out)]) == 0
    with (out / "cest.csv").open() as file:
        (row,) = csv.DictReader(file)
    np.testing.assert_allclose(float(row["amide.fraction"]), fraction, rtol=1e-4)
    assert row["voxel"] == "z_spectrum"
    # a spectrum of another sequence is refused, by number of offsets and by their values
    capsys.readouterr()
    for offsets, sentence in (
        ((-300, -4, 4), "z_spectrum.csv has 2 offsets, but the sequence has 5 without its M0 scans."),
        ((-300, -4, -3.5, 2, 3, 4), "z_spectrum.csv, row 5: offset_ppm is 3, but the sequence plays 3.5 there;"),
    ):
        write = "\n".join(["offset_ppm,z", *(f"{ppm},0.8" for ppm in offsets[1:])])
        (tmp_path / "out" / "z_spectrum.csv").write_text(write)
        assert main([*fit, spectrum, "--free", "amide.fraction", "--out", str(out)]) == 2
        assert sentence in capsys.readouterr().err


def test_a_few_offsets_in_the_library():
    z = np.array([[0.8, 0.7, 0.82, np.nan], [0.9, 0.6, 0.9, 0.5]])
    offset = np.array([-3.5, 3.5, -3.5, 2.0])
    asymmetry = mr.inverse.cest.mtr_asymmetry(z, offset, [3.5])
    np.testing.assert_allclose(asymmetry, [[0.11], [0.3]], atol=1e-7)
    np.testing.assert_allclose(mr.inverse.cest.mtr_asymmetry(z[:, :2], offset[:2], 3.5), [[0.1], [0.3]], atol=1e-7)
    slope = jax.grad(lambda z: mr.inverse.cest.mtr_asymmetry(z, offset, [3.5])[1, 0])(z)
    np.testing.assert_allclose(slope, [[0, 0, 0, 0], [0.5, -1, 0.5, 0]], atol=1e-7)
    axes = mr.plot.z_spectrum(offset, z)
    assert len(axes.figure.axes) == 2

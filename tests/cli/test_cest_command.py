"""`mrjax cest` from published files to spectra, and from simulated measurements back to the pools."""

import csv
import dataclasses
import json

import numpy as np
import pytest

import mrjax as mr
from mrjax.cli import main
from mrjax.io import read_nifti, write_nifti


@pytest.fixture
def files(reference_data):
    """Two pools, one of them semisolid, under eight pulses at 34 offsets."""
    return (
        str(reference_data("cest/yaml/WM_3T_3pool_amide_MT_Lorentz.yaml")),
        str(reference_data("cest/seq/APTw_3T_003_2uT_8block_DC95_834ms_braintumor.seq")),
    )


def table(path):
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.exhaustive
def test_simulate_writes_the_spectrum_its_conventions_and_a_picture(files, reference_data, tmp_path):
    assert main(["cest", "simulate", *files, "--out", str(tmp_path)]) == 0
    rows = table(tmp_path / "z_spectrum.csv")
    reference = np.load(reference_data("cest/protocols/apt003_3p_MT_Lor.npz"))
    z = reference["mz_exact"][1:] / reference["mz_exact"][0]
    np.testing.assert_allclose([float(row["offset_ppm"]) for row in rows], reference["offsets_ppm"][1:])
    np.testing.assert_allclose([float(row["z"]) for row in rows], z, atol=1e-9)
    np.testing.assert_allclose([float(row["mtr_asymmetry"]) for row in rows], z[::-1] - z, atol=1e-9)
    conventions = json.loads((tmp_path / "conventions.json").read_text())
    assert conventions["b0"] == 3.0
    assert conventions["plays_rf_delay"] is False
    assert conventions["lineshapes"] == {"mt_pool": "Lorentzian"}
    assert (tmp_path / "z_spectrum.png").stat().st_size > 10_000


def measured(files, fraction, exchange_rate):
    pools = mr.io.read_pools(files[0])
    amide, semisolid = pools.tissue.pools
    amide = dataclasses.replace(amide, fraction=fraction)
    semisolid = dataclasses.replace(semisolid, exchange_rate=exchange_rate)
    tissue = dataclasses.replace(pools.tissue, pools=(amide, semisolid))
    sequence = pools.sequence(mr.pulseq.read(files[1]))
    return np.asarray(mr.simulate(sequence, tissue, mr.BlochMcConnell(pools.b0, pools.conventions)).real)


FRACTIONS, RATES = np.array([[8e-4, 1.2e-3]]), np.array([[40.0, 20.0]])


@pytest.mark.exhaustive
def test_fit_finds_the_pools_in_images_of_any_unit(files, tmp_path):
    write_nifti(tmp_path / "z.nii", 700.0 * measured(files, FRACTIONS[..., None], RATES[..., None]), np.eye(4))
    free = ["--free", "amide.fraction", "mt_pool.exchange_rate"]
    out = tmp_path / "maps"
    assert main(["cest", "fit", *files, str(tmp_path / "z.nii"), *free, "--out", str(out)]) == 0
    maps = {path.name.removesuffix(".nii.gz"): read_nifti(path).data[..., 0] for path in out.glob("*.nii.gz")}
    np.testing.assert_allclose(maps["amide.fraction"], FRACTIONS, rtol=1e-3)
    np.testing.assert_allclose(maps["mt_pool.exchange_rate"], RATES, rtol=1e-3)
    np.testing.assert_allclose(maps["m0"], 700.0, rtol=1e-4)


@pytest.mark.exhaustive
def test_fit_takes_spectra_that_are_divided_by_m0(files, tmp_path):
    magnetisation = measured(files, 1.1e-3, 35.0)
    np.savetxt(tmp_path / "z.csv", (magnetisation[1:] / magnetisation[0])[None], delimiter=",")
    free = ["--free", "amide.fraction", "mt_pool.exchange_rate"]
    assert main(["cest", "fit", *files, str(tmp_path / "z.csv"), *free, "--out", str(tmp_path)]) == 0
    (row,) = table(tmp_path / "cest.csv")
    assert float(row["amide.fraction"]) == pytest.approx(1.1e-3, rel=1e-3)
    assert float(row["mt_pool.exchange_rate"]) == pytest.approx(35.0, rel=1e-3)
    assert "m0" not in row


def test_mistakes_end_with_one_sentence(files, tmp_path, capsys):
    np.savetxt(tmp_path / "z.csv", np.ones((1, 7)), delimiter=",")
    arguments = ["cest", "fit", *files, str(tmp_path / "z.csv"), "--free"]
    assert main([*arguments, "amide.fraction"]) == 2
    assert "All 34 measurements, or the 33 without M0 scans." in capsys.readouterr().err
    assert main([*arguments, "amine.fraction"]) == 2
    error = capsys.readouterr().err
    assert "--free must name b1; off_resonance_ppm; water.t1; water.t2; amide.NAME" in error
    assert error.rstrip().endswith("but got 'amine.fraction'.")
    assert main(["cest", "simulate", files[0], files[0], "--out", str(tmp_path)]) == 2
    assert "mrjax cest:" in capsys.readouterr().err
    assert main(["cest", "simulate", files[1], files[1], "--out", str(tmp_path)]) == 2
    assert "mrjax cest:" in capsys.readouterr().err

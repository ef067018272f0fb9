"""Schedules as CSV files: what is written is read, and what cannot be written is refused."""

import numpy as np
import pytest

import mrjax as mr

SCHEDULE = {
    "tr": np.array([3.5, 3.6]),
    "b1": np.array([2e-6, 0.0]),
    "offset_ppm": 3.5,
    "flip_angle": np.pi / 2,
    "saturation_time": np.array([2.5, 1.23456]),
}


def test_what_is_written_is_read(tmp_path):
    mr.io.write_schedule(tmp_path / "schedule.csv", SCHEDULE)
    read = mr.io.read_schedule(tmp_path / "schedule.csv")
    assert {*read} == {*SCHEDULE}
    for name, value in SCHEDULE.items():
        np.testing.assert_allclose(read[name], np.broadcast_to(value, 2), rtol=1e-8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"te": 0.0}, "`schedule` must have tr, b1, offset_ppm, flip_angle, saturation_time, but has .*te"),
        ({"b1": np.ones(3)}, "`tr` must be one finite number or one for each of 3 images"),
        ({"tr": np.array([1.0, np.nan])}, "`tr` must be one finite number or one for each of 2 images"),
    ],
)
def test_what_is_no_schedule_is_refused(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        mr.io.write_schedule(tmp_path / "schedule.csv", SCHEDULE | change)
    assert not (tmp_path / "schedule.csv").exists()

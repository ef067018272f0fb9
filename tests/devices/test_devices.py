"""Voxels spread over eight devices of one host, and over two processes."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent


def start(script: str, *arguments: str, n_devices: int) -> subprocess.Popen:
    environment = os.environ | {
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={n_devices}",
        "JAX_PLATFORMS": "cpu",
    }
    command = [sys.executable, str(HERE / script), *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.exhaustive
def test_eight_devices():
    process = start("on_eight_devices.py", n_devices=8)
    output, _ = process.communicate(timeout=400)
    assert process.returncode == 0, output[-4000:]


@pytest.mark.exhaustive
def test_two_processes():
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    processes = [start("in_two_processes.py", port, str(number), n_devices=2) for number in range(2)]
    outputs = [process.communicate(timeout=400)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(output[-3000:] for output in outputs)
    assert all("holds (64, 3, 40)" in output for output in outputs)  # 256 rows over two devices of two processes


@pytest.mark.exhaustive
def test_batches_are_spread_along_the_axes_that_are_named():
    process = start("spread_over_two_devices.py", n_devices=2)
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output[-4000:]


@pytest.mark.exhaustive
def test_training_on_eight_devices_learns_what_one_device_learns(tmp_path):
    weights = []
    for n_devices in (1, 8):
        file = tmp_path / f"{n_devices}.npz"
        process = start("train_on_eight_devices.py", str(file), n_devices=n_devices)
        output, _ = process.communicate(timeout=400)
        assert process.returncode == 0, output[-4000:]
        with np.load(file) as stored:
            weights.append([stored[name] for name in stored.files])
    for alone, spread in zip(*weights, strict=True):  # sums over a batch go another way
        np.testing.assert_allclose(spread, alone, atol=2e-4)

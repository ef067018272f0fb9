"""How fast is blochsim (fused C++ kernels under PyTorch) on the EPG tasks?

    <python of the peers> -m benchmarks.peers.blochsim_peer fisp --voxels 1000 --threads 1 --out signal.npz

from the root of the repository. Prints one line of JSON. A simulator is constructed once, outside the timed part; the
first call, in which it resolves the structure of the sequence, is reported on its own.

Agreement with mrjax in float32, 200 voxels, 20 orders, relative to M0: FISP 6e-6, where the signal of mrjax is -1j times
that of blochsim; CPMG 3e-6, phases included. The flip angle gradient agrees to 2e-5 of its largest entry, and the Jacobian
with differences of a float64 recursion to 3e-5 of its largest entry.
"""

import argparse
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from blochsim.simulators import FSESimulator, MRFSimulator

from benchmarks import tasks
from benchmarks.peers.measuring import measured, peak_memory, report

Task = tuple[Callable[[], Any], Callable[[Any], dict[str, np.ndarray]]]
"""What is timed, and how its result is saved: in SI units, phases as blochsim has them."""


class FISP(MRFSimulator):
    """The fingerprinting train of blochsim, which samples right at the pulse, with an echo time.

    Up to the sample there is nothing but decay, so it can be a factor of M0. That costs the kernel nothing, whereas one
    more event per repetition would have it relax every order twice. Derivatives follow, for T2 reaches M0.
    """

    echo_time = 0.0  # ms, as all times in blochsim

    def evaluate(self, properties, **sequence):
        decay = torch.exp(-self.echo_time / properties["T2"])
        return super().evaluate({**properties, "M0": decay}, **sequence)


def fisp_simulator(task: dict[str, Any], n_states: int) -> FISP:
    """Everything but the tissue; the inversion of blochsim is ideal by default."""
    simulator = FISP(
        flip=torch.rad2deg(torch.from_numpy(task["flip_angle"])),
        TR=1e3 * task["tr"],
        TI=1e3 * task["inversion_time"],
        states=n_states,
    )
    simulator.echo_time = 1e3 * task["te"]
    return simulator


def relaxation(task: dict[str, Any]) -> dict[str, torch.Tensor]:
    return {"T1": 1e3 * torch.from_numpy(task["t1"]), "T2": 1e3 * torch.from_numpy(task["t2"])}


def fisp(n_voxels: int, n_states: int) -> Task:
    task = tasks.fisp(n_voxels)
    simulator, tissue = fisp_simulator(task, n_states), relaxation(task)
    return lambda: simulator.simulate(**tissue), lambda signal: {"signal": signal.numpy()}


def fisp_jacobian(n_voxels: int, n_states: int) -> Task:
    """By forward mode, for which blochsim has kernels of dual numbers."""
    task = tasks.fisp(n_voxels)
    simulator, tissue = fisp_simulator(task, n_states), relaxation(task)

    def saved(result):
        signal, jacobian = result
        return {"signal": signal.numpy(), "jacobian": 1e3 * jacobian.numpy()}  # 1/ms to 1/s

    return lambda: simulator.jacobian(("T1", "T2"), **tissue), saved


def fisp_gradient(n_voxels: int, n_states: int) -> Task:
    """By reverse mode, for which blochsim has an adjoint kernel that autograd reaches through the flip angles."""
    task = tasks.fisp(n_voxels)
    simulator, tissue = fisp_simulator(task, n_states), relaxation(task)
    flip = torch.rad2deg(torch.from_numpy(task["flip_angle"])).requires_grad_()
    target = torch.view_as_real(torch.from_numpy(tasks.fisp_target(n_voxels)).to(torch.complex64))

    def loss_and_gradient():
        signal = simulator.simulate(flip=flip, **tissue)
        # the mean over real and imaginary parts is half that of |.|^2; `abs` would cost roots in both directions
        loss = 2 * torch.nn.functional.mse_loss(torch.view_as_real(signal), target)
        return loss.detach(), *torch.autograd.grad(loss, flip)

    def saved(result):
        loss, gradient = result
        return {"loss": loss.numpy(), "gradient": np.rad2deg(gradient.numpy())}  # 1/degree to 1/rad

    return loss_and_gradient, saved


def cpmg(n_voxels: int, n_states: int) -> Task:
    """One train from equilibrium, where blochsim plays two by default."""
    task = tasks.cpmg(n_voxels)
    simulator = FSESimulator(
        flip=torch.rad2deg(torch.from_numpy(task["refocusing_angle"])),
        ESP=1e3 * task["echo_spacing"],
        exc_flip=float(np.rad2deg(task["excitation_angle"])),
        exc_phase=90.0,
        states=n_states,
        repetitions=1,
    )
    tissue = {**relaxation(task), "B1": torch.from_numpy(task["b1"])}
    return lambda: simulator.simulate(**tissue), lambda signal: {"signal": signal.numpy()}


TASKS = {"fisp": fisp, "fisp_jacobian": fisp_jacobian, "fisp_gradient": fisp_gradient, "cpmg": cpmg}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--voxels", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--states", type=int, default=20, help="configuration orders kept")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="where the result is saved (.npz)")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    call, saved = TASKS[options.task](options.voxels, options.states)
    before = peak_memory()
    result, times = measured(call, options.repeats)
    peak = peak_memory()
    if options.out is not None:
        np.savez(options.out, **saved(result))
    versions = f"blochsim {version('blochsim')}, torch {version('torch')}"
    report(**times, version=versions, peak_rss_mib=peak, import_rss_mib=before)


if __name__ == "__main__":
    main()

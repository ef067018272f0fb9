"""Ctrl-C ends a command at once, whatever XLA is doing, and what is finished is kept."""

import signal
import subprocess
import sys
import threading

import pytest

from mrjax.cli.interrupts import interruptible, work_goes_on

BUSY = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from mrjax.cli import fingerprinting, main

def busy(*_):
    print("busy", flush=True)
    ThreadPoolExecutor(1).submit(time.sleep, 600).result()  # on which Python waits before it exits

fingerprinting.scan = busy
sys.argv = ["mrjax", "--no-cache", "demo", "--shape", "24", "24"]
sys.exit(main())
"""


def test_results_and_errors_come_through():
    def fail():
        raise LookupError("of the work")

    assert interruptible(lambda: 3) == 3
    with pytest.raises(LookupError, match="of the work"):
        interruptible(fail)
    assert not work_goes_on()


def test_an_interrupt_is_not_kept_waiting():
    may_end = threading.Event()

    def work():
        threading.Timer(0.05, signal.raise_signal, [signal.SIGINT]).start()
        may_end.wait(60)

    with pytest.raises(KeyboardInterrupt):
        interruptible(work)
    assert work_goes_on()
    may_end.set()


@pytest.mark.skipif(sys.platform == "win32", reason="no signal can be sent there")
def test_the_process_ends():
    process = subprocess.Popen([sys.executable, "-c", BUSY], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == "busy\n"
    process.send_signal(signal.SIGINT)
    try:
        _, told = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert told.strip() == "mrjax demo: interrupted."

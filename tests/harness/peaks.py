"""How much memory this process has held at once, as the kernel counts it for the program that runs now."""

from __future__ import annotations

from pathlib import Path

PEAK_FORGOTTEN = "5"  # proc(5): what `clear_refs` takes to begin the peak again


def peak_mib() -> float:
    """
    The most that was resident since this program began, or since `forget_peak`.

    Of `getrusage` a program has the peak of whoever started it, too: a limit below it cannot be kept, growth
    beneath it is not seen.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def forget_peak() -> float:
    """What is resident now, which is the peak from here on."""
    Path("/proc/self/clear_refs").write_text(PEAK_FORGOTTEN)
    return peak_mib()

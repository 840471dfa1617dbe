"""OpenVINO's devices on this machine, `ComputeMode` (device and precision), and compile options."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal, NamedTuple, get_args

import openvino

Precision = Literal["f32", "bf16", "f16"]


class ComputeMode(NamedTuple):
    """The device and the precision that a model is compiled for."""

    device: str  # OpenVINO's name of the device
    precision: Precision

    def __str__(self) -> str:
        return self.precision if self.device == "CPU" else f"{self.precision} on {self.device}"


EXACT = ComputeMode("CPU", "f32")
"""Computes the same masks on every machine; the default and the reference."""

OTHER_DEVICES = ("GPU", "NPU")
"""Devices that OpenVINO may offer besides the processor; they compute in half precision."""


@cache
def core() -> Any:
    """OpenVINO's runtime, one per process."""
    core = openvino.Core()
    # Without memory mapping: truncating an installed .bin while it is mapped would kill the
    # process, and overwriting it would change the masks.
    core.set_property({"ENABLE_MMAP": False})
    return core


def supports_bf16(device: str = "CPU") -> bool:
    """Whether the device computes in bfloat16, so that ``precision="bf16"`` makes sense."""
    return "BF16" in core().get_property(device, "OPTIMIZATION_CAPABILITIES")


def faster_modes() -> list[ComputeMode]:
    """The modes this machine offers besides `EXACT`; each must be checked before it is used."""
    modes = [ComputeMode("CPU", "bf16")] if supports_bf16() else []
    devices = core().available_devices
    return modes + [ComputeMode(d, "f16") for d in devices if d.split(".")[0] in OTHER_DEVICES]


def machine_id() -> str:
    """The processor, other devices and OpenVINO's version, on which a measurement depends."""
    names = [core().get_property(device, "FULL_DEVICE_NAME") for device in core().available_devices]
    return "; ".join([*names, openvino.__version__])


def compile_options(precision: Precision, threads: int | None, device: str) -> dict[str, Any]:
    """OpenVINO's options for compiling; ValueError if device or precision is not available."""
    available = core().available_devices
    family = device.split(".")[0]
    if family not in {name.split(".")[0] for name in available}:
        raise ValueError(
            f"There is no device {device!r}; available devices: {', '.join(available)}."
        )
    if precision not in get_args(Precision):
        known = ", ".join(get_args(Precision))
        raise ValueError(f"The precision {precision!r} is unknown; choose one of {known}.")
    if precision == "bf16" and not supports_bf16(device):
        raise ValueError(
            f"This computer's {device} does not compute in bfloat16; choose precision f32."
        )
    if precision == "f16" and family not in OTHER_DEVICES:
        raise ValueError("Precision f16 works only on graphics and neural processors; choose f32.")
    options: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": precision,
        "PERFORMANCE_HINT": "LATENCY",
    }
    if threads is not None:
        if threads < 1:
            raise ValueError(f"The number of threads is {threads}; give 1 or more.")
        if family == "CPU":
            options["INFERENCE_NUM_THREADS"] = threads
            # OpenVINO binds its threads to cores, beginning with the first: on Linux several
            # processes with one thread each would share one core and be no faster than one process.
            options["ENABLE_CPU_PINNING"] = False
    return options

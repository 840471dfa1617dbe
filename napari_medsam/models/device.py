"""What OpenVINO finds on this machine, and the options a model is compiled with."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

import openvino

Precision = Literal["f32", "bf16"]


@cache
def core() -> Any:
    return openvino.Core()


def supports_bf16(device: str = "CPU") -> bool:
    """Whether the device computes in bfloat16, so that ``precision="bf16"`` makes sense."""
    return "BF16" in core().get_property(device, "OPTIMIZATION_CAPABILITIES")


def compile_options(precision: Precision, threads: int | None, device: str) -> dict[str, Any]:
    available = core().available_devices
    if device.split(".")[0] not in {name.split(".")[0] for name in available}:
        raise ValueError(f"There is no device {device!r} here; there are: {', '.join(available)}.")
    if precision not in ("f32", "bf16"):
        raise ValueError(f"The precision {precision!r} is unknown; choose f32 or bf16.")
    if precision == "bf16" and not supports_bf16(device):
        raise ValueError(
            f"This computer's {device} does not compute in bfloat16; choose precision f32."
        )
    options: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": precision,
        "PERFORMANCE_HINT": "LATENCY",
    }
    if threads is not None:
        if threads < 1:
            raise ValueError(f"The number of threads is {threads}; give 1 or more.")
        options["INFERENCE_NUM_THREADS"] = threads
    return options

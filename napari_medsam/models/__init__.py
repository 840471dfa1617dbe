"""Networks as OpenVINO graphs built from published checkpoints; knows arrays, never images."""

import sys

# `import openvino` reports itself to a web analytics service, from a process of its own
# (openvino/tools/ovc/__init__.py, through openvino_telemetry). Patients' images are opened here:
# nothing may leave this machine. With the module barred OpenVINO takes its own silent stub.
# This runs before any import of OpenVINO in this program; it does nothing if another has come
# first.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

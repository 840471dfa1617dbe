"""The models: published checkpoints and graphs, the OpenVINO networks built from them, the store.

This package works on arrays; it does not know images.
"""

import sys

# `import openvino` reports itself to a web analytics service, from a separate process
# (openvino/tools/ovc/__init__.py, through openvino_telemetry). Patients' images are opened here:
# nothing may leave this machine. With the module blocked, OpenVINO uses its own silent stub.
# This runs before this program imports OpenVINO; it has no effect if other code imported it first.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

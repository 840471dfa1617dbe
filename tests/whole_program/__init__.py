"""Tests of the whole program: privacy, faults, the Python API and files of earlier versions."""

"""Files on this machine, and the differences between Windows, macOS and Linux, each in one module.

The package imports no code for images, models or windows; every other package may import it.
"""

"""Files on this machine, and the differences between Windows, macOS and Linux, each in one place.

It depends on no code for images, models or windows; every other package may import it.
"""

"""Files on this machine: where Windows, macOS and Linux differ, each difference in one place.

Nothing here knows images, models or windows; every other package may import it.
"""

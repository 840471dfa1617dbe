"""The journal: the log of an annotation, written to disk step by step, so that no work is lost.

One SQLite file per image, named by a hash of its voxels: no path, no patient. The window writes it
in the background (`writer`) and reads it when the same image is opened again (`history`); the
command line turns it back into labels (`replay`). See docs/journal.md.
"""

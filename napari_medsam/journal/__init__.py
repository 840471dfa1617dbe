"""The journal: an annotation's log on disk, as it happens, so that nothing that was done is lost.

One SQLite file an image, named by a hash of its voxels: no path, no patient. The window writes it
in the background (`keeper`), reads it when the same image is opened again (`history`), and the
command line turns it back into labels (`replay`). See docs/journal.md.
"""

"""The matrix: the test suite on many Pythons, Qt bindings and versions (./script/matrix).

Standard library only: it runs before anything is installed. `plan` lists the cells, `pythons` finds
the interpreters, `environments` installs, `runs` tests, `table` reports, `__main__` is the command.
"""

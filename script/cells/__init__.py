"""The matrix: the test suite on many Pythons, Qt bindings and versions (./script/matrix).

Standard library only, because it runs before anything is installed. `plan` lists the cells,
`pythons` finds the interpreters, `indexes` passes pip's package indexes to uv, `environments`
installs, `runs` runs the tests, `table` formats the results, `__main__` is the command.
"""

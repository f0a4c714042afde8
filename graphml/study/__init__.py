"""Studies: the same configuration in several variants over several seeds, ending in one table.

On the command line ``graphml study``; from Python :func:`graphml.study.planning.make_plan` and
:func:`graphml.study.runner.run_study`. Nothing is imported here, so that ``graphml study --help`` answers at once.
"""

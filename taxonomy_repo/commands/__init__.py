"""The verbs of ``python -m taxonomy_repo``, one module each.

A verb's module has ``HELP`` (one line), ``DESCRIPTION``, ``add_arguments(parser)`` and ``run(options)``, which gives
the exit status: 0 done, 1 the answer is bad news (errors, conflicts), 2 it could not be done.
"""

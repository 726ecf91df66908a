"""Tuning: mixtures with replay, tokenising and packing, the training program and its launcher.

``mixture`` and ``stage`` are the stages of a round; ``train`` is the program that ``stage`` launches. Nothing is
imported here: torch is loaded by the modules that need it, in the process that tunes.
"""

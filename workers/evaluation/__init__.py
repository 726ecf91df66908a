"""Scores of models: held-out seeds, general chats, benchmarks; and the statistics that compare them.

Light: nothing is imported here. ``statistics`` may be used by the web; the other modules load torch when they run.
"""

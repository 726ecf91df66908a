"""The teacher: a model behind an OpenAI-compatible API, started here or running elsewhere.

``profiles`` says how a model is prompted, ``server`` starts and stops one on this machine, ``client`` asks it, and
``connection`` joins them: from a :class:`workers.specs.TeacherReference` to a client that answers.
"""

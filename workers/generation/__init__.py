"""Making training samples from seeds with a teacher (LAB, arXiv 2403.01081, section 3).

``documents`` cuts texts, ``material`` draws what each request is shown, ``pipelines`` ask the teacher, ``filters`` and
``judges`` decide what is kept, ``engine`` runs it all with steps overlapping and parts written as it goes, ``stage`` is
the round's stage and ``__main__`` the shell command.
"""

"""Asking the model and trying the teacher, while a contribution is written and when it is reviewed."""

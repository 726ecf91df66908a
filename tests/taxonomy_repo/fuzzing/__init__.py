"""Inputs that nobody would think of: the program that looks for them, and the few it found worth keeping."""

"""Accounts, roles, tokens and sign-in."""

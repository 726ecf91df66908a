"""Migrations of askings."""

"""The base page, its components and assets, and health."""

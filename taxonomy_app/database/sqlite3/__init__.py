"""Django's SQLite backend with connections that outlive their thread (``base``)."""

"""Fast matrix products for networks of any kind. Stands alone."""

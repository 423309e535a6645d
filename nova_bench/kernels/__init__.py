"""Fast matrix products for networks of any kind. Independent of the other folders."""

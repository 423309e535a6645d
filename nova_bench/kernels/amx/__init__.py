"""Float32 products on CPUs with AMX: faster than float32 units give them, and as exact."""

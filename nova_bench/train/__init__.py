"""Training: an autoencoder, then a NOVA transformer with its text encoder, from one YAML file."""

"""Set-up: what `make` runs once the virtual environment exists. In: package registries. Out: MinIO and the model."""

"""Feed action `bucket`: a trigger's wish in, the bucket's notification document changed, so that MinIO fires it."""

"""Feed action `bucket`: a trigger's wish in, the bucket's notification document changed, so that MinIO fires it."""

# First of all, before anything imports `minio`: its administration's ciphers are left out until the feed declares a
# target, which few calls do.
import actions.minio_client  # noqa: F401

"""Feed action `bucket`: a trigger's parameters in, the bucket's notification document changed; MinIO then fires it."""

# First of all, before anything imports `minio`: its administration's ciphers are left out until the feed declares a
# target, which few calls do.
import actions.minio_client  # noqa: F401

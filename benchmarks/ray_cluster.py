"""Serves networks by deploy/ray_serve.py on a cluster of its own, until it is ended.

`python -m benchmarks.ray_cluster MODEL REPLICAS PORT` does what `serve run` does, without Ray's
dashboard, whose ten processes would take their share of the cores that are measured.
"""

import sys

import ray
from deploy.ray_serve import Arguments, deployment
from ray import serve

CPUS = 0.5
"""Of each replica, as Ray counts them: two fit beside everything else."""
STORE_BYTES = 80 * 2**20
"""Nothing lies there: pictures come by HTTP."""


def main(model: str, replicas: str, port: str) -> None:
    """Serve, with one engine thread in each replica."""
    ray.init(
        address="local",
        include_dashboard=False,
        log_to_driver=False,
        num_cpus=2,
        object_store_memory=STORE_BYTES,
        _node_ip_address="127.0.0.1",
    )
    serve.start(http_options={"host": "127.0.0.1", "port": int(port)})
    networks = deployment.options(
        num_replicas=int(replicas), ray_actor_options={"num_cpus": CPUS}
    ).bind(Arguments(model=model, threads=1))
    serve.run(networks, name="hematovision", route_prefix="/", blocking=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

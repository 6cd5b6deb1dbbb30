"""Serves the networks of a model folder on Ray Serve, by the Open Inference Protocol V2.

    serve run deploy.ray_serve:app
    serve deploy deploy/ray_serve.yaml

docs/serving-models.md tells the whole way. What is answered stands in
hematovision.vision.serving_v2 and serving_grpc; here is only what Ray asks for.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import ray
from pydantic import BaseModel, ConfigDict, Field
from ray import serve
from ray.serve.grpc_util import RayServegRPCContext
from starlette.requests import Request
from starlette.responses import Response

from hematovision.config import Settings
from hematovision.vision.bundle import read_bundle
from hematovision.vision.open_inference_grpc import METHODS
from hematovision.vision.served import open_served
from hematovision.vision.serving_grpc import answer_call
from hematovision.vision.serving_limits import Limits
from hematovision.vision.serving_v2 import Front, read_token
from hematovision.vision.together import Together

LIMITS = Limits()


class Arguments(BaseModel):
    """What `args` of the configuration may say."""

    model_config = ConfigDict(extra="forbid")

    model: Path = Field(
        default_factory=lambda: Settings.from_environment().model_folder,
        description="The model folder; it must lie at this path on every node.",
    )
    token_file: Path | None = Field(
        None, description="Holds the token that clients must show; without it everybody may ask."
    )
    threads: int = Field(
        0, ge=0, description="Threads of one run; 0 for as many as the replica has CPUs."
    )
    at_once: int = Field(1, ge=1, description="Runs of a network at once; 2 keeps a GPU busy.")
    bytes: int = Field(LIMITS.bytes, ge=1, description="The most of a request.")
    pixels: int = Field(LIMITS.pixels, ge=1, description="The most of a request, and of a run.")
    side: int = Field(LIMITS.side, ge=32, description="The most pixels of a view's side.")
    waiting: int = Field(
        LIMITS.waiting, ge=1, description="The most requests in one replica; others get 503."
    )


def _call(method: str):
    """Make the method that Ray's gRPC proxy calls by the protocol's name."""

    async def call(self: "Networks", message: bytes, grpc_context: RayServegRPCContext) -> object:
        metadata = dict(grpc_context.invocation_metadata())
        response = await answer_call(self.front, method, message, metadata)
        if response.code:
            grpc_context.set_code(grpc.StatusCode[response.code])
            grpc_context.set_details(response.details)
        return response.message

    call.__name__ = method
    return call


class Networks:
    """Both networks of a model folder, in one replica."""

    def __init__(self, arguments: Arguments) -> None:
        """Load the networks, and run each once.

        Args:
            arguments: From the configuration.
        """
        own = ray.get_runtime_context().get_assigned_resources()
        threads = arguments.threads or max(1, int(own.get("CPU", 1)))
        pool = ThreadPoolExecutor(2 * arguments.at_once if own.get("GPU") else arguments.at_once)
        engines = [
            Together(network, pool, pixels=arguments.pixels, at_once=arguments.at_once)
            for network in open_served(read_bundle(arguments.model), threads=threads)
        ]
        limits = Limits(arguments.bytes, arguments.pixels, arguments.side, arguments.waiting)
        self.front = Front(engines, limits, token=read_token(arguments.token_file))

    async def __call__(self, request: Request) -> Response:
        """Answer a request over HTTP."""
        reply = await self.front.answer(
            request.method, request.url.path, request.headers, request.stream()
        )
        return Response(reply.body, reply.status, dict(reply.headers))


for name in METHODS:
    setattr(Networks, name, _call(name))

deployment = serve.deployment(
    name="Networks",
    max_ongoing_requests=LIMITS.waiting + 16,
    ray_actor_options={"num_cpus": 1},
)(Networks)


def app(arguments: Arguments) -> serve.Application:
    """Build the application; `serve run deploy.ray_serve:app model=FOLDER` gives arguments."""
    return deployment.bind(arguments)

"""Independent work on several machines: the workers of a Dask cluster, or the processes of this one.

Stands on errors. Dask is imported only where a cluster is named (`pip install 'hwflow[cluster]'`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from hwflow.errors import RecipeError, ToolError
from hwflow.version import VERSION

if TYPE_CHECKING:
    from distributed import Client

Answer = TypeVar("Answer")
PATIENCE = 20.0  # seconds for a scheduler to answer, and for the first worker to come


def each(
    call: Callable[..., Answer], asks: Sequence[tuple[Any, ...]], *, cluster: str | None = None, jobs: int = -1
) -> list[Answer]:
    """`call(*ask)` for every ask, the answers in the order of `asks`; an error of any of them ends all.

    `cluster` is the address of a Dask scheduler, such as tcp://host:8786, whose workers then do it; without one, `jobs`
    processes of this machine (-1: one a core). RecipeError where nobody answers or the workers hold another hwflow.
    """
    if cluster is None:
        from joblib import Parallel, delayed

        return list(Parallel(n_jobs=jobs)(delayed(call)(*ask) for ask in asks))
    with connected(cluster) as client:
        # impure: the same question may be asked again on purpose, and each of them is answered
        return list(client.gather([client.submit(call, *ask, pure=False) for ask in asks]))


def slots(cluster: str) -> int:
    """How many things the workers of a cluster do at once."""
    with connected(cluster) as client:
        return sum(client.nthreads().values())


@contextmanager
def connected(cluster: str) -> Iterator[Client]:
    """A client of the scheduler at this address, whose workers hold this version of hwflow."""
    try:
        from distributed import Client
    except ImportError as e:
        raise ToolError(
            "a cluster is reached through Dask, which is not installed: pip install 'hwflow[cluster]'"
        ) from e
    try:
        client = Client(cluster, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as e:
        raise RecipeError(f"--cluster {cluster}: nobody answers there ({e}); start one: dask scheduler") from e
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as e:
            raise RecipeError(f"--cluster {cluster}: has no worker; on each machine: dask worker {cluster}") from e
        held = client.run(version)
        if others := {f"{at}: {what}" for at, what in held.items() if what != VERSION}:
            raise RecipeError(
                f"--cluster {cluster}: this is hwflow {VERSION}, but {'; '.join(sorted(others))}; install the same on all"
            )
        yield client


def version() -> str:
    """The version of hwflow that a worker has."""
    return VERSION

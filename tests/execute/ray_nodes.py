"""A Ray cluster of several nodes, all of them on this machine, each with its own raylet."""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Self


@dataclass
class Nodes:
    """A running cluster; tasks run on every node but the head, which never dies."""

    cluster: Any
    cpus: int
    workers: list[Any] = field(default_factory=list)

    @classmethod
    @contextlib.contextmanager
    def started(cls, *, count: int, cpus: int = 2) -> Iterator[Self]:
        """Give a cluster of a head and *count* nodes with *cpus* each."""
        import ray
        from ray.cluster_utils import Cluster

        with tempfile.TemporaryDirectory(prefix="vcr-", ignore_cleanup_errors=True) as folder:
            os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_TMPDIR=folder)
            Path(folder, "ray").mkdir()
            cluster = Cluster(
                initialize_head=True,
                head_node_args={
                    "num_cpus": 0,
                    "include_dashboard": False,
                    "object_store_memory": 80 << 20,
                    "temp_dir": f"{folder}/ray",
                },
            )
            nodes = cls(cluster=cluster, cpus=cpus)
            try:
                for _ in range(count):
                    nodes.add()
                cluster.wait_for_nodes()
                yield nodes
            finally:
                cluster.shutdown()
                ray.shutdown()
                os.environ.pop("RAY_TMPDIR")

    @property
    def address(self) -> str:
        """Of the head."""
        return str(self.cluster.address)

    def add(self) -> Any:  # noqa: ANN401 -- of Ray
        """Start one more node."""
        node = self.cluster.add_node(
            num_cpus=self.cpus, object_store_memory=80 << 20, include_dashboard=False
        )
        self.workers.append(node)
        return node

    def kill(self, node: Any = None) -> None:  # noqa: ANN401 -- of Ray
        """Kill a node, the oldest if none is named, as a power cut would: no goodbye."""
        node = node or self.workers[0]
        self.workers.remove(node)
        self.cluster.remove_node(node, allow_graceful=False)

    def kill_the_one_of(self, pid: int) -> None:
        """Kill the node, and with it the processes, that *pid* descends from."""
        above = set(_ancestors(pid))
        for node in self.workers:
            raylets = {each.process.pid for each in node.all_processes["raylet"]}
            if raylets & above:
                self.kill(node)
                return
        raise AssertionError(f"no node started {pid}")

    def alive(self) -> list[str]:
        """Return the ids of the nodes that answer, the head among them."""
        return [each.node_id for each in self.cluster.list_all_nodes() if not each.dead_processes()]


def _ancestors(pid: int) -> Iterator[int]:
    while pid > 1:
        yield pid
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])

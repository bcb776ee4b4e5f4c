"""Shards: many databases that several processes build, and that one commit publishes.

>>> job = ShardJob("shops", "sales", by="tenant")
>>> receipts = job.write(frame)              # in any process: a shard for each tenant of its rows
>>> manifest = job.commit(receipts)          # once, with all receipts
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import _sqload
from ._arguments import arguments, names, path
from ._types import Groups, Names, Path, Size

__all__ = ["ShardJob"]


@dataclass(frozen=True)
class ShardJob:
    """A job that builds shards of a table. All processes of the job need the same one: pickle it.

    directory: where the shards go; all processes see it under the same path
    table: the table that every shard has
    by: the columns of the key; without them, all rows are one shard
    id: the id of the job, which no other job for this directory has
    durable: wait until everything is on disk before the manifest is published
    """

    directory: Path
    table: str
    by: Names = ()
    id: str = field(default_factory=lambda: f"job-{uuid.uuid4()}")
    durable: bool = False

    def __post_init__(self) -> None:
        # Processes have different current directories.
        object.__setattr__(self, "directory", os.path.abspath(path(self.directory, "directory")))
        object.__setattr__(self, "by", tuple(names("by", self.by)))

    def write(
        self,
        data: object,
        *,
        attempt: int = 1,
        primary_key: Names | None = None,
        auto_id: bool | str = False,
        not_null: Names | None = None,
        unique: Groups | None = None,
        index: Groups | None = None,
        strict: bool = False,
        without_rowid: bool = False,
        type: Mapping[str, str] | None = None,
        jobs: int | None = None,
        memory: Size = "1G",
        page_size: Size | None = None,
        analyze: bool = False,
    ) -> list[dict[str, Any]]:
        """Builds a shard for each key of the rows in `data`, which is as for `sqload.write`. Returns their receipts: dicts for
        `commit`, which may be pickled or stored as JSON.

        Rows of a key must follow each other, as after a sort by the columns of the key, and all rows of a key must be in the same
        `data`. One shard is open at a time. The columns of the key contain texts, integers, booleans, dates or times.

        attempt: the number of the attempt, if tasks are repeated: the newest shard of a key wins

        The other keywords are those of `sqload.write`.

        Raises `sqload.Error`. The shards of this call are then removed.
        """
        keywords = dict(locals())
        del keywords["self"], keywords["data"], keywords["attempt"]
        keywords.update(table=self.table, pk=keywords.pop("primary_key"))
        receipts = _sqload.write_shards(self._json(), data, attempt, ["load", *arguments(keywords), "--", "-", "shards"])
        return list(json.loads(receipts))

    def commit(self, receipts: Iterable[Mapping[str, Any]], *, rows: int | None = None) -> dict[str, Any]:
        """Publishes the shards of these receipts, and removes the staging area. Returns the manifest, as a dict.

        rows: the number of rows that all shards together must have

        A commit can be repeated with the same receipts.

        Raises `sqload.Error` if a shard is missing or changed, if one attempt has two different shards of a key, or if the rows are
        not as many as expected. The old manifest is then still valid.
        """
        return dict(json.loads(_sqload.commit_shards(self._json(rows), json.dumps(list(receipts)))))

    def abort(self) -> None:
        """Ends the job without publishing anything: removes its staging area."""
        _sqload.abort_shards(self._json())

    @staticmethod
    def clean(directory: Path, live: Iterable[str] = ()) -> list[str]:
        """Removes what dead jobs have left in `directory`, and shards that the manifest does not name. Returns the paths.

        live: the ids of jobs that are under way; superseded shards are not removed as long as such a job has staged files
        """
        return [os.fspath(removed) for removed in _sqload.clean_shards(path(directory, "directory"), list(live))]

    def _json(self, rows: int | None = None) -> str:
        job = {"directory": self.directory, "id": self.id, "table": self.table, "columns": self.by, "durable": self.durable}
        return json.dumps({**job, "buckets": None, "expected_rows": rows})
